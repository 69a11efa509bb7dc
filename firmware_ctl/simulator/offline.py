"""`simulate`: plays a whole session at once, and reports it as a summary, a trace and a picture.

The session, the player and the latch are the daemon's own. The clock jumps from event to event, so
nothing waits; there is no button, and the motors are models.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from itertools import compress
from operator import sub
from typing import Final, NamedTuple

from firmware_ctl.config.mat import Mat
from firmware_ctl.daemon.interfaces import Watcher
from firmware_ctl.daemon.latch import Latch, NoDeadman
from firmware_ctl.daemon.player import NoLedger, Player
from firmware_ctl.errors import DeviceError
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
from firmware_ctl.storage.files import atomic_write
from firmware_ctl.timeline.catalogue import BadEntry, Catalogue, GoodEntry
from firmware_ctl.timeline.folder import load_entry, load_mat
from firmware_ctl.timeline.heat import CUT_OFF_HOLDS_C, heat_of
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
    title: str
    timeline: Timeline
    trim_pct: int
    steps: Sequence[tuple[int, State, str, Step]]
    """Each step with its time in ms, the state and the phase."""
    changes: Sequence[Changes]
    """The duties of each motor, in the order of the mat file."""

    def rows(self) -> list[Row]:
        """A row for each time at which something changes."""
        rows: list[Row] = []
        for at_ms, state, phase, step in self.steps:
            row = Row(at_ms, state, phase, step.level_pct, step.duty_pct)
            if not rows or row[1:] != rows[-1][1:]:
                rows.append(row)
        return rows


FORMATS: Final = {
    "trace": {"vcd": "export:vcd", "csv": "export:csv", "jsonl": "export:jsonl"},
    "plot": {"svg": "plot:svg", "png": "plot:png"},
}
"""`MODULE:FUNCTION` for each file extension; only the module that is needed is imported."""


class StepCollector:
    """A watcher that keeps the steps of a session."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, State, str, Step]] = []

    def step(self, event: Input, step: Step, now_ms: int) -> None:
        if step.status.started:
            self.steps.append((now_ms, step.status.state, step.status.phase, step))


def simulate(args: argparse.Namespace) -> int:
    """The command. Exit code 0: done; 1: the profile is invalid. With `--replay`: see `replay`.

    Raises `DeviceError` if an option is wrong, or a file cannot be read or written.
    """
    if (args.profile is None) == (args.replay is None):
        raise DeviceError("simulate takes a PROFILE, or --replay FILE")
    if args.replay is not None:
        from firmware_ctl.simulator.replay import replay

        return replay(args.replay)
    makers = [
        (path, _maker(path, option))
        for path, option in ((args.trace, "trace"), (args.plot, "plot"))
        if path is not None
    ]
    mat = load_mat(args.mat)
    entry = load_entry(args.profile, mat)
    if isinstance(entry, BadEntry):
        print(entry.error, file=sys.stderr)
        return 1
    played = play(entry, mat, args.trim)
    for path, content in [(path, make(played)) for path, make in makers]:
        _write_whole(path, content)
    print("\n".join(summary(played)))
    return 0


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
    return Played(
        mat, entry.profile.title, entry.timeline, trim_pct, collector.steps, motors.changes
    )


def summary(played: Played) -> Iterator[str]:
    """The lines that describe a session, from its steps and from the models of its motors.

    A motor is stalled while it has a duty and does not turn; a zone shows its longest stall.
    """
    mat, timeline = played.mat, played.timeline
    motors = _Motors(played)
    ma, at = motors.peak(range(len(mat.motors)))
    over = "" if ma <= mat.max_ma else ", more than the supply gives"
    end = "ends at zero" if not any(played.steps[-1][3].duty_pct) else "does not end at zero"
    yield f"{timeline.profile}: {played.title}"
    yield f"  length   {minutes(timeline.end_ms)}, {end}"
    yield f"  cert     {timeline.cert}"
    yield f"  trim     {played.trim_pct}%"
    yield f"  current  {ma:.0f} of {mat.max_ma} mA at {at}{over}"
    yield ""
    yield from _zone_table(played, motors)
    for heat in heat_of(timeline, mat):
        if heat.motor_c > CUT_OFF_HOLDS_C:
            yield (
                f"  note     {heat.motor} could reach {heat.motor_c:.0f} °C in a day of this; its "
                f"thermal cut-off may open at {CUT_OFF_HOLDS_C:.0f} °C, for good: lower its levels"
            )


