"""Waits for changes of one file, by the events of the kernel (watchdog, the extra `edit`).

The folder is watched and not the file: many editors write a new file and rename it over the old
one, which ends a watch of the old file.
"""

import os
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Final, Self

from firmware_ctl.errors import DeviceError

try:
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers import Observer
except ImportError:
    from firmware_ctl.simulator.installing import missing

    raise missing("edit") from None

SETTLE_S: Final = 0.05
"""A save is complete after this time without a change: an editor truncates, writes, renames and
touches."""

_CHANGES: Final = {"created", "modified", "moved", "deleted", "closed"}
"""The events that may be a save. Opening and reading the file are events, too."""


class FileWatch(FileSystemEventHandler):
    """Watches a file in a `with` block. Raises `DeviceError` if its folder cannot be watched."""

    def __init__(self, path: str) -> None:
        self._path = os.path.realpath(path)
        self._changes: SimpleQueue[None] = SimpleQueue()
        self._observer = Observer()

    def __enter__(self) -> Self:
        folder = os.path.dirname(self._path)
        try:
            self._observer.schedule(self, folder, recursive=False)
            self._observer.start()
        except OSError as error:
            raise DeviceError(f"{folder} cannot be watched: {error.strerror}") from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._observer.stop()
        self._observer.join()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Called by watchdog's thread."""
        paths = (os.fsdecode(event.src_path), os.fsdecode(getattr(event, "dest_path", "") or ""))
        if event.event_type in _CHANGES and self._path in paths:
            self._changes.put(None)

    def wait(self) -> None:
        """Returns after the next change, once the save is probably complete."""
        self._changes.get()
        with suppress(Empty):
            while True:
                self._changes.get(timeout=SETTLE_S)
