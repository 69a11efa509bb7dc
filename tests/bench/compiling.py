"""From a profile's text to its proof, and the whole session at once on the virtual clock."""

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
from firmware_ctl.simulator.offline import play
from firmware_ctl.timeline.catalogue import GoodEntry, read_entry
from firmware_ctl.timeline.folder import load_entry, read_catalogue
from tests.bench.measure import Figures, Size
from tests.bench.rig import MAT

SHIPPED = sorted(Path(shipped.profiles_dir()).glob("*.yaml"))


def _cpu_ms(work: Callable[[], object]) -> float:
    began_s = time.process_time()
    work()
    return (time.process_time() - began_s) * 1000


def ours(size: Size) -> Figures:
    """The first reading of a process, as a command makes it."""
    return {"CPU ms": _cpu_ms(lambda: read_catalogue([shipped.profiles_dir()], MAT))}


def safe_load(size: Size) -> Figures:
    return {"CPU ms": _cpu_ms(lambda: [yaml.safe_load(path.read_bytes()) for path in SHIPPED])}


# --- a session at once, as a command plays it ---------------------------------------------------


def events(size: Size) -> Figures:
    gc.set_threshold(main.GC_THRESHOLD)
    entry = load_entry("full-body", MAT, shipped.profiles_dir())
    took_ms = _cpu_ms(lambda: play(entry, MAT))
    count = sum(map(len, play(entry, MAT).changes))
    return {"CPU us an event": 1000 * took_ms / count, "events": count}


def heap(size: Size) -> Figures:
    """The same duties by a loop over a heap: a motor's next change is put in when one is out."""
    gc.set_threshold(main.GC_THRESHOLD)
    courses = play(load_entry("full-body", MAT, shipped.profiles_dir()), MAT).changes
    made: list[list[tuple[int, int]]] = [[] for _ in courses]

    def work() -> None:
        coming = [iter(course) for course in courses]
        due = [(*next(course), motor) for motor, course in enumerate(coming)]
        heapq.heapify(due)
        while due:
            at_ms, duty, motor = heapq.heappop(due)
            made[motor].append((at_ms, duty))
            change = next(coming[motor], None)
            if change is not None:
                heapq.heappush(due, (*change, motor))

    took_ms = _cpu_ms(work)
    assert made == list(courses)
    count = sum(map(len, courses))
    return {"CPU us an event": 1000 * took_ms / count, "events": count}


# --- growth -------------------------------------------------------------------------------------

_PHASE = """\
  - name: phase {n}
    for: {for_ms}ms
    play: {{all: {{pattern: wave, level: {level}%, period: {period}ms}}}}
"""


def _profile(phases: int, session_ms: int) -> bytes:
    """Phases of the same length, no two of them alike."""
    lines = [
        _PHASE.format(n=n, for_ms=session_ms // phases, level=10 + n % 40, period=1_000 + n)
        for n in range(phases)
    ]
    return ("title: Generated\nphases:\n" + "".join(lines)).encode()


_MOTOR = (
    "      - {{name: m{pin}, side: {side}, pin: {pin}, start: 56%, hold: 32%, cap: 72%, "
    "kick: 120ms, run_ma: 20, start_ma: 30}}\n"
)
_PINS = [pin for pin in range(9, 28) if pin not in (14, 15)]


def _mat(motors: int) -> Mat:
    """With a gate, so that half an hour is allowed; at most one motor a legal pin."""
    lines = [
        _MOTOR.format(pin=pin, side=("left", "right")[n % 2])
        for n, pin in enumerate(_PINS[:motors])
    ]
    return read_mat(
        (
            "schema: 1\nname: Generated\npwm_hz: 200\nsupply: {max_ma: 2000}\n"
            "limits: {session: 30min, daily: 60min, duty: 80%, rise: 25%/s}\n"
            "gate: {heartbeat: 7, rail: 8}\n"
            "zones:\n  back:\n    cap: 100%\n    motors:\n" + "".join(lines)
        ).encode(),
        "mat.yaml",
    )


def growth(size: Size) -> Figures:
    """How a reading grows with one thing when the others stay; 1 is not at all, or in proportion.

    Everything else at the most that a file and a mat may have.
    """
    most = next(n for n in range(size.phases, 0, -1) if len(_profile(n, 1_800_000)) <= 64 * 1024)
    pins = len(_PINS)
    whole_ms, whole_kib = _cost(most, 1_800_000, pins)
    short_ms, short_kib = _cost(most, 180_000, pins)
    few_ms, few_kib = _cost(most // 4, 1_800_000, pins)
    small_ms, small_kib = _cost(most, 1_800_000, 4)
    share = most / (most // 4)
    return {
        "phases": most,
        "CPU ms": whole_ms,
        "KiB": whole_kib,
        "length": whole_ms / short_ms,
        "length KiB": whole_kib / short_kib,
        "phases x": whole_ms / few_ms / share,
        "phases KiB x": whole_kib / few_kib / share,
        "motors x": whole_ms / small_ms / (pins / 4),
        "motors KiB x": whole_kib / small_kib / (pins / 4),
    }


def _cost(phases: int, session_ms: int, motors: int) -> tuple[float, float]:
    """CPU milliseconds of a reading, and KiB of what stays of it."""
    data, mat = _profile(phases, session_ms), _mat(motors)

    def read() -> object:
        entry = read_entry("generated", data, "generated.yaml", mat)
        assert isinstance(entry, GoodEntry), entry.error
        return entry

    took_ms = median(_cpu_ms(read) for _ in range(3))
    gc.collect()
    tracemalloc.start()
    kept = read()
    gc.collect()
    kib = tracemalloc.get_traced_memory()[0] / 1024
    tracemalloc.stop()
    del kept
    return took_ms, kib