class _Motors:
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

    def peak(self, motors: Sequence[int]) -> tuple[float, str]:
        """The highest sum of these motors' currents, in mA, and its time."""
        sums_ma = list(map(sum, zip(*(self._current_ma[i] for i in motors), strict=True)))
        peak_ma = max(sums_ma)
        return peak_ma, minutes(self._times_ms[sums_ma.index(peak_ma)])


def _zone_table(played: Played, motors: _Motors) -> Iterator[str]:
    mat = played.mat
    width = max(len(zone.name) for zone in mat.zones)
    yield (
        f"  {'zone':{width}}  playing  level  duty  mean amplitude  highest current     "
        " warmest  stalled"
    )
    at_ms, _, _, steps = zip(*played.steps, strict=True)
    levels_pct = list(zip(*[step.level_pct for step in steps], strict=True))
    lengths_ms = list(map(sub, at_ms[1:], at_ms))
    for zone in mat.zones:
        indices = [i for i, motor in enumerate(mat.motors) if motor.zone == zone.name]
        zone_levels = zip(*(levels_pct[i] for i in indices), strict=True)
        playing_ms = sum(compress(lengths_ms, map(any, zone_levels)))
        if not playing_ms:
            yield f"  {zone.name:{width}}  {'silent' if zone.present else 'not plugged in'}"
            continue
        level_pct = max(max(levels_pct[i]) for i in indices)
        duty_pct = max((duty for i in indices for _, duty in played.changes[i]), default=0)
        amplitude = sum(motors.shaken_ms[i] for i in indices) / len(indices) / playing_ms
        ma, at = motors.peak(indices)
        yield (
            f"  {zone.name:{width}}  {minutes(playing_ms):>7}  {level_pct:>4}%  {duty_pct:>3}%"
            f"  {amplitude:>14.0%}  {f'{ma:.0f} mA at {at}':<18}"
            f"  {max(motors.warmest_k[i] for i in indices):>5.1f} K"
            f"  {minutes(round(max(motors.stalled_ms[i] for i in indices))):>7}"
        )


def minutes(at_ms: int) -> str:
    """A time in ms as minutes and seconds, to a tenth."""
    return f"{at_ms // 60_000}:{at_ms // 100 % 600 / 10:04.1f}"


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


def _maker(path: str, option: str) -> Callable[[Played], bytes]:
    """The function that makes a file with this extension. Raises `DeviceError` if there is none."""
    formats = FORMATS[option]
    target = formats.get(path.rpartition(".")[2])
    if target is None:
        extensions = " or ".join(f".{extension}" for extension in formats)
        raise DeviceError(f"{path}: a {option} ends in {extensions}")
    module, _, function = target.partition(":")
    maker: Callable[[Played], bytes] = getattr(
        import_module(f"firmware_ctl.simulator.{module}"), function
    )
    return maker


def _write_whole(path: str, content: bytes) -> None:
    """Writes the file that the user named. Raises `DeviceError` if it cannot be written."""
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        # The rename would replace a device such as /dev/stdout by a file.
        raise DeviceError(f"{path} is there and is no plain file; choose another name")
    try:
        # In a folder of the user's own, two simulations may write to one name at the same time, and
        # a file `NAME.part` may be someone's. So the temporary name carries the process number.
        atomic_write(target, content, durable=False, suffix=f".{os.getpid()}.part")
    except OSError as error:
        raise DeviceError(f"{path} cannot be written: {error.strerror}") from None
