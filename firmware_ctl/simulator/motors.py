"""Motors that record their duties instead of driving pins, and the play-back of such a record.

`erm` models how a motor moves; this module gives the recorded duties to that model.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import compress, count
from operator import ne
from typing import Final

from firmware_ctl.config.mat import Mat
from firmware_ctl.simulator.erm import Erm, Moment
from firmware_ctl.timeline.motor_drive import Levels

Changes = list[tuple[int, int]]
"""Each change of a motor's duty: its time in ms, ascending, and the new duty in percent."""

_NEVER: Final = (1 << 60, 0)


class ModelMotors:
    """The latch's `Motors`: records every change with its time on the given clock."""

    def __init__(self, mat: Mat, now_ms: Callable[[], int]) -> None:
        self.changes: list[Changes] = [[] for _ in mat.motors]
        """One list for each motor, in the order of the mat file."""
        self._now_ms = now_ms
        self._duties: Levels = (0,) * len(mat.motors)

    def apply(self, duty_pct: Levels) -> None:
        now_ms = self._now_ms()
        for i in compress(count(), map(ne, duty_pct, self._duties)):
            self.changes[i].append((now_ms, duty_pct[i]))
        self._duties = duty_pct

    def all_low(self) -> tuple[str, ...]:
        self.apply((0,) * len(self.changes))
        return ()


def moments(
    erm: Erm, changes: Changes, times_ms: Iterable[int], driven: bool = False
) -> Iterator[Moment]:
    """The state of a new motor at each of these times, which must ascend.

    A change at exactly one of the times is included in its state. `driven`: while the motor has no
    duty, the last state is repeated. That leaves out how the motor runs down and cools, and is much
    faster.
    """
    later_changes = iter(changes)
    change_ms, duty_pct = next(later_changes, _NEVER)
    moment = erm.at(0)
    for time_ms in times_ms:
        is_changed = change_ms <= time_ms
        while change_ms <= time_ms:
            erm.set_duty(duty_pct, change_ms)
            change_ms, duty_pct = next(later_changes, _NEVER)
        if is_changed or erm.duty_pct or not driven:
            moment = erm.at(time_ms)
        yield moment
