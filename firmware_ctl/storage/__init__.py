"""What outlives the process and a power cut: the ledger, the state folder, the history, incidents
and traces.

The package knows how to replace a file so that a reader gets the whole old content or the whole new
content, how to open files safely in a folder of another user, and the one thread that waits for the
disk. It never knows what the content means to a session. A daemon opens everything through
`storage.Storage`.
"""

__all__ = [
    "clock",
    "disk_writer",
    "files",
    "flight_recorder",
    "history",
    "history_file",
    "ledger",
    "ring",
    "state_folder",
    "storage",
    "trace",
]
