"""Set-points and curves on mock pins: how late each write is, and how much processor time it takes."""

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
from tests.bench.rig import (
    MAT,
    RecordingPin,
    busy_processors,
    entry,
    play,
    ramps_and_waves,
    recording_pin_factory,
    rig,
)
from tests.support.process import Mock

STEP_MS = 10
LEVELS = range(5, 95, 3)
"""One set-point after another. Each has a duty of its own, so that a write identifies its set-point."""

MARGIN_S = 0.3
"""How long a daemon may take in addition, to start and to end a session."""

MOTOR = MAT.motors[-1]
DUTIES = [duty_table(MOTOR, MAT)[level] for level in LEVELS]
CYCLE_MS = STEP_MS * len(DUTIES)


# --- set-points ---------------------------------------------------------------------------------


def _set_points(for_s: float) -> GoodEntry:
    """A profile that steps through `LEVELS`. Soft start and kicks would hide the steps: it has none."""
    line = play(f"{MOTOR.zone}.{MOTOR.side}", "steady", 100)
    steady = entry(Phase("set-points", round(for_s * 1000), 1, (line,)))
    pieces = tuple(Piece(STEP_MS, level / 100, level / 100) for level in LEVELS)
    course = steady.timeline.segments[0].courses[0]._replace(pieces=pieces, cap_pct=100)
    segment = steady.timeline.segments[0]._replace(courses=(course,))
    table = steady.timeline.drive_table._replace(kicks=False)
    timeline = steady.timeline._replace(segments=(segment,), rise_pct_s=10**6, drive_table=table)
    return steady._replace(timeline=timeline)


def _daemon_lateness(size: Size) -> Figures:
    with rig(_set_points(size.play_s)) as parts:
        cpu_s = play_selected(parts.daemon, size.play_s)
        begin_at_ms = parts.session.status.clock.began_at_ms
        begin_ns = parts.poller.origin_ns + begin_at_ms * 10**6
    writes = [
        (at_ns, round(value * 100)) for at_ns, pin, value in RecordingPin.writes if pin == MOTOR.pin
    ]
    late_ms: dict[int, float] = {}
    """By the number of the set-point."""
    # The soft start keeps the first tick at 0, however fast it rises.
    count = (round(size.play_s * 1000) - GRID_MS) // STEP_MS
    for written_ns, duty_pct in writes:
        if duty_pct in DUTIES and written_ns >= begin_ns:
            # After a stall the daemon leaves set-points out and writes the newest one, so the write
            # belongs to the last time before it at which this duty was due.
            offset_ms = STEP_MS * DUTIES.index(duty_pct)
            cycles = ((written_ns - begin_ns) / 1e6 - offset_ms) // CYCLE_MS
            due_ms = cycles * CYCLE_MS + offset_ms
            late_ms.setdefault(round(due_ms / STEP_MS), (written_ns - begin_ns) / 1e6 - due_ms)
    return {**_lateness(late_ms.values()), "left out": count - len(late_ms), "CPU s": cpu_s}


def play_selected(daemon: Daemon, for_s: float) -> float:
    """Plays the selected profile from start to end. Returns the processor time of that in seconds."""
    begin_s = 0.0

    def start() -> None:
        nonlocal begin_s
        begin_s = time.process_time()
        daemon.clients._requests.act(Start())

    # Not in the millisecond in which the daemon becomes ready: a client's bytes may arrive in it, and
    # what arrives with them starts nothing.
    daemon.loop.when_ready.append(lambda: daemon.loop.later(1, start))
    end_after_ms = round((for_s + MARGIN_S) * 1000)
    daemon.loop.later(end_after_ms, lambda: daemon.player.step(Close()))
    daemon.loop.run()
    return time.process_time() - begin_s


Writer = Callable[[int, Any, Sequence[float]], int | None]
"""Writes `count` set-points to a device: the given values, again and again.

Returns the time of its beginning in nanoseconds, or None if it begins with its first write.
"""


def _writer_lateness(write: Writer, size: Size) -> Figures:
    """For writers that leave out no set-point: the n-th write is the n-th set-point."""
    count = round(size.play_s * 1000) // STEP_MS
    device = PWMLED(MOTOR.pin, pin_factory=recording_pin_factory())
    values = [VALUES[duty_pct] for duty_pct in DUTIES]
    RecordingPin.writes.clear()
    begin_s = time.process_time()
    begin_ns = write(count, device, values) or RecordingPin.writes[0][0]
    cpu_s = time.process_time() - begin_s
    late_ms = [
        (at_ns - begin_ns) / 1e6 - n * STEP_MS
        for n, (at_ns, _, _) in enumerate(RecordingPin.writes[:count])
    ]
    device.close()
    return {**_lateness(late_ms), "left out": 0, "CPU s": cpu_s}


def _lateness(late_ms: Iterable[float]) -> Figures:
    """Drift is the median lateness of the last twenty writes."""
    late = list(late_ms)
    return {
        "drift ms": median(late[-20:]),
        "p50 ms": median(late),
        "p99 ms": quantiles(late, n=100)[98],
    }


def _write_at_deadlines(count: int, device: Any, values: Sequence[float]) -> int:
    begin_ns = time.monotonic_ns()
    for n, value in enumerate(islice(cycle(values), count)):
        left_ns = begin_ns + n * STEP_MS * 10**6 - time.monotonic_ns()
        if left_ns > 0:
            time.sleep(left_ns / 1e9)
        device.value = value
    return begin_ns


def _write_and_sleep(count: int, device: Any, values: Sequence[float]) -> None:
    for value in islice(cycle(values), count):
        device.value = value
        time.sleep(STEP_MS / 1000)


