"""Turns levels into the duties of the pins: a table for each motor, kicks, and the supply's limit.

Whether a motor rests is a physical fact, so a `MotorDrive` counts real milliseconds on the
monotonic clock. The daemon keeps one `MotorDrive` through pauses, gaps, stops and faults: a new one
would take a resting motor for a turning one, and give it a duty that cannot start it. Time is an
argument. A motor gets more than its table's duty only in a kick. A kick is given only to a motor at
rest, and to a motor that its gentle kick may have failed to start.

If the motors together could draw more than the supply gives, these rules hold:

1. Stops and falling duties never wait.
2. A start waits until its inrush fits beside the current of the others. The motor is off meanwhile.
3. A rising duty waits until it fits. If a start has waited for longer than `STAGGER_MS`, and would
   fit without the inrush of others, it goes before all rises and all other starts.
4. A gentle first kick may fail to start its motor, so a full kick follows. If the full kick does
   not fit, the motor is switched off and waits as in 2. Otherwise it would stand still under power.

The proof of a session (`supply`) plays it with rules 1 and 2 only, and accepts it if every duty
fits and no start waits for more than `STAGGER_MS`. So rules 3 and 4 never act in an undisturbed
session. They serve what no proof covers: a resume in the middle of a phase, a trim, a late tick.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import compress, count
from operator import and_, ne
from typing import Final, NamedTuple

from firmware_ctl.config.mat import Mat, Motor
from firmware_ctl.limits import (
    DUTY_PCT,
    FIRST_KICK_PCT,
    GRID_MS,
    INRUSH_MS,
    REST_MS,
    SECOND_KICK_MS,
    STAGGER_MS,
)

Levels = tuple[int, ...]
"""A level or a duty in whole percent for each motor, in the order of the mat file."""

_LONG_AGO: Final = -(1 << 60)
"""Stands for the time of something that has not happened yet."""

_SPIN_UP_MS: Final = 20
"""A motor that is switched off within this time after its start from rest has hardly turned."""

_CACHE_ENTRIES: Final = 2_000
"""Most entries of the cache from levels to duties: enough for a period of half a minute."""


def highest_duty_pct(motor: Motor, mat: Mat) -> int:
    """The lowest of the motor's cap, the mat's limit and the code's limit."""
    return min(motor.cap_pct, mat.limits.duty_pct, DUTY_PCT)


