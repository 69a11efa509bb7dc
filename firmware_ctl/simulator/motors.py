"""Motors as formulas in the place of pins: they keep what they were given, and when.

How a motor moves is `erm`'s affair; this module only plays a course of duties on it.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import compress, count
from operator import ne
from typing import Final

from firmware_ctl.mat import Mat
from firmware_ctl.shaping import Levels
from firmware_ctl.simulator.erm import Erm, Moment

Changes = list[tuple[int, int]]
"""Every change of a motor's duty: its time in ms, and the duty from then on."""

_NEVER: Final = (1 << 60, 0)


class ModelMotors:
    """The latch's `Motors` on whatever clock it is given."""

    def __init__(self, mat: Mat, now_ms: Callable[[], int]) -> None:
        self.changes: list[Changes] = [[] for _ in mat.motors]
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
    """A fresh motor at each of these times, which ascend; a change at the same time has been made.

    Changes after the last time are not made. `driven`: while it gets no duty it is only told as it
    was when that began, without its running down and its cooling.
    """
    coming = iter(changes)
    change_ms, duty = next(coming, _NEVER)
    moment = erm.at(0)
    for time_ms in times_ms:
        is_changed = change_ms <= time_ms
        while change_ms <= time_ms:
            erm.set_duty(duty, change_ms)
            change_ms, duty = next(coming, _NEVER)
        if is_changed or erm.duty_pct or not driven:
            moment = erm.at(time_ms)
        yield moment
