"""Set-points and curves on mock pins: who keeps time, and what it takes of a processor."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any

from gpiozero import PWMLED

from firmware_ctl.config.patterns import Piece
from firmware_ctl.config.profile import Phase
from firmware_ctl.daemon.daemon import Daemon
from firmware_ctl.hardware.gpio import VALUES
from firmware_ctl.limits import GRID_MS
from firmware_ctl.session.events import Close, Start
from firmware_ctl.simulator.motors import Changes
from firmware_ctl.simulator.offline import play as play_at_once
from firmware_ctl.timeline.catalogue import GoodEntry
from firmware_ctl.timeline.motor_drive import duty_table
from tests.bench.measure import Figures, Size
from tests.bench.rig import MAT, NotingPin, busy, busy_processors, entry, factory, play, rig
from tests.support.process import Mock

STEP_MS = 10
LEVELS = range(5, 95, 3)
"""Set-points one after another; each has a duty of its own, so that a write tells which it was."""

LATE_S = 0.3
"""What a contestant may take to begin and to end."""

MOTOR = MAT.motors[-1]
DUTIES = [duty_table(MOTOR, MAT)[level] for level in LEVELS]
CYCLE_MS = STEP_MS * len(DUTIES)


# --- set-points ---------------------------------------------------------------------------------


def _set_points(seconds: float) -> GoodEntry:
    """As a timeline: at once at its level and without kicks, which are not what is measured."""
    line = play(f"{MOTOR.zone}.{MOTOR.side}", "steady", 100)
    made = entry(Phase("set-points", round(seconds * 1000), 1, (line,)))
    pieces = tuple(Piece(STEP_MS, level / 100, level / 100) for level in LEVELS)
    course = made.timeline.segments[0].courses[0]._replace(pieces=pieces, cap_pct=100)
    segment = made.timeline.segments[0]._replace(courses=(course,))
    table = made.timeline.drive_table._replace(kicks=False)
    timeline = made.timeline._replace(segments=(segment,), rise_pct_s=10**6, drive_table=table)
    return made._replace(timeline=timeline)


def _ours(size: Size) -> Figures:
    with rig(_set_points(size.play_s)) as made:
        cpu_s = _play(made.daemon, size.play_s)
        began_at_ms = made.session.status.clock.began_at_ms
        began_ns = made.poller.origin_ns + began_at_ms * 10**6
    at_ns = [
        (at_ns, round(value * 100)) for at_ns, pin, value in NotingPin.writes if pin == MOTOR.pin
    ]
    late_ms: dict[int, float] = {}
    # The soft start is at 0 for a tick, whatever its rise.
    count = (round(size.play_s * 1000) - GRID_MS) // STEP_MS
    for written_ns, duty in at_ns:
        if duty in DUTIES and written_ns >= began_ns:
            # The newest set-point of that duty: after a stall the ones between are left out.
            place_ms = STEP_MS * DUTIES.index(duty)
            passes = ((written_ns - began_ns) / 1e6 - place_ms) // CYCLE_MS
            due_ms = passes * CYCLE_MS + place_ms
            late_ms.setdefault(round(due_ms / STEP_MS), (written_ns - began_ns) / 1e6 - due_ms)
    return {**_lateness(late_ms.values()), "left out": count - len(late_ms), "CPU s": cpu_s}


def _play(daemon: Daemon, seconds: float) -> float:
    """Plays the selected profile from its start to its end; CPU seconds of that."""
    began_s = 0.0

    def start() -> None:
        nonlocal began_s
        began_s = time.process_time()
        daemon.clients._requests.act(Start())

    daemon.loop.when_ready.append(start)
    end_ms = round((seconds + LATE_S) * 1000)
    daemon.loop.later(end_ms, lambda: daemon.player.step(Close()))
    daemon.loop.run()
    return time.process_time() - began_s


Work = Callable[[int, Any, Sequence[float]], int | None]
"""Gives so many set-points, of these values in turn, to a device.

