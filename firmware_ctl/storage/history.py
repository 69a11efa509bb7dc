"""The history: writes down the sessions of a daemon, and how each of them ended.

A person reads it with `firmware-ctl history`, which needs no daemon: how the last session ended
matters most when the daemon does not run. The ledger, which limits running time, never depends on
the history.

A session is written down when it begins, with each slice of running time, and when it ends. So the
line of a session that a power cut or a SIGKILL ended lacks its end, and says how long it had played
at the last slice. Lengths come from the session's clock, so no change of the time of day affects
them.
"""

import os
import time
from collections.abc import Callable

from firmware_ctl.session.events import Input, Notice, Reason, SessionClock, State, Step
from firmware_ctl.storage.clock import boot_id, clock_is_synchronised
from firmware_ctl.storage.disk_writer import Disk
from firmware_ctl.storage.history_file import (
    CUT,
    FILE,
    KEPT,
    PastSession,
    damaged_lines,
    read,
    write,
)


class History:
    """Watches the steps, and has the disk thread write each session down. Never waits."""

    def __init__(
        self,
        folder: str,
        disk: Disk,
        log: Callable[[str], None],
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 10**6,
        is_synchronised: Callable[[], bool] = clock_is_synchronised,
    ) -> None:
        """Reads what the file holds. `log` gets a sentence if that cannot be read: the file is then
        left alone, and no session is written down.

        `wall_ms`: the time of day in ms since 1970. `is_synchronised`: whether it can be trusted.
        """
        self._path = os.path.join(folder, FILE)
        self._disk = disk
        self._wall_ms = wall_ms
        self._is_synchronised = is_synchronised
        self._can_write = True
        self._earlier: tuple[PastSession, ...] = ()
        """The sessions that have ended, the oldest first."""
        self._current: PastSession | None = None
        self._clock = SessionClock()
        """The clock of the current session, as it was after the last step that changed something.
        The clock of the step that ends a session says no more how long that has played."""
        try:
            sessions, damaged = read(self._path)
        except FileNotFoundError:
            return
        except OSError as error:
            self._can_write = False
            log(
                f"no session is written down: {self._path} cannot be read: {error.strerror}; "
                "move it away, then start the daemon again"
            )
            return
        self._earlier = tuple(s if s.end else s._replace(end=CUT) for s in sessions)
        if damaged:
            log(f"{self._path}: {damaged_lines(damaged)}")

    def step(self, event: Input, step: Step, now_ms: int) -> None:
        if not step.notices and step.save is None:  # most ticks
            return
        for notice in step.notices:
            if "reason" in notice.fields:
                self._end(notice, step, now_ms)
            elif notice.fields.get("state") == State.RUNNING.value and self._current is None:
                self._begin(notice, step)
        self._clock = step.status.clock
        if self._current is not None and step.save is not None:
            self._current = self._up_to(self._current, now_ms)
            self._submit(self._current)

    def _begin(self, notice: Notice, step: Step) -> None:
        """`notice`: the state event with which the session begins."""
        self._current = PastSession(
            began_at_ms=self._wall_ms(),
            is_time_sure=self._is_synchronised(),
            profile=step.status.profile,
            by=notice.fields.get("by", ""),
            length_ms=step.status.clock.end_ms,
            played_ms=0,
            end="",
            ended_by="",
            fault="",
            process=os.getpid(),
            boot=boot_id(),
        )
        self._submit(self._current)

    def _end(self, notice: Notice, step: Step, now_ms: int) -> None:
        if self._current is None:
            return
        fault = step.status.fault
        is_failed = fault is not None and notice.fields["reason"] == Reason.FAULT
        ended = self._up_to(self._current, now_ms)._replace(
            end=notice.fields["reason"],
            ended_by=notice.fields.get("by", ""),
            fault=fault.code if fault is not None and is_failed else "",
        )
        self._submit(ended)
        self._earlier, self._current = (*self._earlier, ended)[-KEPT:], None

    def _up_to(self, session: PastSession, now_ms: int) -> PastSession:
        """The session with the time that it has played by now.

        A Raspberry Pi has no clock that runs without power, and gets the time from the network some
        time after its start. So the begin is computed back from the first time that can be trusted.
        """
        session = session._replace(played_ms=self._clock.played_ms(now_ms))
        if session.is_time_sure or not self._is_synchronised():
            return session
        began_at_ms = self._wall_ms() - (now_ms - self._clock.began_at_ms)
        return session._replace(began_at_ms=began_at_ms, is_time_sure=True)

    def _submit(self, latest: PastSession) -> None:
        """Has the disk thread replace the file by the earlier sessions and the latest one."""
        if self._can_write:
            sessions = (*self._earlier, latest)[-KEPT:]
            self._disk.submit(lambda: write(self._path, sessions))
