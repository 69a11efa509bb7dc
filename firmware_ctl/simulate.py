"""`simulate`: a whole session on the clock that jumps, told as a summary, a trace and a picture.

The session and the daemon's one way from an input to the motors are the real ones. Nobody presses
a button here and nothing waits; the motors are formulas.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from itertools import compress
from operator import sub
from typing import Final, NamedTuple

from firmware_ctl.catalogue import Catalogue, Entry
from firmware_ctl.errors import DeviceError
from firmware_ctl.folder import load_entry, load_mat
from firmware_ctl.heat import CUT_OFF_HOLDS_C, heat_of
from firmware_ctl.latch import Latch, NoDeadman
from firmware_ctl.mat import Mat
from firmware_ctl.player import NoLedger, Player, Watcher
from firmware_ctl.session import Input, Ready, Session, Start, State, Step, Trim, Wake
from firmware_ctl.shaping import Levels
from firmware_ctl.simulator.erm import Erm
from firmware_ctl.simulator.motors import Changes, ModelMotors, moments
from firmware_ctl.timeline import Timeline


class Row(NamedTuple):
    """What holds from `at_ms` of the session until the next row."""

    at_ms: int
    state: State
    phase: str
    level_pct: Levels
    duty_pct: Levels


class Played(NamedTuple):
    """A session as it went, from its start to its end."""

    mat: Mat
    title: str
    timeline: Timeline
    trim_pct: int
    steps: Sequence[tuple[int, State, str, Step]]
    """With the time, the state and the phase of each."""
    changes: Sequence[Changes]
    """A course of duties a motor, in the order of the mat file."""

    def rows(self) -> list[Row]:
        """A row each time that something differs."""
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
"""By the ending of the file. Each is imported when it is asked for."""


class Recorder:
    """Watches the steps of a session."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, State, str, Step]] = []

    def step(self, session: Session, event: Input, step: Step, now_ms: int) -> None:
        if session.started:
            self.steps.append((now_ms, session.state, session.phase, step))


def simulate(args: argparse.Namespace) -> int:
    """Plays a profile. 0 done, 1 the profile is invalid, 2 a file cannot be read or written."""
    if (args.profile is None) == (args.replay is None):
        raise DeviceError("simulate takes a PROFILE, or --replay FILE")
    if args.replay is not None:
        from firmware_ctl.replay import replay

        return replay(args.replay)
    makers = [
        (path, _maker(path, what))
        for path, what in ((args.trace, "trace"), (args.plot, "plot"))
        if path is not None
    ]
    mat = load_mat(args.mat)
    entry = load_entry(args.profile, mat)
    if entry.error is not None:
        print(entry.error, file=sys.stderr)
        return 1
    played = play(entry, mat, args.trim)
    for path, content in [(path, make(played)) for path, make in makers]:
        _write_whole(path, content)
    print("\n".join(summary(played)))
    return 0


def play(entry: Entry, mat: Mat, trim_pct: int = 100, watchers: Sequence[Watcher] = ()) -> Played:
    """Plays a valid entry from its start to its end, from event to event."""
    assert entry.profile is not None
    assert entry.timeline is not None
    at_ms = 0
    motors = ModelMotors(mat, lambda: at_ms)
    recorder = Recorder()
    # There is no button, so that none has to be seen released first.
    session = Session(mat._replace(button=None), Catalogue((entry,)))
    session.handle(Ready(), at_ms)
    watchers = [recorder, *watchers]
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
        mat, entry.profile.title, entry.timeline, trim_pct, recorder.steps, motors.changes
    )


