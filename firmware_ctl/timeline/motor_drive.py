"""From levels to the duties that pins get: a table a motor, kicks, starts that the supply bears.

Rest is physical. A `MotorDrive` remembers what each motor did, in real milliseconds on the
monotonic clock, and the daemon has one `MotorDrive` for as long as it lives: a pause, a gap, a
stop, a fault and `--speed` change nothing of what it knows. Time is an argument. A motor gets more
than its table only in a kick, and a kick only from rest.

Where the motors together could draw more than the supply gives:

1. Stops and falling duties are never held up.
2. A start waits until its inrush fits beside what the others draw. The motor is off meanwhile.
3. A rising duty waits until it fits. A start that has waited for longer than `STAGGER_MS`, and that
   only the inrush of others holds up, goes before all rises and all other starts.
4. A motor that its gentle first kick did not start and that finds no room for its full kick is
   switched off, and waits for a start as in 2: it would stand still under power.

The proof of a session (`supply`) plays it by 1 and 2 alone and accepts it only if every duty fits
and no start waits for more than `STAGGER_MS`, so 3 and 4 do nothing in a session that nobody
disturbs. They are for what no proof covers: a resume in the middle of a phase, a trim or a late
tick. The motors then never draw more than the supply gives, and start as soon as it allows.
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
    INRUSH_MS,
    REST_MS,
    SECOND_KICK_MS,
    STAGGER_MS,
    TICK_MS,
)

Levels = tuple[int, ...]
"""A figure in whole percent for every motor, in the order of the mat file."""

_LONG_AGO: Final = -(1 << 60)

_SPIN_UP_MS: Final = 20
"""A motor that is switched off so soon after its start from rest has hardly turned."""

_CACHE_ENTRIES: Final = 2_000
"""Most levels whose duties are kept: enough for all of a period of half a minute."""


def highest_duty_pct(motor: Motor, mat: Mat) -> int:
    """The lowest of the motor's cap, the mat's limit and the code's own."""
    return min(motor.cap_pct, mat.limits.duty_pct, DUTY_PCT)


