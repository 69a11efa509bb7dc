"""`python -m tests.support.watched FD mock …`: a mock that writes each pin change and tick to a pipe.

The mock writes a line for each event at once: `NANOSECONDS WAITED PIN DUTY` for a write to a simulated
pin (`None`: the pin is an input), `NANOSECONDS WAITED tick` for a checked tick while motors move. The
clock is CLOCK_MONOTONIC, which all processes of a machine share. WAITED is the time in nanoseconds that
the threads of the process have been ready to run without getting a processor.
"""

import os
import sys
import time

from firmware_ctl.cli import main as commands
from firmware_ctl.hardware.deadman import KernelDeadman
from firmware_ctl.simulator.board import Board, Line
from tests.support.process import waited_ns


def main() -> None:
    fd = int(sys.argv[1])
    set_line, arm = Board.set_line, KernelDeadman.arm

    def report(event: str) -> None:
        os.write(fd, f"{time.monotonic_ns()} {waited_ns(os.getpid())} {event}\n".encode())

    def set_line_and_report(board: Board, pin: int, line: Line, now_ms: int) -> None:
        set_line(board, pin, line, now_ms)
        report(f"{pin} {line.duty_pct}")

    def arm_and_report(deadman: KernelDeadman) -> None:
        arm(deadman)
        report("tick")

    Board.set_line = set_line_and_report  # type: ignore[method-assign]
    KernelDeadman.arm = arm_and_report  # type: ignore[method-assign]
    commands.main(sys.argv[2:])


if __name__ == "__main__":
    main()
