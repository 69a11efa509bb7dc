"""Bridges: programs that let other devices in a home reach a daemon, as clients of its socket.

`web` serves a page for a phone. A bridge knows the control socket and the protocol's lines. It
never knows the daemon's loop, pins or state folder, and has no right that a client of the socket
lacks.
"""

__all__ = ["web"]