def _write_by_source(count: int, device: Any, values: Sequence[float]) -> None:
    is_over = Event()

    def course() -> Iterator[float]:
        yield from islice(cycle(values), count)
        is_over.set()

    device.source_delay = STEP_MS / 1000
    device.source = course()
    is_over.wait()
    device.source = None


def _write_by_blink(count: int, device: Any, values: Sequence[float]) -> None:
    device.blink(STEP_MS / 1000, STEP_MS / 1000, n=count // 2, background=False)


def set_points_ours(size: Size) -> Figures:
    return _daemon_lateness(size)


def set_points_absolute(size: Size) -> Figures:
    return _writer_lateness(_write_at_deadlines, size)


def set_points_sleep(size: Size) -> Figures:
    return _writer_lateness(_write_and_sleep, size)


def set_points_source(size: Size) -> Figures:
    return _writer_lateness(_write_by_source, size)


def set_points_blink(size: Size) -> Figures:
    return _writer_lateness(_write_by_blink, size)


def set_points_ours_busy(size: Size) -> Figures:
    with busy_processors(size.burners):
        return _daemon_lateness(size)


def set_points_absolute_busy(size: Size) -> Figures:
    with busy_processors(size.burners):
        return _writer_lateness(_write_at_deadlines, size)


# --- eight motors -------------------------------------------------------------------------------


def eight_ours(size: Size) -> Figures:
    with rig(ramps_and_waves(size.play_s)) as parts:
        cpu_s = play_selected(parts.daemon, size.play_s)
    motor_pins = {motor.pin for motor in MAT.motors}
    writes = sum(pin in motor_pins for _, pin, _ in RecordingPin.writes)
    return {"CPU ms/s": 1000 * cpu_s / size.play_s, "writes": writes}


def _changes_by_motor(for_s: float) -> Sequence[Changes]:
    return play_at_once(ramps_and_waves(for_s), MAT).changes


def eight_bare_loop(size: Size) -> Figures:
    """The daemon's writes at the same times, from a list that was made beforehand."""
    devices = _devices()
    writes = sorted(
        (at_ms, device, duty_pct)
        for device, changes in enumerate(_changes_by_motor(size.play_s))
        for at_ms, duty_pct in changes
    )
    RecordingPin.writes.clear()
    begin_s, begin_cpu_s = time.monotonic(), time.process_time()
    for at_ms, device, duty_pct in writes:
        left_s = begin_s + at_ms / 1000 - time.monotonic()
        if left_s > 0:
            time.sleep(left_s)
        devices[device].value = VALUES[duty_pct]
    return _figures(size, time.process_time() - begin_cpu_s)


def eight_source(size: Size) -> Figures:
    """One generator per device, read once per tick, as gpiozero's documentation shows it."""
    count = round(size.play_s * 1000) // GRID_MS
    courses = [_value_per_tick(changes, count) for changes in _changes_by_motor(size.play_s)]
    devices = _devices()
    RecordingPin.writes.clear()
    begin_cpu_s = time.process_time()
    events = [Event() for _ in devices]
    for device, course, is_over in zip(devices, courses, events, strict=True):

        def values(course: list[float] = course, is_over: Event = is_over) -> Iterator[float]:
            yield from course
            is_over.set()

        device.source_delay = GRID_MS / 1000
        device.source = values()
    for is_over in events:
        is_over.wait()
    return _figures(size, time.process_time() - begin_cpu_s)


def eight_pulse(size: Size) -> Figures:
    """gpiozero's own fading up and down, with 25 steps a second."""
    devices = _devices()
    RecordingPin.writes.clear()
    begin_cpu_s = time.process_time()
    for device in devices:
        device.pulse(fade_in_time=1.5, fade_out_time=1.5)
    time.sleep(size.play_s)
    return _figures(size, time.process_time() - begin_cpu_s)


def _value_per_tick(changes: Changes, count: int) -> list[float]:
    values, upcoming, duty_pct = [], iter(changes), 0
    change = next(upcoming, None)
    for n in range(count):
        while change is not None and change[0] <= n * GRID_MS:
            duty_pct = change[1]
            change = next(upcoming, None)
        values.append(VALUES[duty_pct])
    return values


def _devices() -> list[Any]:
    factory = recording_pin_factory()
    return [PWMLED(motor.pin, pin_factory=factory) for motor in MAT.motors]


def _figures(size: Size, cpu_s: float) -> Figures:
    return {"CPU ms/s": 1000 * cpu_s / size.play_s, "writes": len(RecordingPin.writes)}


# --- idle ---------------------------------------------------------------------------------------


def idle(size: Size) -> Figures:
    """Of the real process, with all its threads, by the kernel's counters."""
    with TemporaryDirectory() as home, Mock(Path(home), speed=1) as mock:
        wake_ups, cpu_ns = wake_ups_and_cpu_ns(mock.process.pid)
        time.sleep(size.play_s)
        later_wake_ups, later_cpu_ns = wake_ups_and_cpu_ns(mock.process.pid)
    return {
        "wake-ups/s": (later_wake_ups - wake_ups) / size.play_s,
        "CPU ms/s": (later_cpu_ns - cpu_ns) / 1e6 / size.play_s,
    }


def wake_ups_and_cpu_ns(pid: int) -> tuple[int, int]:
    """How often threads of the process went to sleep by themselves, and how long they ran.

    Each such sleep ends with a wake-up, so their numbers are the same.
    """
    sleeps = cpu_ns = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        status = Path(f"/proc/{pid}/task/{thread}/status").read_text()
        sleeps += int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
        cpu_ns += int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0])
    return sleeps, cpu_ns
