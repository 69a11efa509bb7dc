"""`python -m tests.support.watched FD mock …`: a mock that tells a pipe what its pins get, and every tick.

A line each, as it happens: `NANOSECONDS WAITED PIN DUTY` for a write to a simulated pin (`None`: it
is an input), `NANOSECONDS WAITED tick` for a checked tick while motors move. The clock is
CLOCK_MONOTONIC, which all processes of a machine share. WAITED is how many nanoseconds, since it
began, its threads could run and the kernel gave them no processor.
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

    def tell(what: str) -> None:
        os.write(fd, f"{time.monotonic_ns()} {waited_ns(os.getpid())} {what}\n".encode())

    def set_line_and_tell(board: Board, pin: int, line: Line, now_ms: int) -> None:
        set_line(board, pin, line, now_ms)
        tell(f"{pin} {line.duty_pct}")

    def arm_and_tell(deadman: KernelDeadman) -> None:
        arm(deadman)
        tell("tick")

    Board.set_line = set_line_and_tell  # type: ignore[method-assign]
    KernelDeadman.arm = arm_and_tell  # type: ignore[method-assign]
    commands.main(sys.argv[2:])


if __name__ == "__main__":
    main()