Returns when it began, in nanoseconds; None: at its first write.
"""


def _by_index(work: Work, size: Size) -> Figures:
    """For those that leave nothing out."""
    count = round(size.play_s * 1000) // STEP_MS
    device = PWMLED(MOTOR.pin, pin_factory=factory())
    values = [VALUES[duty] for duty in DUTIES]
    NotingPin.writes.clear()
    began_s = time.process_time()
    began_ns = work(count, device, values) or NotingPin.writes[0][0]
    cpu_s = time.process_time() - began_s
    late_ms = [
        (at_ns - began_ns) / 1e6 - n * STEP_MS
        for n, (at_ns, _, _) in enumerate(NotingPin.writes[:count])
    ]
    device.close()
    return {**_lateness(late_ms), "left out": 0, "CPU s": cpu_s}


def _lateness(late_ms: Iterable[float]) -> Figures:
    late = list(late_ms)
    return {
        "drift ms": median(late[-20:]),
        "p50 ms": median(late),
        "p99 ms": quantiles(late, n=100)[98],
    }


def _absolute(count: int, device: Any, values: Sequence[float]) -> int:
    began_ns = time.monotonic_ns()
    for n, value in enumerate(islice(cycle(values), count)):
        left_ns = began_ns + n * STEP_MS * 10**6 - time.monotonic_ns()
        if left_ns > 0:
            time.sleep(left_ns / 1e9)
        device.value = value
    return began_ns


def _sleeping(count: int, device: Any, values: Sequence[float]) -> None:
    for value in islice(cycle(values), count):
        device.value = value
        time.sleep(STEP_MS / 1000)


def _source(count: int, device: Any, values: Sequence[float]) -> None:
    over = Event()

    def course() -> Iterator[float]:
        yield from islice(cycle(values), count)
        over.set()

    device.source_delay = STEP_MS / 1000
    device.source = course()
    over.wait()
    device.source = None


def _blink(count: int, device: Any, values: Sequence[float]) -> None:
    device.blink(STEP_MS / 1000, STEP_MS / 1000, n=count // 2, background=False)


def ours(size: Size) -> Figures:
    return _ours(size)


def absolute(size: Size) -> Figures:
    return _by_index(_absolute, size)


def sleeping(size: Size) -> Figures:
    return _by_index(_sleeping, size)


def source(size: Size) -> Figures:
    return _by_index(_source, size)


def blink(size: Size) -> Figures:
    return _by_index(_blink, size)


def ours_busy(size: Size) -> Figures:
    with busy_processors(size.burners):
        return _ours(size)


def absolute_busy(size: Size) -> Figures:
    with busy_processors(size.burners):
        return _by_index(_absolute, size)


# --- eight motors -------------------------------------------------------------------------------


def eight(size: Size) -> Figures:
    with rig(busy(size.play_s)) as made:
        cpu_s = _play(made.daemon, size.play_s)
    motors = {motor.pin for motor in MAT.motors}
    writes = sum(pin in motors for _, pin, _ in NotingPin.writes)
    return {"CPU ms/s": 1000 * cpu_s / size.play_s, "writes": writes}


def _changes(seconds: float) -> Sequence[Changes]:
    return play_at_once(busy(seconds), MAT).changes


def eight_bare(size: Size) -> Figures:
    """The same writes at the same times."""
    devices = _devices()
    writes = sorted(
        (at_ms, device, duty)
        for device, changes in enumerate(_changes(size.play_s))
        for at_ms, duty in changes
    )
    NotingPin.writes.clear()
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    for at_ms, device, duty in writes:
        left_s = began_s + at_ms / 1000 - time.monotonic()
        if left_s > 0:
            time.sleep(left_s)
        devices[device].value = VALUES[duty]
    return _cpu(size, time.process_time() - began_cpu_s)


def eight_source(size: Size) -> Figures:
    """A generator a device, asked each tick for its value, as gpiozero's documentation shows it."""
    count = round(size.play_s * 1000) // GRID_MS
    courses = [_sampled(changes, count) for changes in _changes(size.play_s)]
    devices = _devices()
    NotingPin.writes.clear()
    began_cpu_s = time.process_time()
    events = [Event() for _ in devices]
    for device, course, over in zip(devices, courses, events, strict=True):

        def values(course: list[float] = course, over: Event = over) -> Iterator[float]:
            yield from course
            over.set()

        device.source_delay = GRID_MS / 1000
        device.source = values()
    for over in events:
        over.wait()
    return _cpu(size, time.process_time() - began_cpu_s)


def eight_pulse(size: Size) -> Figures:
    """gpiozero's own fading up and down, 25 steps a second."""
    devices = _devices()
    NotingPin.writes.clear()
    began_cpu_s = time.process_time()
    for device in devices:
        device.pulse(fade_in_time=1.5, fade_out_time=1.5)
    time.sleep(size.play_s)
    cpu_s = time.process_time() - began_cpu_s
    return _cpu(size, cpu_s)


def _sampled(changes: Changes, count: int) -> list[float]:
    values, coming, duty = [], iter(changes), 0
    change = next(coming, None)
    for n in range(count):
        while change is not None and change[0] <= n * GRID_MS:
            duty = change[1]
            change = next(coming, None)
        values.append(VALUES[duty])
    return values


def _devices() -> list[Any]:
    made = factory()
    return [PWMLED(motor.pin, pin_factory=made) for motor in MAT.motors]


def _cpu(size: Size, cpu_s: float) -> Figures:
    return {"CPU ms/s": 1000 * cpu_s / size.play_s, "writes": len(NotingPin.writes)}


# --- idle ---------------------------------------------------------------------------------------


def idle(size: Size) -> Figures:
    """Of the real process, every thread's times on a processor counted by the kernel."""
    with TemporaryDirectory() as home, Mock(Path(home), speed=1) as mock:
        before, cpu_ns = _turns(mock.process.pid)
        time.sleep(size.play_s)
        after, cpu_after_ns = _turns(mock.process.pid)
    return {
        "wake-ups/s": (after - before) / size.play_s,
        "CPU ms/s": (cpu_after_ns - cpu_ns) / 1e6 / size.play_s,
    }


def _turns(process: int) -> tuple[int, int]:
    """How often its threads slept of their own will, and for how long they ran."""
    turns = cpu_ns = 0
    for task in os.listdir(f"/proc/{process}/task"):
        status = Path(f"/proc/{process}/task/{task}/status").read_text()
        turns += int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
        cpu_ns += int(Path(f"/proc/{process}/task/{task}/schedstat").read_text().split()[0])
    return turns, cpu_ns
