"""A session that has begun: its clock, its playback, and the running time it may use.

The session's clock counts the milliseconds that were played. It stops during a pause, and runs
faster than real time if `speed` is above 1, as in a simulation. This module never decides whether a
session may start or has to stop.
"""

from bisect import bisect_right
from collections.abc import Iterator
from math import ceil

from firmware_ctl.limits import (
    PAUSES_MS,
    SLICE_AGAIN_MS,
    SLICE_DISK_MS,
    SLICE_MS,
    SLICE_RETRY_MS,
)
from firmware_ctl.session.events import Notice, SessionClock
from firmware_ctl.timeline.model import Segment, Timeline
from firmware_ctl.timeline.motor_drive import Levels
from firmware_ctl.timeline.playback import Playback


class Reservation:
    """The running time that is recorded on disk as used before it is played.

    Power may fail at any moment. If time were recorded after it was played, each power cut would
    give running time back, and the daily limit would not hold. So a session never plays beyond the
    time on disk. It asks for the next slice 30 s ahead, so that a slow disk does not interrupt it.
    All times are on the session's clock.
    """

    def __init__(self, end_ms: int, speed: float) -> None:
        self._end_ms = end_ms
        # At a high `speed` 30 s of the session are over before a disk can answer.
        self._ahead_ms = max(SLICE_AGAIN_MS, int(SLICE_DISK_MS * speed + 1e-6))
        self._slice_ms = self._ahead_ms + SLICE_MS - SLICE_AGAIN_MS
        self.saved_ms = self.asked_ms = min(self._slice_ms, end_ms)
        """`saved_ms`: the running time already recorded on disk. `asked_ms`: the time that the
        last request asks to record. The first slice is on disk before the session begins."""
        self._ask_at_ms = self.saved_ms - self._ahead_ms
        self._number = 0
        """The number of the account that was asked for last."""

    def is_ask_due(self, played_ms: int) -> bool:
        is_answered = self.asked_ms == self.saved_ms
        return played_ms >= self._ask_at_ms and is_answered and self.saved_ms < self._end_ms

    def ask(self, played_ms: int) -> None:
        """Extends the time to record by a slice, up to the end of the session."""
        self.asked_ms = min(played_ms + self._slice_ms, self._end_ms)

    def note_asked(self, number: int) -> None:
        """The account with this number records the time that `ask` asked for."""
        self._number = number

    def note_saved(self, number: int) -> None:
        """The account with this number is on disk."""
        if number >= self._number:
            self.saved_ms = self.asked_ms
            self._ask_at_ms = self.saved_ms - self._ahead_ms

    def note_failed(self, number: int, played_ms: int) -> None:
        """The account with this number could not be written. Plans to ask again."""
        if number >= self._number:
            self.asked_ms = self.saved_ms
            self._ask_at_ms = played_ms + SLICE_RETRY_MS

    def due_ms(self) -> int | None:
        """When the session has to ask for a slice, or has played all time on disk.

        None: the whole session is on disk.
        """
        if self.saved_ms == self._end_ms:
            return None
        # After a failed write the time on disk may end before the session is to ask again.
        if self.asked_ms == self.saved_ms:
            return min(self._ask_at_ms, self.saved_ms)
        return self.saved_ms


class Running:
    """One session from its start to its end."""

    def __init__(self, timeline: Timeline, trim_pct: int, speed: float, now_ms: int) -> None:
        self.timeline = timeline
        self.playback = Playback(timeline, trim_pct)
        self.reservation = Reservation(timeline.end_ms, speed)
        self.haptics = [(cue.begin_ms, cue.end_ms, cue.name) for cue in timeline.haptic_cues]
        self.clock = SessionClock(speed, now_ms, now_ms, 0, timeline.end_ms, runs=True)
        self._pauses_ms = 0
        """The length of all pauses that have ended, on the session's clock."""
        self._segment: Segment | None = None
        """The phase that was published last. None: no phase was published yet."""
        ends_ms = {segment.end_ms for segment in timeline.segments}
        self._marks_ms = sorted(ends_ms.union(*(cue[:2] for cue in self.haptics)))
        """The session's times at which more than levels may change. The last one is its end."""

    def levels(self, now_ms: int) -> Levels:
        """The present levels, for the fast path of a tick (decision record 0012)."""
        return self.playback.levels(self.clock.played_ms(now_ms))

    def pause(self, now_ms: int) -> None:
        played_ms = self.clock.played_ms(now_ms)
        self.clock = self.clock._replace(anchor_at_ms=now_ms, anchor_ms=played_ms, runs=False)

    def resume(self, now_ms: int) -> None:
        self._pauses_ms += self.clock.since_anchor_ms(now_ms)
        self.clock = self.clock._replace(anchor_at_ms=now_ms, runs=True)
        self.playback.restart(self.clock.anchor_ms)

    def pause_ends_at_ms(self, now_ms: int) -> int:
        """When the session ends because its pauses have used up `PAUSES_MS`."""
        left_ms = PAUSES_MS - self._pauses_ms - self.clock.since_anchor_ms(now_ms)
        return now_ms + ceil(left_ms / self.clock.speed)

    def due_at_ms(self, now_ms: int) -> int:
        """When more than levels may change: a phase, a cue, a slice or the end."""
        marks_ms, played_ms = self._marks_ms, self.clock.played_ms(now_ms)
        mark_ms = marks_ms[bisect_right(marks_ms, played_ms, hi=len(marks_ms) - 1)]
        due_ms = self.reservation.due_ms()
        return self.clock.real_at_ms(mark_ms if due_ms is None else min(mark_ms, due_ms))

    def levels_change_at_ms(self) -> int:
        until_ms = self.playback.until_ms
        return self.clock.real_at_ms(self.timeline.end_ms if until_ms is None else until_ms)

    def haptic(self, played_ms: int) -> str:
        """The name of the haptic cue that plays at this time. Empty: none."""
        for begin_ms, end_ms, name in self.haptics:
            if played_ms < begin_ms:
                break
            if played_ms < end_ms:
                return name
        return ""

    def notices(self) -> Iterator[Notice]:
        """The notices of a phase that has begun, and of its cue, once each."""
        segment, before = self.playback.segment, self._segment
        if segment is before:
            return
        self._segment = segment
        if segment.cue != (before.cue if before else ""):
            yield Notice("cue", {"cue": segment.cue})
        yield Notice("phase", {"phase": segment.phase})