def duty_table(motor: Motor, mat: Mat) -> tuple[int, ...]:
    """Duty for the levels 0 to 100: 0 is off, 1 to 100 map onto hold to the highest duty.

    Rounded down, so that no level gets more than it asks for.
    """
    span_pct = highest_duty_pct(motor, mat) - motor.hold_pct
    return (0, *(motor.hold_pct + span_pct * (level - 1) // 99 for level in range(1, 101)))


class MotorCurve(NamedTuple):
    """How one motor is driven, and what it draws."""

    duty_pct: tuple[int, ...]
    """By level, 0 to 100."""
    start_pct: int
    """Lowest duty that starts it from rest."""
    highest_pct: int
    """Highest duty, which is also that of a full kick."""
    kick_ms: int
    """Length of a kick; 0: it needs none."""
    start_ma: int
    ma_at: tuple[float, ...]
    """Running current by duty: `run_ma` at the motor's cap, in proportion below it."""


class DriveTable(NamedTuple):
    """The motors of a mat and their supply: a value of the compiled session."""

    curves: tuple[MotorCurve, ...]
    """In the order of the mat file."""
    max_ma: int
    """What the supply gives."""
    kicks: bool = True
    """False: no motor is kicked, because the supply does not bear it."""

    def together_ma(self, levels: Levels) -> float:
        """What the motors with a level draw when they start together: no instant draws more."""
        return sum(
            max(curve.start_ma, curve.ma_at[curve.highest_pct])
            for curve, level in zip(self.curves, levels, strict=True)
            if level
        )


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
    """Duties that hold from some instant until `until_ms`; None: until the levels change."""

    duty_pct: Levels
    kicks: tuple[int, ...]
    """The motors that are in their kick, by index."""
    until_ms: int | None


class MotorDrive:
    """Drives the motors: knows which turn, since when, and which wait for their start.

    From rest a motor draws `start_ma` for 150 ms, then its running current.
    """

    def __init__(self, table: DriveTable, limited: bool = True, guarded: bool = False) -> None:
        """`limited` False: no start waits for the supply, to see what would be drawn.

        `guarded`: rules 3 and 4 of the module apply, too; for a session that is disturbed.
        """
        motors = len(table.curves)
        self._levels = self._duty_pct = (0,) * motors
        self._silence = self._levels
        self._turning = (False,) * motors
        """Which motors have a level."""
        self._cache: dict[Levels, tuple[Duties, tuple[bool, ...]]] = {}
        """Levels → duties of motors that turn already, and which motors have a level."""
        self._limits, self._guards = limited, guarded
        self._take(table)
        self._off_since_ms = [_LONG_AGO] * motors
        self._started_at_ms = [_LONG_AGO] * motors
        """The last start from rest."""
        self._kick_until_ms = [_LONG_AGO] * motors
        self._second_kick_at_ms: dict[int, int] = {}
        """When a motor that its gentle kick may not have started gets a full one. A motor that is
        off for less than a rest keeps its entry: it has not turned yet."""
        self._is_first = [True] * motors
        """The motors that did not start since the session's start or its last resume."""
        self._is_gentle = [True] * motors
        """The motors that were not kicked since then."""
        self._spacing_ms = STAGGER_MS // max(1, motors - 1)
        """Least time between two first starts."""
        self._first_at_ms = _LONG_AGO
        """The last first start."""
        self._result = Duties(self._levels, (), None)
        self.longest_wait_ms = 0
        """The longest that a start has waited since this object was made."""
        self._waits_since_ms: dict[int, int] = {}
        """The motors that have a level and wait for their start."""
        self._unsettled: set[int] = set()
        """The motors to visit although their level stays: they wait, or have a kick to end."""

    def _take(self, table: DriveTable) -> None:
        self._table = table
        is_tight = table.together_ma((1,) * len(table.curves)) > table.max_ma
        """Some motors together could draw more than the supply gives."""
        self._limited = self._limits and is_tight
        self._guarded = self._guards and is_tight
        self._cache.clear()

    def begin(self, table: DriveTable, now_ms: int, is_gentle: bool = True) -> None:
        """A session or an idle haptic begins, or a session resumes: from silence.

        `is_gentle`: motors start one after another, and their first kicks are gentle.
        """
        self.duties(self._silence, now_ms)
        if table is not self._table:
            self._take(table)
        for i, off_ms in enumerate(self._off_since_ms):
            # It had not turned yet, or hardly: it rests now, however short the pause was.
            if i in self._second_kick_at_ms or off_ms - self._started_at_ms[i] < _SPIN_UP_MS:
                self._off_since_ms[i] = _LONG_AGO
        self._second_kick_at_ms.clear()
        self._is_first = [is_gentle] * len(self._is_first)
        self._is_gentle = [is_gentle] * len(self._is_gentle)
        self._first_at_ms = _LONG_AGO

    def duties(self, levels: Levels, now_ms: int) -> Duties:
        """The duties for these levels at `now_ms`, which never goes back."""
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
        # Else no motor starts or stops: the usual case, which costs one look-up.
        self._levels, self._duty_pct, self._result = levels, result.duty_pct, result
        return result

    def _start_and_stop(self, levels: Levels, now_ms: int) -> Duties:
        """The duties where motors start or stop, wait for their start or are in their kick.

        The order is that of the rules: stops first, then rises, second kicks and starts.
        """
        duties = list(self._duty_pct)
        next_tick_ms = now_ms - now_ms % TICK_MS + TICK_MS
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
            wait_until_ms = next_tick_ms
            if i == overdue or overdue not in self._waits_since_ms:
                wait_until_ms = self._start(i, levels[i], duties, now_ms)
            if wait_until_ms:
                untils_ms.append(wait_until_ms)
            elif now_ms < self._kick_until_ms[i]:
                kicks.append(i)
        seconds = [i for i in self._second_kick_at_ms if duties[i]]
        untils_ms += [max(self._second_kick_at_ms[i], next_tick_ms) for i in seconds]
        untils_ms += [self._kick_until_ms[i] for i in kicks]
        untils_ms += [next_tick_ms] * bool(rises)
        self._unsettled = {*kicks, *rises, *self._waits_since_ms, *seconds}
        until_ms = min(untils_ms, default=None)
        return Duties(tuple(duties), tuple(sorted(kicks)), until_ms)

    def _look_up(self, levels: Levels) -> tuple[Duties, tuple[bool, ...]]:
        if len(self._cache) >= _CACHE_ENTRIES:
            self._cache.clear()
        curves = self._table.curves
        duty_pct = tuple([curve.duty_pct[n] for curve, n in zip(curves, levels, strict=True)])
        entry = self._cache[levels] = Duties(duty_pct, (), None), tuple(map(bool, levels))
        return entry

    def draws_ma(self, now_ms: int) -> float:
        """What all motors draw together at `now_ms`, by the model of the proof."""
        return self._drawn_ma(self._duty_pct, now_ms)

    def _drawn_ma(self, duty_pct: Sequence[int], now_ms: int) -> float:
        total_ma = 0.0
        for curve, duty, started_at_ms in zip(
            self._table.curves, duty_pct, self._started_at_ms, strict=True
        ):
            if duty:
                is_inrush = now_ms - started_at_ms < INRUSH_MS
                total_ma += curve.start_ma if is_inrush else curve.ma_at[duty]
        return total_ma

    def most_ma(self, levels: Levels, now_ms: int) -> float:
        """The most that is drawn until another motor starts, while no level exceeds these."""
        curves = self._table.curves
        duties = [
            curve.duty_pct[level] if duty else 0
            for curve, level, duty in zip(curves, levels, self._duty_pct, strict=True)
        ]
        return self._drawn_ma(duties, now_ms)

    def state(self, now_ms: int) -> tuple[object, ...]:
        """Everything that decides what happens after `now_ms`, with times relative to it.

        Two equal states that are a whole number of ticks apart go on alike for the same levels. The
        proof of the supply rests on that: whatever comes to decide anything belongs in here.
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
        )

    @property
    def is_waiting(self) -> bool:
        """Some motor has a level and is not started yet."""
        return bool(self._waits_since_ms)

    def had_first_starts(self, levels: Levels) -> bool:
        """Each motor that has a level here had its first start and its gentle kick before."""
        return not any(compress(self._is_first, levels)) and not any(
            curve.kick_ms and self._table.kicks
            for curve in compress(self._table.curves, map(and_, self._is_gentle, map(bool, levels)))
        )

    def _start_order(self, i: int) -> tuple[int, int]:
        return self._waits_since_ms[i], i

    def _overdue(self, duties: Sequence[int], now_ms: int) -> int | None:
        """The motor whose start is late and would fit if the inrush of the others were over."""
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
        """Raises the duties that the supply bears; returns the motors whose duty has to wait."""
        waiting = []
        for i in rises:
            before, duties[i] = duties[i], self._table.curves[i].duty_pct[levels[i]]
            if self._drawn_ma(duties, now_ms) > self._table.max_ma:
                duties[i] = before
                waiting.append(i)
        return waiting

    def _start(self, i: int, level: int, duties: list[int], now_ms: int) -> int:
        """Starts a motor if it may start now, and returns 0; else when to ask again."""
        curve = self._table.curves[i]
        duty = curve.duty_pct[level]
        from_rest = now_ms - self._off_since_ms[i] >= REST_MS
        if self._is_first[i] and now_ms < self._first_at_ms + self._spacing_ms:
            return self._first_at_ms + self._spacing_ms
        self.longest_wait_ms = max(self.longest_wait_ms, now_ms - self._waits_since_ms[i])
        # A motor that was off for a moment within its inrush goes on with it.
        is_inrush = from_rest or now_ms - self._started_at_ms[i] < INRUSH_MS
        needs_ma = curve.start_ma if is_inrush else curve.ma_at[duty]
        if self._limited and self._drawn_ma(duties, now_ms) + needs_ma > self._table.max_ma:
            return now_ms - now_ms % TICK_MS + TICK_MS
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
        """The duty of a kick from rest, which begins now; a gentle one may need a second kick."""
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
        """Gives a full kick where one is due: a gentle kick may not have started the motor."""
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
