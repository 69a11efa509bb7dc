"""How long motors run on after a fault, on the emulated Pi: `python -m tests.emulation.kill_matrix`.

It sets off each fault of docs/hazards.md that needs a real kernel, while every motor has the highest
duty that the code allows, and writes the times to docs/reports/kill-matrix.md. With `--load 3` three
busy programs run beside the emulated Pi, and the second table of the report is written.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Final

from tests.emulation import build
from tests.emulation.kill_report import Results, document, missed_promises, new_section
from tests.emulation.kill_rounds import FAULTS, Rounds, measure
from tests.emulation.pi import build_image, restore
from tests.support.stop_latency import HOG

REPORT: Final = build.REPOSITORY / "docs/reports/kill-matrix.md"


@contextmanager
def busy_programs(count: int) -> Iterator[None]:
    """Runs so many endless loops beside the emulated Pi."""
    programs = [subprocess.Popen([sys.executable, "-I", "-S", "-c", HOG]) for _ in range(count)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def python_start_s(image: build.Image) -> float:
    """How long a bare Python takes in the guest: a measure of the emulator's speed on this machine."""
    with restore(image) as pi:
        times_s = []
        for _ in range(5):
            begin_s = time.monotonic()
            pi.run("python3 -I -S -c pass")
            times_s.append(time.monotonic() - begin_s)
    return median(times_s)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.emulation.kill_matrix")
    parser.add_argument("--rounds", type=int, default=5, help="how often each fault is set off")
    parser.add_argument("--only", nargs="+", choices=FAULTS, default=list(FAULTS),
                        help="only these faults")  # fmt: skip
    parser.add_argument("--load", type=int, default=0, metavar="N",
                        help="run N busy programs beside the emulated Pi and write the second table")  # fmt: skip
    parser.add_argument("--out", type=Path, default=REPORT, help="the report to update")
    args = parser.parse_args(arguments)
    missing = build.missing_tools()
    if missing:
        print(
            f"the emulated Pi needs {', '.join(missing)}; the README names the packages",
            file=sys.stderr,
        )
        return 2
    image = build_image()
    restore(image).close()  # makes the snapshot, which takes minutes, before the load begins
    results: Results = {}
    load: list[float] = []
    with busy_programs(args.load):
        with restore(image) as pi:
            kernel = pi.run("uname -r").strip()
        python_s = python_start_s(image)
        for name in args.only:
            for persist in (True, False):
                rounds = results[name, persist] = Rounds([], [], [], [])
                for n in range(args.rounds):
                    load.append(os.getloadavg()[0])
                    measure(image, name, persist, watch_restart=persist and n == 0, rounds=rounds)
                for line in missed_promises(FAULTS[name], persist, rounds):
                    print(line, flush=True)
            # Written after each fault, so that an interrupted run keeps its results.
            new = new_section(results, args.rounds, args.load, load, python_s)
            args.out.write_text(document(args.out, kernel, new))
    return 0


if __name__ == "__main__":
    sys.exit(main())
