"""Long runs, started by hand: a year on virtual time, and minutes under full load in real time.

`python -m tests.bench.soak year [--days N] [--seed N]` plays daily sessions with random presses,
commands, faults and power cuts, and compares the ledger with a count of its own.
`python -m tests.bench.soak load [--minutes N] [--burners N]` plays a session in the real process while
clients flood it and all processors are busy.
The exit code is 1, after one sentence, if something leaks, drifts or is counted wrong.
"""

import argparse
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from firmware_ctl.errors import DeviceError
from tests.bench.latency import flood
from tests.bench.measure import SIZES
from tests.bench.rig import busy_processors
from tests.bench.soak_year import SoakError, play_year
from tests.support.process import Client, Mock

PROFILE = """\
title: Full load
phases:
  - name: all
    for: 15min
    play:
      lower_back: {pattern: breathe, level: 60%, in: 1500ms, out: 1500ms}
      neck: {pattern: wave, level: 60%, period: 3s}
      hips: {pattern: wave, level: 70%, period: 2s}
"""

SAMPLES_MIN = 30
"""Each half of a run needs so many samples for a comparison."""


def play_under_load(minutes: float, burners: int) -> None:
    """Two clients flood the control socket and processors are busy while a session plays.

    Raises SoakError if the session ends or falls behind the clock, or if memory grows.
    """
    is_over = threading.Event()
    with TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "profiles").mkdir()
        (home / "profiles" / "load.yaml").write_text(PROFILE)
        with Mock(home, speed=1) as mock, Client(mock.port) as client, busy_processors(burners):
            client.start("load")
            begin_s = time.monotonic()
            floods = [
                threading.Thread(target=flood, args=(mock.socket, is_over), daemon=True)
                for _ in range(2)
            ]
            for thread in floods:
                thread.start()
            memory_kib, behind_ms, answer_ms = [], [], []
            while (for_s := time.monotonic() - begin_s) < minutes * 60:
                asked_s = time.monotonic()
                status = client.status()
                answer_ms.append((time.monotonic() - asked_s) * 1000)
                if status["state"] != "running":
                    raise SoakError(f"the session ended after {for_s:.0f} s: {status}")
                # `t` was read before the answer arrived, so this is the upper limit of the delay.
                behind_ms.append((time.monotonic() - begin_s - float(status["t"])) * 1000)
                memory_kib.append(mock.memory_kb())
                time.sleep(1)
            is_over.set()
            asked_s = time.monotonic()
            client.port.write(b"!")
            client.told_until("* stopped")
            stop_ms = (time.monotonic() - asked_s) * 1000
            for thread in floods:
                thread.join()
            errors = mock.end()[1]
    print(f"{len(memory_kib)} samples; the slowest answer took {max(answer_ms):.0f} ms")
    print(f"behind the clock: {behind_ms[0]:.0f} ms in the first sample, {behind_ms[-1]:.0f} ms in the last")  # fmt: skip
    print(f"memory: {memory_kib[0]} KiB in the first sample, {memory_kib[-1]} KiB in the last")
    print(f"stopped after {stop_ms:.1f} ms")
    if errors:
        raise SoakError(f"the daemon wrote to stderr: {errors}")
    half = len(memory_kib) // 2
    if half < SAMPLES_MIN:
        return
    if min(behind_ms[half:]) > min(behind_ms[:half]) + 50:
        raise SoakError("the session falls behind the clock")
    if memory_kib[-1] > max(memory_kib[:half]) * 1.05:
        raise SoakError("memory grows")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", choices=("year", "load"))
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--burners", type=int, default=SIZES["full"].burners, help="busy loops beside the daemon")  # fmt: skip
    args = parser.parse_args()
    try:
        if args.run == "year":
            play_year(args.days, args.seed)
        else:
            play_under_load(args.minutes, args.burners)
    except (SoakError, DeviceError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
