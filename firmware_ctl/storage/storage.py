"""All that a daemon keeps on disk, opened together and closed together."""

import os
from collections.abc import Callable
from contextlib import ExitStack

from firmware_ctl.config import paths
from firmware_ctl.errors import DeviceError
from firmware_ctl.session.allowance import NEW_DAY
from firmware_ctl.session.session import Session
from firmware_ctl.storage.disk_writer import Disk
from firmware_ctl.storage.files import open_regular
from firmware_ctl.storage.flight_recorder import FlightRecorder, Shelf
from firmware_ctl.storage.history import History
from firmware_ctl.storage.ledger import Files, Ledger
from firmware_ctl.storage.ring import Ring, left_behind
from firmware_ctl.storage.state_folder import StateFolder
from firmware_ctl.storage.trace import Trace


class Storage:
    """The state folder, with its lock, the day's account, the history, and the kept incidents."""

    def __init__(
        self,
        state: str,
        log: Callable[[str], None],
        post: Callable[[Callable[[], object]], None],
        stack: ExitStack,
        files: Files | None = None,
        is_temporary: bool = False,
    ) -> None:
        """`post` queues a call for the loop. `files`: the ledger's system calls, which a test
        replaces.

        `is_temporary`: the folder is removed when the daemon ends, so the flight recorder keeps no
        files for a next daemon. Raises `DeviceError` if the folder cannot be used, or if another
        daemon uses it.
        """
        folder = StateFolder(state)
        stack.callback(folder.close)
        state = os.path.abspath(state)
        self._disk = Disk(log)
        stack.callback(self._disk.close)
        self._log = log
        self._stack = stack
        self._ring_path = "" if is_temporary else paths.ring_file(state)
        self._shelf = Shelf(state, self._disk, log)
        if folder.killed:
            log(f"the last run on this state folder was killed (process {folder.killed})")
            self._shelf.keep("killed", left_behind(self._ring_path, folder.killed))
        self.history = History(state, self._disk, log)
        self.ledger = Ledger(state, self._disk, post, files=files)
        if self.ledger.spent.damage:
            log(f"{self.ledger.spent.damage}; {NEW_DAY}")

    def record(self, session: Session) -> FlightRecorder | None:
        """The flight recorder of this session. None: its files cannot be made.

        The log says why. A recorder ends when the stack closes.
        """
        try:
            ring = Ring(self._ring_path, self._disk, self._log)
        except OSError as error:
            path = self._ring_path
            self._log(f"no incident can be kept, {path} cannot be made: {error.strerror}")
            return None
        return self._stack.enter_context(FlightRecorder(session, ring, self._shelf))

    def open_trace(self, path: str) -> Trace:
        """A watcher that writes each change of state, level or duty to a file.

        Raises `DeviceError` if the file cannot be written, or does not end in .jsonl.
        """
        if not path.endswith(".jsonl"):
            raise DeviceError(f"{path}: a trace ends in .jsonl")
        try:
            fd = open_regular(path, os.O_WRONLY | os.O_CREAT)
            os.ftruncate(fd, 0)
        except OSError as error:
            raise DeviceError(f"the trace {path} cannot be written: {error.strerror}") from None
        file = open(fd, "w", encoding="ascii", buffering=1)  # noqa: SIM115, the disk thread closes it
        self._stack.callback(self._disk.submit, file.close)
        return Trace(lambda line: self._disk.submit(lambda: file.write(line)))
