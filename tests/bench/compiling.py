"""Reading and compiling profiles, and playing a whole session on virtual time."""

import gc
import heapq
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from statistics import median

import yaml

from firmware_ctl.cli import main
from firmware_ctl.config import shipped
from firmware_ctl.config.mat import Mat, read_mat
from firmware_ctl.config.yaml_tree import BYTES_MAX
from firmware_ctl.simulator.offline import play
from firmware_ctl.timeline.catalogue import GoodEntry, read_entry
from firmware_ctl.timeline.folder import load_entry, read_catalogue
from tests.bench.measure import Figures, Size
from tests.bench.rig import MAT

SHIPPED_PROFILES = sorted(Path(shipped.profiles_dir()).glob("*.yaml"))


def _cpu_ms(work: Callable[[], object]) -> float:
    begin_s = time.process_time()
    work()
    return (time.process_time() - begin_s) * 1000


def read_all(size: Size) -> Figures:
    """The first read in a process, when no cache is filled: what every command pays for."""
    return {"CPU ms": _cpu_ms(lambda: read_catalogue([shipped.profiles_dir()], MAT))}


def safe_load(size: Size) -> Figures:
    """The YAML alone, with the library's default loader."""
    return {
        "CPU ms": _cpu_ms(lambda: [yaml.safe_load(path.read_bytes()) for path in SHIPPED_PROFILES])
    }


# --- a session on virtual time ------------------------------------------------------------------


def session_at_once(size: Size) -> Figures:
    gc.set_threshold(main.GC_THRESHOLD)  # the commands set it too
    entry = load_entry("full-body", MAT, shipped.profiles_dir())
    cpu_ms = _cpu_ms(lambda: play(entry, MAT))
    count = sum(map(len, play(entry, MAT).changes))
    return {"CPU us an event": 1000 * cpu_ms / count, "events": count}


def heap_loop(size: Size) -> Figures:
    """The same duties from an event loop over a heap, which holds the next change of each motor.

    The changes are known beforehand, so that only the loop is measured.
    """
    gc.set_threshold(main.GC_THRESHOLD)
    changes_by_motor = play(load_entry("full-body", MAT, shipped.profiles_dir()), MAT).changes
    played: list[list[tuple[int, int]]] = [[] for _ in changes_by_motor]

    def work() -> None:
        upcoming = [iter(changes) for changes in changes_by_motor]
        heap = [(*next(changes), motor) for motor, changes in enumerate(upcoming)]
        heapq.heapify(heap)
        while heap:
            at_ms, duty_pct, motor = heapq.heappop(heap)
            played[motor].append((at_ms, duty_pct))
            change = next(upcoming[motor], None)
            if change is not None:
                heapq.heappush(heap, (*change, motor))

    cpu_ms = _cpu_ms(work)
    assert played == list(changes_by_motor)
    count = sum(map(len, changes_by_motor))
    return {"CPU us an event": 1000 * cpu_ms / count, "events": count}


# --- growth -------------------------------------------------------------------------------------

_PHASE = """\
  - name: phase {n}
    for: {for_ms}ms
    play: {{all: {{pattern: wave, level: {level}%, period: {period}ms}}}}
"""


def _profile(phases: int, session_ms: int) -> bytes:
    """Phases of equal length, each with its own period, so that none is found in a cache."""
    texts = [
        _PHASE.format(n=n, for_ms=session_ms // phases, level=10 + n % 40, period=1_000 + n)
        for n in range(phases)
    ]
    return ("title: Generated\nphases:\n" + "".join(texts)).encode()


_MOTOR = (
    "      - {{name: m{pin}, side: {side}, pin: {pin}, start: 56%, hold: 32%, cap: 72%, "
    "kick: 120ms, run_ma: 20, start_ma: 30}}\n"
)
_MOTOR_PINS = [pin for pin in range(9, 28) if pin not in (14, 15)]
"""14 and 15 belong to the UART, and the gate of `_mat` uses 7 and 8."""


def _mat(motors: int) -> Mat:
    """A mat with so many motors. It has a gate, because only then a session of 30 minutes is allowed."""
    texts = [
        _MOTOR.format(pin=pin, side=("left", "right")[n % 2])
        for n, pin in enumerate(_MOTOR_PINS[:motors])
    ]
    return read_mat(
        (
            "schema: 1\nname: Generated\npwm_hz: 200\nsupply: {max_ma: 2000}\n"
            "limits: {session: 30min, daily: 60min, duty: 80%, rise: 25%/s}\n"
            "gate: {heartbeat: 7, rail: 8}\n"
            "zones:\n  back:\n    cap: 100%\n    motors:\n" + "".join(texts)
        ).encode(),
        "mat.yaml",
    )


def growth(size: Size) -> Figures:
    """How the cost of reading a profile grows with its length, its phases and the mat's motors.

    One quantity is reduced at a time; the other two stay at the most that is allowed. The length
    should not matter, so its figure is the plain ratio of the costs. For phases and motors the ratio
    of the costs is divided by the ratio of the counts, so 1 is growth in proportion.
    """
    phases = next(n for n in range(size.phases, 0, -1) if len(_profile(n, 1_800_000)) <= BYTES_MAX)
    motors = len(_MOTOR_PINS)
    full_ms, full_kib = _read_cost(phases, 1_800_000, motors)
    short_ms, short_kib = _read_cost(phases, 180_000, motors)
    few_phases_ms, few_phases_kib = _read_cost(phases // 4, 1_800_000, motors)
    few_motors_ms, few_motors_kib = _read_cost(phases, 1_800_000, 4)
    phase_ratio = phases / (phases // 4)
    motor_ratio = motors / 4
    return {
        "phases": phases,
        "CPU ms": full_ms,
        "KiB": full_kib,
        "length": full_ms / short_ms,
        "length KiB": full_kib / short_kib,
        "phases x": full_ms / few_phases_ms / phase_ratio,
        "phases KiB x": full_kib / few_phases_kib / phase_ratio,
        "motors x": full_ms / few_motors_ms / motor_ratio,
        "motors KiB x": full_kib / few_motors_kib / motor_ratio,
    }


def _read_cost(phases: int, session_ms: int, motors: int) -> tuple[float, float]:
    """Processor time of reading a profile in ms, and memory of the resulting entry in KiB."""
    data, mat = _profile(phases, session_ms), _mat(motors)

    def read() -> object:
        entry = read_entry("generated", data, "generated.yaml", mat)
        assert isinstance(entry, GoodEntry), entry.error
        return entry

    cpu_ms = median(_cpu_ms(read) for _ in range(3))
    gc.collect()
    tracemalloc.start()
    entry = read()
    gc.collect()
    kib = tracemalloc.get_traced_memory()[0] / 1024
    tracemalloc.stop()
    del entry
    return cpu_ms, kib
