"""From levels that are felt to the duties that pins get: one table a motor, kicks, and starts that
the supply can bear.

Rest is physical. A `Shaper` remembers what each motor did, in real milliseconds on the monotonic
clock, and the daemon has one `Shaper` for as long as it lives: a pause, a gap, a stop, a fault and
`--speed` change nothing of what it knows. Time is an argument. A motor gets more than its table
only in a kick, and a kick only from rest.

Where the motors together could draw more than the supply gives:

1. Stops and falling duties are never held up.
2. A start waits until its inrush fits beside what the others draw. The motor is off meanwhile.
3. A rising duty waits until it fits. A start that has waited for longer than `STAGGER_MS`, and that
   nothing but the inrush of others keeps waiting, goes before all rises and all other starts.
4. A motor that its gentle first kick did not start and that finds no room for its full kick is
   switched off, and waits for a start as in 2: it would stand still under power.

The proof of a session (`budget`) plays it by 1 and 2 alone and accepts it only if every duty fits
and no start waits for more than `STAGGER_MS`, so 3 and 4 do nothing in a session that nobody
disturbs. They are for what no proof sees, as a resume in the middle of a phase, a trim or a late
tick: the motors then never draw more than the supply gives, and start as soon as it allows.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import compress, count
from operator import and_, ne
from typing import Final, NamedTuple

from firmware_ctl.limits import (
    DUTY_PCT,
    FIRST_KICK_PCT,
    INRUSH_MS,
    REST_MS,
    SECOND_KICK_MS,
    STAGGER_MS,
    TICK_MS,
)
from firmware_ctl.mat import Mat, Motor

Levels = tuple[int, ...]
"""A figure in whole percent for every motor, in the order of the mat file."""

_LONG_AGO: Final = -(1 << 60)

_SPIN_UP_MS: Final = 20
"""A motor that was switched off so soon after its start from rest has hardly turned."""

_REMEMBERED: Final = 2_000
"""Levels whose duties are kept: all of a period of half a minute, and few."""


def highest_duty_pct(motor: Motor, mat: Mat) -> int:
    """The lowest of the motor's cap, the mat's limit and the code's own."""
    return min(motor.cap_pct, mat.limits.duty_pct, DUTY_PCT)


