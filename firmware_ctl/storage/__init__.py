"""What outlives the process and a power cut: the ledger, the state folder, incidents and traces.

Knows files: how one is written so that its old content or its new one is there, whole; how a folder
is opened that another user may own; and the one thread that waits for the disk. Never knows what
the content means to a session.

Hands out the modules below. A daemon makes a `StateFolder`, a `Disk`, a `Ledger`, and a `Recorder`
with its `Ring` and `Shelf`, in this order.
"""

__all__ = [
    "disk_writer",
    "files",
    "flight_recorder",
    "ledger",
    "ring",
    "state_folder",
    "storage",
    "trace",
]