def duty_table(motor: Motor, mat: Mat) -> tuple[int, ...]:
    """The duty for each level from 0 to 100.

    Level 0 is off, level 1 is `hold`, level 100 is the highest duty. Duties between are rounded
    down, so that no level gets more than its share.
    """
    span_pct = highest_duty_pct(motor, mat) - motor.hold_pct
    return (0, *(motor.hold_pct + span_pct * (level - 1) // 99 for level in range(1, 101)))


class MotorCurve(NamedTuple):
    """How one motor is driven, and what it draws."""

    duty_pct: tuple[int, ...]
    """The duty for each level from 0 to 100."""
    start_pct: int
    """Lowest duty that starts the motor from rest."""
    highest_pct: int
    """Highest duty, which is also that of a full kick."""
    kick_ms: int
    """Length of a kick. 0: the motor needs no kick."""
    start_ma: int
    """Current for `INRUSH_MS` after a start from rest."""
    ma_at: tuple[float, ...]
    """Running current for each duty: `run_ma` at the motor's cap, and in proportion elsewhere."""


class DriveTable(NamedTuple):
    """The motors of a mat and their supply. A part of the compiled session, and of its hash."""

    curves: tuple[MotorCurve, ...]
    """In the order of the mat file."""
    max_ma: int
    """The most current that the supply gives."""
    kicks: bool = True
    """False: no motor is kicked, because the supply does not bear it."""

    def together_ma(self, levels: Levels) -> float:
        """An upper bound in mA: the current if all motors with a level start together."""
        return sum(
            max(curve.start_ma, curve.ma_at[curve.highest_pct])
            for curve, level in zip(self.curves, levels, strict=True)
            if level
        )

    def drawn_ma(self, duty_pct: Sequence[int], started_at_ms: Sequence[int], now_ms: int) -> float:
        """The current in mA at `now_ms` of motors that started from rest at these times."""
        total_ma = 0.0
        for curve, duty, at_ms in zip(self.curves, duty_pct, started_at_ms, strict=True):
            if duty:
                total_ma += curve.start_ma if now_ms - at_ms < INRUSH_MS else curve.ma_at[duty]
        return total_ma


@lru_cache(maxsize=4)
def drive_table_of(mat: Mat) -> DriveTable:
    return DriveTable(tuple(_curve(motor, mat) for motor in mat.motors), mat.max_ma)


def _curve(motor: Motor, mat: Mat) -> MotorCurve:
    return MotorCurve(
        duty_table(motor, mat),
        motor.start_pct,
        highest_duty_pct(motor, mat),
        motor.kick_ms,
        motor.start_ma,
        tuple(motor.run_ma * duty / motor.cap_pct for duty in range(101)),
    )


class Duties(NamedTuple):
    """The duties at an instant. They hold until `until_ms`. None: until the levels change."""

    duty_pct: Levels
    kicks: tuple[int, ...]
    """The indices of the motors that are in a kick."""
    until_ms: int | None


class MotorDrive:
    """Computes duties, and remembers which motors turn, since when, and which wait for a start.

    It models the current: a motor that starts from rest draws `start_ma` for 150 ms, then its
    running current.
    """

    def __init__(self, table: DriveTable, limited: bool = True, guarded: bool = False) -> None:
        """`limited` False: no start waits for the supply, so that the proof finds the current that
        the session would draw.

        `guarded` True: rules 3 and 4 of the module apply as well, as a real mat needs. The proof
        plays without them.
        """
        motors = len(table.curves)
        self._levels = self._duty_pct = (0,) * motors
        self._silence = self._levels
        self._turning = (False,) * motors
        """For each motor whether it has a level above 0."""
        self._cache: dict[Levels, tuple[Duties, tuple[bool, ...]]] = {}
        """Levels → the duties if all motors turn already, and which motors have a level."""
        self._may_limit, self._may_guard = limited, guarded
        self._take(table)
        self._off_since_ms = [_LONG_AGO] * motors
        self._started_at_ms = [_LONG_AGO] * motors
        """The last start from rest."""
        self._kick_until_ms = [_LONG_AGO] * motors
        self._second_kick_at_ms: dict[int, int] = {}
        """Motor → when its full kick is due, because its gentle kick may not have started it. A
        motor that is off for less than a rest keeps its entry, because it may not have turned."""
        self._is_first = [True] * motors
        """For each motor True until its first start after the session's start or last resume."""
        self._is_gentle = [True] * motors
        """For each motor True until its first kick after that: this kick has to be gentle."""
        self._spacing_ms = STAGGER_MS // max(1, motors - 1)
        """Least time between the first starts of two motors, so that all take `STAGGER_MS`."""
        self._first_at_ms = _LONG_AGO
        """When a motor last had its first start."""
        self._grid_from_ms = 0
        """The last `begin`. What waits is tried again every `GRID_MS` after it, so that a session
        has the duties of its proof, at whatever millisecond it begins."""
        self._result = Duties(self._levels, (), None)
        self.longest_wait_ms = 0
        """The longest that a start has waited since this object was made."""
        self._waits_since_ms: dict[int, int] = {}
        """Motor that has a level and waits for its start → since when it waits."""
        self._unsettled: set[int] = set()
        """The motors whose duty may change while their level stays: those that wait to start or to
        rise, are in a kick, or have a full kick to come."""

    def _take(self, table: DriveTable) -> None:
        self._table = table
        is_tight = table.together_ma((1,) * len(table.curves)) > table.max_ma
        """True if all motors together could draw more than the supply gives. Only then do the
        rules of the module cost time."""
        self._limited = self._may_limit and is_tight
        self._guarded = self._may_guard and is_tight
        self._cache.clear()

    def begin(self, table: DriveTable, now_ms: int, is_gentle: bool = True) -> None:
        """Switches all motors off, because a session or an idle haptic begins or resumes.

        `is_gentle` True: motors start one after another, and their first kicks are gentle. An idle
        haptic is not gentle, because its pulse would end before a second kick.
        """
        self.duties(self._silence, now_ms)
        self._grid_from_ms = now_ms
        if table is not self._table:
            self._take(table)
        for i, off_ms in enumerate(self._off_since_ms):
            # This motor has hardly turned. So it counts as resting, however short the pause was.
            if i in self._second_kick_at_ms or off_ms - self._started_at_ms[i] < _SPIN_UP_MS:
                self._off_since_ms[i] = _LONG_AGO
        self._second_kick_at_ms.clear()
        self._is_first = [is_gentle] * len(self._is_first)
        self._is_gentle = [is_gentle] * len(self._is_gentle)
        self._first_at_ms = _LONG_AGO

    def duties(self, levels: Levels, now_ms: int) -> Duties:
        """The duties for these levels. `now_ms` is real time and must not decrease."""
        result = self._result
        if levels == self._levels and (result.until_ms is None or now_ms < result.until_ms):
            return result
        result, turning = self._cache.get(levels) or self._look_up(levels)
        if (
            self._unsettled
            or turning != self._turning
            or (self._guarded and self._drawn_ma(result.duty_pct, now_ms) > self._table.max_ma)
        ):
            result = self._start_and_stop(levels, now_ms)
            self._turning = turning
        # Otherwise no motor starts or stops. This is the usual case of a tick, so it must be quick.
        self._levels, self._duty_pct, self._result = levels, result.duty_pct, result
        return result

    def _start_and_stop(self, levels: Levels, now_ms: int) -> Duties:
        """The duties while a motor starts, stops, waits for its start, or is in a kick.

        Stops and falling duties come first, because they make room: then rises, second kicks and
        starts.
        """
        duties = list(self._duty_pct)
        next_grid_ms = self._next_grid_ms(now_ms)
        untils_ms = []
        kicks = []
        rises = []
        for i in sorted(self._unsettled.union(compress(count(), map(ne, levels, self._levels)))):
            level = levels[i]
            if level == 0:
                if duties[i]:
                    duties[i] = 0
                    self._off_since_ms[i] = now_ms
                    self._kick_until_ms[i] = _LONG_AGO
                self._waits_since_ms.pop(i, None)
            elif duties[i] == 0:
                self._waits_since_ms.setdefault(i, now_ms)
            elif now_ms < self._kick_until_ms[i]:
                kicks.append(i)
            elif self._guarded and self._table.curves[i].duty_pct[level] > duties[i]:
                rises.append(i)
            else:
                duties[i] = self._table.curves[i].duty_pct[level]
        overdue = self._overdue(duties, now_ms) if self._guarded else None
        if rises and overdue is None:
            rises = self._rise(rises, levels, duties, now_ms)
        for i in [i for i in self._second_kick_at_ms if duties[i] and i not in kicks]:
            if self._kick_again(i, duties, now_ms):
                kicks.append(i)
        for i in sorted(self._waits_since_ms, key=self._start_order):
            # While an overdue start waits, no other start is tried.
            wait_until_ms = next_grid_ms
            if i == overdue or overdue not in self._waits_since_ms:
                wait_until_ms = self._start(i, levels[i], duties, now_ms)
            if wait_until_ms:
                untils_ms.append(wait_until_ms)
            elif now_ms < self._kick_until_ms[i]:
                kicks.append(i)
        before_second_kick = [i for i in self._second_kick_at_ms if duties[i]]
        untils_ms += [max(self._second_kick_at_ms[i], next_grid_ms) for i in before_second_kick]
        untils_ms += [self._kick_until_ms[i] for i in kicks]
        untils_ms += [next_grid_ms] * bool(rises)
        self._unsettled = {*kicks, *rises, *self._waits_since_ms, *before_second_kick}
        until_ms = min(untils_ms, default=None)
        return Duties(tuple(duties), tuple(sorted(kicks)), until_ms)

    def _next_grid_ms(self, now_ms: int) -> int:
        return now_ms + GRID_MS - (now_ms - self._grid_from_ms) % GRID_MS

    def _look_up(self, levels: Levels) -> tuple[Duties, tuple[bool, ...]]:
        if len(self._cache) >= _CACHE_ENTRIES:
            self._cache.clear()
        curves = self._table.curves
        duty_pct = tuple([curve.duty_pct[n] for curve, n in zip(curves, levels, strict=True)])
        entry = self._cache[levels] = Duties(duty_pct, (), None), tuple(map(bool, levels))
        return entry

    def draws_ma(self, now_ms: int) -> float:
        """The current in mA of all motors at `now_ms`, by the model of the proof."""
        return self._drawn_ma(self._duty_pct, now_ms)

    def _drawn_ma(self, duty_pct: Sequence[int], now_ms: int) -> float:
        return self._table.drawn_ma(duty_pct, self._started_at_ms, now_ms)

    def most_ma(self, levels: Levels, now_ms: int) -> float:
        """The highest current in mA until another motor starts, if no level exceeds `levels`."""
        curves = self._table.curves
        duties = [
            curve.duty_pct[level] if duty else 0
            for curve, level, duty in zip(curves, levels, self._duty_pct, strict=True)
        ]
        return self._drawn_ma(duties, now_ms)

    def state(self, now_ms: int) -> tuple[object, ...]:
        """Everything that decides what happens after `now_ms`, with times relative to `now_ms`.

        After two equal states that are a whole number of grid steps apart, equal levels give equal
        duties. The proof of the supply skips time by this rule, so every new attribute that decides
        a duty must be added here.
        """
        until_ms = self._result.until_ms
        return (
            self._levels,
            self._duty_pct,
            self._result.kicks,
            None if until_ms is None else until_ms - now_ms,
            tuple(
                REST_MS if duty else min(now_ms - at_ms, REST_MS)
                for duty, at_ms in zip(self._duty_pct, self._off_since_ms, strict=True)
            ),
            tuple(min(now_ms - at_ms, INRUSH_MS) for at_ms in self._started_at_ms),
            tuple(max(at_ms - now_ms, 0) for at_ms in self._kick_until_ms),
            sorted((i, max(at_ms - now_ms, 0)) for i, at_ms in self._second_kick_at_ms.items()),
            sorted((i, now_ms - at_ms) for i, at_ms in self._waits_since_ms.items()),
            tuple(self._is_first),
            tuple(self._is_gentle),
            min(now_ms - self._first_at_ms, self._spacing_ms),
            (now_ms - self._grid_from_ms) % GRID_MS,
        )

    @property
    def is_waiting(self) -> bool:
        """True while a motor has a level and waits for its start."""
        return bool(self._waits_since_ms)

    def had_first_starts(self, levels: Levels) -> bool:
        """Whether each motor with a level had its first start, and its gentle kick if any."""
        return not any(compress(self._is_first, levels)) and not any(
            curve.kick_ms and self._table.kicks
            for curve in compress(self._table.curves, map(and_, self._is_gentle, map(bool, levels)))
        )

    def _start_order(self, i: int) -> tuple[int, int]:
        return self._waits_since_ms[i], i

    def _overdue(self, duties: Sequence[int], now_ms: int) -> int | None:
        """The motor whose late start would fit if the inrush of others were over. None: no motor.

        Rises must wait for such a motor: otherwise they use the room that it waits for.
        """
        curves, max_ma = self._table.curves, self._table.max_ma
        turning_ma = sum(curve.ma_at[duty] for curve, duty in zip(curves, duties, strict=True))
        for i in sorted(self._waits_since_ms, key=self._start_order):
            is_late = now_ms - self._waits_since_ms[i] > STAGGER_MS
            if is_late and turning_ma + curves[i].start_ma <= max_ma:
                return i
        return None

    def _rise(
        self, rises: Sequence[int], levels: Levels, duties: list[int], now_ms: int
    ) -> list[int]:
        """Raises each duty that the supply bears. Returns the motors whose duty has to wait."""
        waiting = []
        for i in rises:
            before, duties[i] = duties[i], self._table.curves[i].duty_pct[levels[i]]
            if self._drawn_ma(duties, now_ms) > self._table.max_ma:
                duties[i] = before
                waiting.append(i)
        return waiting

    def _start(self, i: int, level: int, duties: list[int], now_ms: int) -> int:
        """Starts a motor if it may start now. Returns 0, or the time at which to ask again."""
        curve = self._table.curves[i]
        duty = curve.duty_pct[level]
        from_rest = now_ms - self._off_since_ms[i] >= REST_MS
        if self._is_first[i] and now_ms < self._first_at_ms + self._spacing_ms:
            return self._first_at_ms + self._spacing_ms
        self.longest_wait_ms = max(self.longest_wait_ms, now_ms - self._waits_since_ms[i])
        # A motor that was off only briefly during its inrush continues that inrush.
        is_inrush = from_rest or now_ms - self._started_at_ms[i] < INRUSH_MS
        needs_ma = curve.start_ma if is_inrush else curve.ma_at[duty]
        if self._limited and self._drawn_ma(duties, now_ms) + needs_ma > self._table.max_ma:
            return self._next_grid_ms(now_ms)
        del self._waits_since_ms[i]
        duties[i] = duty
        if from_rest:
            self._started_at_ms[i] = now_ms
            self._second_kick_at_ms.pop(i, None)
            if self._table.kicks and curve.kick_ms and duty < curve.start_pct:
                duties[i] = max(duty, self._first_kick_pct(i, now_ms))
        if self._is_first[i]:
            self._is_first[i] = False
            self._first_at_ms = now_ms
        return 0

    def _first_kick_pct(self, i: int, now_ms: int) -> int:
        """Begins a kick from rest, and returns its duty.

        A gentle kick below `start` may not start the motor, so a full kick is planned.
        """
        curve = self._table.curves[i]
        kick_pct = curve.highest_pct
        if self._is_gentle[i]:
            kick_pct = min(kick_pct, FIRST_KICK_PCT)
        self._is_gentle[i] = False
        self._kick_until_ms[i] = now_ms + curve.kick_ms
        if kick_pct < min(curve.start_pct, curve.highest_pct):
            self._second_kick_at_ms[i] = now_ms + SECOND_KICK_MS
        return kick_pct

    def _kick_again(self, i: int, duties: list[int], now_ms: int) -> bool:
        """Gives a motor its full kick if it is due. Returns whether the kick begins now."""
        curve = self._table.curves[i]
        if duties[i] >= curve.start_pct:
            del self._second_kick_at_ms[i]
        elif now_ms >= self._second_kick_at_ms[i]:
            others_ma = self._drawn_ma(duties, now_ms) - curve.ma_at[duties[i]]
            if not self._limited or others_ma + curve.start_ma <= self._table.max_ma:
                del self._second_kick_at_ms[i]
                self._started_at_ms[i] = now_ms
                duties[i] = curve.highest_pct
                self._kick_until_ms[i] = now_ms + curve.kick_ms
                return True
            if self._guarded:
                del self._second_kick_at_ms[i]
                self._off_since_ms[i] = _LONG_AGO
                self._waits_since_ms[i] = now_ms
                duties[i] = 0
        return False