def duty_table(motor: Motor, mat: Mat) -> tuple[int, ...]:
    """Duty for the levels 0 to 100: 0 is off, 1 to 100 map onto hold to the highest duty.

    Rounded down, so that no level gets more than it asks for.
    """
    span_pct = highest_duty_pct(motor, mat) - motor.hold_pct
    return (0, *(motor.hold_pct + span_pct * (level - 1) // 99 for level in range(1, 101)))


class Drive(NamedTuple):
    """What shaping needs to know of one motor."""

    duty_pct: tuple[int, ...]
    """By level."""
    start_pct: int
    highest_pct: int
    kick_ms: int
    start_ma: int
    ma_at: tuple[float, ...]
    """Running current by duty: `run_ma` at the motor's cap, in proportion below it."""


class Shape(NamedTuple):
    """The motors of a mat, and what is done to hold its supply: a value of the compiled session."""

    drives: tuple[Drive, ...]
    max_ma: int
    kicks: bool = True
    """False: dropped, because the supply does not bear them."""

    def together_ma(self, levels: Levels) -> float:
        """What the motors with a level draw when they start together: no instant draws more."""
        return sum(
            max(drive.start_ma, drive.ma_at[drive.highest_pct])
            for drive, level in zip(self.drives, levels, strict=True)
            if level
        )


@lru_cache(maxsize=4)
def shape_of(mat: Mat) -> Shape:
    return Shape(tuple(_drive(motor, mat) for motor in mat.motors), mat.max_ma)


def _drive(motor: Motor, mat: Mat) -> Drive:
    return Drive(
        duty_table(motor, mat),
        motor.start_pct,
        highest_duty_pct(motor, mat),
        motor.kick_ms,
        motor.start_ma,
        tuple(motor.run_ma * duty / motor.cap_pct for duty in range(101)),
    )


class Shaped(NamedTuple):
    """Duties that hold from some instant until `until_ms`; None: until the levels change."""

    duty_pct: Levels
    kicks: tuple[int, ...]
    """The motors that are in their kick."""
    until_ms: int | None


class Shaper:
    """The motors as they are driven: who turns, since when, and who waits for its turn.

    From rest a motor draws `start_ma` for 150 ms, then its running current.
    """

    def __init__(self, shape: Shape, limited: bool = True, guarded: bool = False) -> None:
        """`limited` False: no start waits for the supply, to see what would be drawn.

        `guarded`: nothing that was not proven goes over the supply either; see the module's text.
        """
        count = len(shape.drives)
        self._levels = self._duties = (0,) * count
        self._silence = self._levels
        self._turning = (False,) * count
        """Which motors have a level."""
        self._by_table: dict[Levels, tuple[Shaped, tuple[bool, ...]]] = {}
        """Of levels that came before, the duties of motors that turn, and who turns."""
        self._limits, self._guards = limited, guarded
        self._take(shape)
        self._off_since_ms = [_LONG_AGO] * count
        self._started_at_ms = [_LONG_AGO] * count
        """When it last started from rest."""
        self._kick_until_ms = [_LONG_AGO] * count
        self._second_at_ms: dict[int, int] = {}
        """When a motor that its gentle kick may not have started gets a full one. A motor that is
        off for less than a rest keeps its entry: it has not turned yet."""
        self._is_first = [True] * count
        """The motors that did not start since the session's start or its last resume."""
        self._is_gentle = [True] * count
        """The motors that were not kicked since then."""
        self._spacing_ms = STAGGER_MS // max(1, count - 1)
        self._first_at_ms = _LONG_AGO
        self._shaped = Shaped(self._levels, (), None)
        self.longest_wait_ms = 0
        self._wants_since_ms: dict[int, int] = {}
        """The motors that have a level and wait for their start."""
        self._unsettled: set[int] = set()
        """The motors to be looked at though their level stays: they wait, or have a kick to end."""

    def _take(self, shape: Shape) -> None:
        self._shape = shape
        is_tight = shape.together_ma((1,) * len(shape.drives)) > shape.max_ma
        """Some motors together could draw more than the supply gives."""
        self._limited = self._limits and is_tight
        self._guarded = self._guards and is_tight
        self._by_table.clear()

    def begin(self, shape: Shape, now_ms: int, is_gentle: bool = True) -> None:
        """A session or a signal begins, or a session goes on after a pause: from silence.

        `is_gentle`: motors start one after another, and their first kicks are gentle.
        """
        self.shape(self._silence, now_ms)
        if shape is not self._shape:
            self._take(shape)
        for i, off_ms in enumerate(self._off_since_ms):
            # It had not turned yet, or hardly: it rests now, however short the pause was.
            if i in self._second_at_ms or off_ms - self._started_at_ms[i] < _SPIN_UP_MS:
                self._off_since_ms[i] = _LONG_AGO
        self._second_at_ms.clear()
        self._is_first = [is_gentle] * len(self._is_first)
        self._is_gentle = [is_gentle] * len(self._is_gentle)
        self._first_at_ms = _LONG_AGO

    def shape(self, levels: Levels, now_ms: int) -> Shaped:
        """The duties for these levels at `now_ms`, which never goes back."""
        shaped = self._shaped
        if levels == self._levels and (shaped.until_ms is None or now_ms < shaped.until_ms):
            return shaped
        shaped, turning = self._by_table.get(levels) or self._look_up(levels)
        if (
            self._unsettled
            or turning != self._turning
            or (self._guarded and self._drawn_ma(shaped.duty_pct, now_ms) > self._shape.max_ma)
        ):
            shaped = self._start_and_stop(levels, now_ms)
            self._turning = turning
        # Else motors that turn go on turning and those that rest go on resting: most of the time.
        self._levels, self._duties, self._shaped = levels, shaped.duty_pct, shaped
        return shaped

    def _start_and_stop(self, levels: Levels, now_ms: int) -> Shaped:
        """The duties where motors begin or end, wait for their turn or are in their kick."""
        duties = list(self._duties)
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
                self._wants_since_ms.pop(i, None)
            elif duties[i] == 0:
                self._wants_since_ms.setdefault(i, now_ms)
            elif now_ms < self._kick_until_ms[i]:
                kicks.append(i)
            elif self._guarded and self._shape.drives[i].duty_pct[level] > duties[i]:
                rises.append(i)
            else:
                duties[i] = self._shape.drives[i].duty_pct[level]
        overdue = self._overdue(duties, now_ms) if self._guarded else None
        if rises and overdue is None:
            rises = self._rise(rises, levels, duties, now_ms)
        for i in [i for i in self._second_at_ms if duties[i] and i not in kicks]:
            if self._kick_again(i, duties, now_ms):
                kicks.append(i)
        for i in sorted(self._wants_since_ms, key=self._turn):
            wait_until_ms = next_tick_ms
            if i == overdue or overdue not in self._wants_since_ms:
                wait_until_ms = self._start(i, levels[i], duties, now_ms)
            if wait_until_ms:
                untils_ms.append(wait_until_ms)
            elif now_ms < self._kick_until_ms[i]:
                kicks.append(i)
        seconds = [i for i in self._second_at_ms if duties[i]]
        untils_ms += [max(self._second_at_ms[i], next_tick_ms) for i in seconds]
        untils_ms += [self._kick_until_ms[i] for i in kicks]
        untils_ms += [next_tick_ms] * bool(rises)
        self._unsettled = {*kicks, *rises, *self._wants_since_ms, *seconds}
        until_ms = min(untils_ms, default=None)
        return Shaped(tuple(duties), tuple(sorted(kicks)), until_ms)

    def _look_up(self, levels: Levels) -> tuple[Shaped, tuple[bool, ...]]:
        if len(self._by_table) >= _REMEMBERED:
            self._by_table.clear()
        drives = self._shape.drives
        duties = tuple([drive.duty_pct[n] for drive, n in zip(drives, levels, strict=True)])
        found = self._by_table[levels] = Shaped(duties, (), None), tuple(map(bool, levels))
        return found

    def draws_ma(self, now_ms: int) -> float:
        """What all motors draw together at `now_ms`, by the budget's model."""
        return self._drawn_ma(self._duties, now_ms)

    def _drawn_ma(self, duties: Sequence[int], now_ms: int) -> float:
        total_ma = 0.0
        for drive, duty, at_ms in zip(self._shape.drives, duties, self._started_at_ms, strict=True):
            if duty:
                total_ma += drive.start_ma if now_ms - at_ms < INRUSH_MS else drive.ma_at[duty]
        return total_ma

    def most_ma(self, levels: Levels, now_ms: int) -> float:
        """The most that is drawn until another motor starts, while no level exceeds these."""
        drives = self._shape.drives
        duties = [
            drive.duty_pct[level] if duty else 0
            for drive, level, duty in zip(drives, levels, self._duties, strict=True)
        ]
        return self._drawn_ma(duties, now_ms)

    def state(self, now_ms: int) -> tuple[object, ...]:
        """All that decides what it does after `now_ms`, with times relative to it.

        Two equal states that are a whole number of ticks apart go on alike for the same levels. The
        proof of the supply rests on that: whatever comes to decide anything belongs in here.
        """
        return (
            self._levels,
            self._duties,
            self._shaped.kicks,
            None if self._shaped.until_ms is None else self._shaped.until_ms - now_ms,
            tuple(
                REST_MS if duty else min(now_ms - at_ms, REST_MS)
                for duty, at_ms in zip(self._duties, self._off_since_ms, strict=True)
            ),
            tuple(min(now_ms - at_ms, INRUSH_MS) for at_ms in self._started_at_ms),
            tuple(max(at_ms - now_ms, 0) for at_ms in self._kick_until_ms),
            sorted((i, max(at_ms - now_ms, 0)) for i, at_ms in self._second_at_ms.items()),
            sorted((i, now_ms - at_ms) for i, at_ms in self._wants_since_ms.items()),
            tuple(self._is_first),
            tuple(self._is_gentle),
            min(now_ms - self._first_at_ms, self._spacing_ms),
        )

    @property
    def is_waiting(self) -> bool:
        """Some motor has a level and is not started yet."""
        return bool(self._wants_since_ms)

    def had_first_starts(self, levels: Levels) -> bool:
        """Each motor that has a level here had its first start and its gentle kick before."""
        return not any(compress(self._is_first, levels)) and not any(
            drive.kick_ms and self._shape.kicks
            for drive in compress(self._shape.drives, map(and_, self._is_gentle, map(bool, levels)))
        )

    def _turn(self, i: int) -> tuple[int, int]:
        return self._wants_since_ms[i], i

    def _overdue(self, duties: Sequence[int], now_ms: int) -> int | None:
        """The motor whose start is late and would fit, were the others through their inrush."""
        drives, max_ma = self._shape.drives, self._shape.max_ma
        turning_ma = sum(drive.ma_at[duty] for drive, duty in zip(drives, duties, strict=True))
        for i in sorted(self._wants_since_ms, key=self._turn):
            is_late = now_ms - self._wants_since_ms[i] > STAGGER_MS
            if is_late and turning_ma + drives[i].start_ma <= max_ma:
                return i
        return None

    def _rise(
        self, rises: Sequence[int], levels: Levels, duties: list[int], now_ms: int
    ) -> list[int]:
        """Raises the duties that the supply bears; returns the motors whose duty has to wait."""
        waiting = []
        for i in rises:
            before, duties[i] = duties[i], self._shape.drives[i].duty_pct[levels[i]]
            if self._drawn_ma(duties, now_ms) > self._shape.max_ma:
                duties[i] = before
                waiting.append(i)
        return waiting

    def _start(self, i: int, level: int, duties: list[int], now_ms: int) -> int:
        """Starts a motor whose turn it is, and returns 0; else when to ask again."""
        drive = self._shape.drives[i]
        duty = drive.duty_pct[level]
        from_rest = now_ms - self._off_since_ms[i] >= REST_MS
        if self._is_first[i] and now_ms < self._first_at_ms + self._spacing_ms:
            return self._first_at_ms + self._spacing_ms
        self.longest_wait_ms = max(self.longest_wait_ms, now_ms - self._wants_since_ms[i])
        # A motor that was off for a moment within its inrush goes on with it.
        is_inrush = from_rest or now_ms - self._started_at_ms[i] < INRUSH_MS
        needs_ma = drive.start_ma if is_inrush else drive.ma_at[duty]
        if self._limited and self._drawn_ma(duties, now_ms) + needs_ma > self._shape.max_ma:
            return now_ms - now_ms % TICK_MS + TICK_MS
        del self._wants_since_ms[i]
        duties[i] = duty
        if from_rest:
            self._started_at_ms[i] = now_ms
            self._second_at_ms.pop(i, None)
            highest = drive.highest_pct
            if self._shape.kicks and drive.kick_ms and duty < drive.start_pct:
                most = min(highest, FIRST_KICK_PCT) if self._is_gentle[i] else highest
                self._is_gentle[i] = False
                duties[i] = max(duty, most)
                self._kick_until_ms[i] = now_ms + drive.kick_ms
                if most < min(drive.start_pct, highest):
                    self._second_at_ms[i] = now_ms + SECOND_KICK_MS
        if self._is_first[i]:
            self._is_first[i] = False
            self._first_at_ms = now_ms
        return 0

    def _kick_again(self, i: int, duties: list[int], now_ms: int) -> bool:
        """A gentle kick may not start a motor: until then it rests, whatever duty it has."""
        drive = self._shape.drives[i]
        if duties[i] >= drive.start_pct:
            del self._second_at_ms[i]
        elif now_ms >= self._second_at_ms[i]:
            others_ma = self._drawn_ma(duties, now_ms) - drive.ma_at[duties[i]]
            if not self._limited or others_ma + drive.start_ma <= self._shape.max_ma:
                del self._second_at_ms[i]
                self._started_at_ms[i] = now_ms
                duties[i] = drive.highest_pct
                self._kick_until_ms[i] = now_ms + drive.kick_ms
                return True
            if self._guarded:
                del self._second_at_ms[i]
                self._off_since_ms[i] = _LONG_AGO
                self._wants_since_ms[i] = now_ms
                duties[i] = 0
        return False