def summary(played: Played) -> Iterator[str]:
    """What the session is like, by its steps and by the model of its motors.

    A motor is stalled while it gets a duty and does not turn; of a zone's motors the longest is
    told.
    """
    mat, timeline = played.mat, played.timeline
    times_ms = telling_times_ms(played)
    current_ma, warmest_k, shaken_ms, stalled_ms = [], [], [], []
    for motor, changes in zip(mat.motors, played.changes, strict=True):
        erm = Erm(motor)
        _, _, _, draws_ma, warmer_k = zip(
            *moments(erm, changes, times_ms, driven=True), strict=True
        )
        current_ma.append(draws_ma)
        warmest_k.append(max(warmer_k))
        shaken_ms.append(erm.shaken_ms(timeline.end_ms))
        stalled_ms.append(erm.stalled_ms(timeline.end_ms))

    def most(motors: Sequence[int]) -> tuple[float, str]:
        sums = list(map(sum, zip(*(current_ma[i] for i in motors), strict=True)))
        ma = max(sums)
        return ma, minutes(times_ms[sums.index(ma)])

    ma, at = most(range(len(mat.motors)))
    over = "" if ma <= mat.max_ma else ", more than the supply gives"
    end = "ends at zero" if not any(played.steps[-1][3].duty_pct) else "does not end at zero"
    yield f"{timeline.profile}: {played.title}"
    yield f"  length   {minutes(timeline.end_ms)}, {end}"
    yield f"  cert     {timeline.cert}"
    yield f"  trim     {played.trim_pct}%"
    yield f"  current  {ma:.0f} of {mat.max_ma} mA at {at}{over}"
    yield ""
    width = max(len(zone.name) for zone in mat.zones)
    yield (
        f"  {'zone':{width}}  playing  level  duty  mean amplitude  highest current     "
        " warmest  stalled"
    )
    at_ms, _, _, steps = zip(*played.steps, strict=True)
    levels_pct = list(zip(*[step.level_pct for step in steps], strict=True))
    lengths_ms = list(map(sub, at_ms[1:], at_ms))
    for zone in mat.zones:
        motors = [i for i, motor in enumerate(mat.motors) if motor.zone == zone.name]
        levels = zip(*(levels_pct[i] for i in motors), strict=True)
        playing_ms = sum(compress(lengths_ms, map(any, levels)))
        if not playing_ms:
            yield f"  {zone.name:{width}}  {'silent' if zone.present else 'not plugged in'}"
            continue
        level_pct = max(max(levels_pct[i]) for i in motors)
        duty_pct = max((duty for i in motors for _, duty in played.changes[i]), default=0)
        amplitude = sum(shaken_ms[i] for i in motors) / len(motors) / playing_ms
        ma, at = most(motors)
        yield (
            f"  {zone.name:{width}}  {minutes(playing_ms):>7}  {level_pct:>4}%  {duty_pct:>3}%"
            f"  {amplitude:>14.0%}  {f'{ma:.0f} mA at {at}':<18}"
            f"  {max(warmest_k[i] for i in motors):>5.1f} K"
            f"  {minutes(round(max(stalled_ms[i] for i in motors))):>7}"
        )
    for heat in heat_of(timeline, mat):
        if heat.motor_c > CUT_OFF_HOLDS_C:
            yield (
                f"  note     {heat.motor} could reach {heat.motor_c:.0f} °C in a day of this; its "
                f"thermal cut-off may open at {CUT_OFF_HOLDS_C:.0f} °C, for good: lower its levels"
            )


def minutes(at_ms: int) -> str:
    """Minutes and seconds, to a tenth."""
    return f"{at_ms // 60_000}:{at_ms // 100 % 600 / 10:04.1f}"


def telling_times_ms(played: Played) -> list[int]:
    """When something can be at its most: a current where a motor starts, or where what all of them
    could draw has risen and then falls; a warmth where a duty ends.
    """
    times_ms = {segment.end_ms for segment in played.timeline.segments}
    rises: dict[int, float] = {}
    for motor, changes in zip(played.mat.motors, played.changes, strict=True):
        ma_per_pct = motor.start_ma / motor.cap_pct
        before = 0
        for at_ms, duty in changes:
            if not duty or not before:
                times_ms.add(at_ms)
            rises[at_ms] = rises.get(at_ms, 0.0) + (duty - before) * ma_per_pct
            before = duty
    is_rising, last_ms = False, 0
    for at_ms in sorted(rises):
        if is_rising and rises[at_ms] < 0:
            times_ms.add(last_ms)
        is_rising, last_ms = rises[at_ms] > 0 or (is_rising and rises[at_ms] == 0), at_ms
    return sorted(times_ms)


def _maker(path: str, what: str) -> Callable[[Played], bytes]:
    """What makes a file of this ending; `DeviceError` where there is none."""
    formats = FORMATS[what]
    call = formats.get(path.rpartition(".")[2])
    if call is None:
        endings = " or ".join(f".{ending}" for ending in formats)
        raise DeviceError(f"{path}: a {what} ends in {endings}")
    module, _, function = call.partition(":")
    maker: Callable[[Played], bytes] = getattr(import_module(f"firmware_ctl.{module}"), function)
    return maker


def _write_whole(path: str, content: bytes) -> None:
    """Writes a file beside its place first, so that nothing half-written ever stands there."""
    place = os.path.realpath(path)
    if os.path.exists(place) and not os.path.isfile(place):  # a device would be gone
        raise DeviceError(f"{path} is there and is no plain file; choose another name")
    beside = f"{place}.{os.getpid()}.part"
    try:
        with open(beside, "xb") as file:
            file.write(content)
        os.replace(beside, place)
    except OSError as error:
        with suppress(OSError):
            os.unlink(beside)
        raise DeviceError(f"{path} cannot be written: {error.strerror}") from None
