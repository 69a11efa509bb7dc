"""The bridge between a phone's browser and a daemon: HTTP and a WebSocket on one side, the control
socket on the other.

Decisions are functions on values, and take the time as an argument: `access` (who may send what),
`seats` (how many phones), `rates`, `pairing`, `frames` (from a phone's frame to lines of the
protocol), `conversation` (from the daemon's bytes to answers), `mirror` (what the bridge knows of
the daemon, and the state that a phone gets).

The edges are `daemon_link`, `stopping` and `remote_control` (the control socket), `server` and
`handlers` (tornado), `page_files`, `devices` (the file of paired devices), `admin` (the socket of
`web pair`), and `profile_pictures` with `profile_data`, a process of its own that reads mat and
profiles (`sources`), so that the bridge stays small. `bridge` connects daemon and phones, `site`
has what the handlers share, `paths` is the table of what is served, and `beside_mock` runs it all
as the child process of a mock.
"""

__all__ = [
    "access",
    "admin",
    "beside_mock",
    "bridge",
    "conversation",
    "daemon_link",
    "devices",
    "frames",
    "handlers",
    "mirror",
    "page_files",
    "pairing",
    "paths",
    "profile_data",
    "profile_pictures",
    "rates",
    "remote_control",
    "seats",
    "server",
    "site",
    "sources",
    "stopping",
]
