"""Plays a whole session at once, and computes from the models of the motors what each zone did.

The session, the player and the latch are the daemon's own. The clock jumps from event to event, so
nothing waits; there is no button, and the motors are models.
"""

from collections.abc import Iterator, Sequence
from itertools import compress
from operator import sub
from typing import NamedTuple

from firmware_ctl.config.mat import Mat
from firmware_ctl.daemon.interfaces import Watcher
from firmware_ctl.daemon.latch import Latch, NoDeadman
from firmware_ctl.daemon.player import NoLedger, Player
from firmware_ctl.session.events import (
    Input,
    Ready,
    Start,
    State,
    Step,
    Trim,
    Wake,
)
from firmware_ctl.session.session import Session
from firmware_ctl.simulator.erm import Erm
from firmware_ctl.simulator.motors import Changes, ModelMotors, moments
from firmware_ctl.timeline.catalogue import Catalogue, GoodEntry
from firmware_ctl.timeline.model import Timeline
from firmware_ctl.timeline.motor_drive import Levels


class Row(NamedTuple):
    """The values from `at_ms` of the session until the next row, levels and duties by motor."""

    at_ms: int
    state: State
    phase: str
    level_pct: Levels
    duty_pct: Levels


class Played(NamedTuple):
    """A played session, from its start to its end."""

    mat: Mat
    entry: GoodEntry
    trim_pct: int
    steps: Sequence[tuple[int, State, str, Step]]
    """Each step with its time in ms, the state and the phase."""
    changes: Sequence[Changes]
    """The duties of each motor, in the order of the mat file."""

    @property
    def timeline(self) -> Timeline:
        return self.entry.timeline

    def rows(self) -> list[Row]:
        """A row for each time at which something changes."""
        rows: list[Row] = []
        for at_ms, state, phase, step in self.steps:
            row = Row(at_ms, state, phase, step.level_pct, step.duty_pct)
            if not rows or row[1:] != rows[-1][1:]:
                rows.append(row)
        return rows


class StepCollector:
    """A watcher that keeps the steps of a session."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, State, str, Step]] = []

    def step(self, event: Input, step: Step, now_ms: int) -> None:
        if step.status.started:
            self.steps.append((now_ms, step.status.state, step.status.phase, step))


def play(
    entry: GoodEntry, mat: Mat, trim_pct: int = 100, watchers: Sequence[Watcher] = ()
) -> Played:
    """Plays an entry from its start to its end. The clock jumps from event to event."""
    at_ms = 0
    motors = ModelMotors(mat, lambda: at_ms)
    collector = StepCollector()
    # A session with a button starts only after its button was read, as released. Here is none.
    session = Session(mat._replace(button=None), Catalogue((entry,)))
    session.handle(Ready(), at_ms)
    watchers = [collector, *watchers]
    latch = Latch(mat, motors, NoDeadman())
    player = Player(session, lambda: at_ms, latch, NoLedger(), watchers)
    player.act(Trim(trim_pct))
    player.act(Start(entry.name))
    wake = Wake()
    step = player.step(wake)
    while session.state is State.RUNNING and step.wake_at_ms is not None:
        at_ms = step.wake_at_ms
        step = player.step(wake)
    return Played(mat, entry, trim_pct, collector.steps, motors.changes)


class MotorFigures:
    """Figures of the motors' models over a session. Each list has one entry for each motor."""

    def __init__(self, played: Played) -> None:
        end_ms = played.timeline.end_ms
        self._times_ms = peak_times_ms(played)
        self._current_ma: list[Sequence[float]] = []
        self.warmest_k: list[float] = []
        self.shaken_ms: list[float] = []
        self.stalled_ms: list[float] = []
        for motor, changes in zip(played.mat.motors, played.changes, strict=True):
            erm = Erm(motor)
            states = moments(erm, changes, self._times_ms, driven=True)
            _, _, _, current_ma, warmer_k = zip(*states, strict=True)
            self._current_ma.append(current_ma)
            self.warmest_k.append(max(warmer_k))
            self.shaken_ms.append(erm.shaken_ms(end_ms))
            self.stalled_ms.append(erm.stalled_ms(end_ms))

    def peak(self, motors: Sequence[int]) -> tuple[float, int]:
        """The highest sum of these motors' currents, in mA, and its time in ms."""
        sums_ma = list(map(sum, zip(*(self._current_ma[i] for i in motors), strict=True)))
        peak_ma = max(sums_ma)
        return peak_ma, self._times_ms[sums_ma.index(peak_ma)]


class ZoneFigures(NamedTuple):
    """What one zone did in a session. Level, duties, current and warmth are the highest ones."""

    zone: str
    vibrates_ms: int
    """For how long one of its motors had a level."""
    level_pct: int
    duty_pct: int
    """Apart from kicks."""
    kick_pct: int
    """With kicks."""
    strength: float
    """The mean amplitude of its motors while it vibrates, as a share of the highest."""
    peak_ma: float
    peak_at_ms: int
    warmer_k: float
    """By how much its warmest motor is warmer than the skin of the person."""


def zone_figures(played: Played, motors: MotorFigures) -> Iterator[ZoneFigures]:
    """The figures of each zone that played, in the order of the mat file."""
    at_ms, _, _, steps = zip(*played.steps, strict=True)
    levels_pct = list(zip(*[step.level_pct for step in steps], strict=True))
    lengths_ms = list(map(sub, at_ms[1:], at_ms))
    for zone in played.mat.zones:
        indices = [i for i, motor in enumerate(played.mat.motors) if motor.zone == zone.name]
        zone_levels = zip(*(levels_pct[i] for i in indices), strict=True)
        vibrates_ms = sum(compress(lengths_ms, map(any, zone_levels)))
        if vibrates_ms:
            yield ZoneFigures(
                zone.name,
                vibrates_ms,
                max(max(levels_pct[i]) for i in indices),
                max(s.duty_pct[i] for s in steps for i in indices if i not in s.kicks),
                max(duty for i in indices for _, duty in played.changes[i]),
                sum(motors.shaken_ms[i] for i in indices) / len(indices) / vibrates_ms,
                *motors.peak(indices),
                max(motors.warmest_k[i] for i in indices),
            )


def peak_times_ms(played: Played) -> list[int]:
    """The times at which a current or a temperature can have its maximum, ascending.

    A current can have it where a motor starts, and where the highest possible sum of all currents
    stops rising. A temperature can have it where a duty ends.
    """
    times_ms = {segment.end_ms for segment in played.timeline.segments}
    rises_ma: dict[int, float] = {}
    for motor, changes in zip(played.mat.motors, played.changes, strict=True):
        ma_per_pct = motor.start_ma / motor.cap_pct
        previous_pct = 0
        for at_ms, duty_pct in changes:
            if not duty_pct or not previous_pct:
                times_ms.add(at_ms)
            rise_ma = (duty_pct - previous_pct) * ma_per_pct
            rises_ma[at_ms] = rises_ma.get(at_ms, 0.0) + rise_ma
            previous_pct = duty_pct
    is_rising, last_ms = False, 0
    for at_ms in sorted(rises_ma):
        rise_ma = rises_ma[at_ms]
        if is_rising and rise_ma < 0:
            times_ms.add(last_ms)
        is_rising, last_ms = rise_ma > 0 or (is_rising and rise_ma == 0), at_ms
    return sorted(times_ms)
