"""`off`: every motor pin low, whatever became of the daemon.

The pins come before the mocks, because no mock runs a real motor, and one that hangs must not delay
them.
"""

import argparse
import os
from contextlib import suppress
from functools import partial
from glob import glob
from typing import Final

from firmware_ctl.cli.client import run_side_by_side
from firmware_ctl.config import paths
from firmware_ctl.errors import DeviceError, FirmwareError, printable
from firmware_ctl.hardware import emergency_off

MOCKS_WITHIN_S: Final = 3.0
"""How long to wait for the mocks. One that hangs is killed after 0.2 s."""

MODEL_FILE: Final = "/proc/device-tree/model"


def all_low(args: argparse.Namespace) -> int:
    """Stops the daemon or kills it, drives every motor pin low, then stops the user's mocks.

    Exit code 0: all pins are low, or there are none because a mock runs on a machine without pins.
    1: it names each pin that it could not drive.
    """
    first = args.socket or paths.SERVICE_SOCKET
    idle, sentence, is_known = emergency_off.stop_daemon(first)
    chip, pins, mistakes, are_known = _pins(args)
    failed, outcome = emergency_off.drive_low(chip, pins, idle) if chip else ({}, [])
    mocks = [] if args.socket else _stop_mocks()

    lines = [f"the daemon (process {idle}) is stopped; all motors are off" if idle else sentence]
    lines += [line for _, line, _ in mocks]
    has_stopped = bool(idle) or any(pid for pid, _, _ in mocks)
    has_daemon = any(not line.startswith(emergency_off.ABSENT) for line in lines)
    if has_stopped:
        lines = [line for line in lines if not line.startswith(emergency_off.ABSENT)]
    lines += mistakes
    if chip:
        lines += [*outcome, *emergency_off.describe(pins, failed)]
    else:
        # Beside a daemon on a machine that is not a Pi, there are no pins that could be high.
        why = _no_chip()
        failed = dict.fromkeys(pins, why) if _is_pi() or not has_daemon else {}
        lines += emergency_off.describe([], failed)
        if not (failed or has_stopped):
            lines.append(f"{why}, so there are no pins to drive")
    for line in lines:
        print(printable(f"firmware-ctl: {line}"))
    is_certain = is_known and are_known and all(is_known for _, _, is_known in mocks)
    return 1 if failed or not pins or not is_certain else 0


def _pins(args: argparse.Namespace) -> tuple[str, list[int], list[str], bool]:
    """The chip, or an empty text; the pins; what is wrong with the files that name them; and
    whether the pins that a daemon took are known."""
    # Loading this takes long, so the daemon is stopped first.
    from firmware_ctl.timeline.folder import load_mat

    chip, pins, mistakes, are_known = "", list[int](), list[str](), True
    try:
        chip, pins = emergency_off.read_lines(args.state or paths.SERVICE_STATE)
    except (OSError, ValueError) as error:
        mistakes.append(str(error))
        are_known = False
    try:
        pins += load_mat(args.mat).power_pins
    except FirmwareError as error:
        mistakes.append(str(error))
    return chip or emergency_off.find_chip(), pins, mistakes, are_known


def _stop_mocks() -> list[tuple[int, str, bool]]:
    """Stops the user's mocks side by side. The results of `stop_daemon` for those that run."""
    sockets = paths.linked_mock_sockets()
    with suppress(DeviceError):  # another user owns the folder, so no mock of this user is there
        sockets.append(paths.mock_socket())
    found: dict[str, tuple[int, str, bool]] = {}

    def stop_one(path: str) -> None:
        pid, sentence, is_known = emergency_off.stop_daemon(path)
        if pid:
            sentence = f"the mock (process {pid}) is stopped; all motors are off"
        if not sentence.startswith(emergency_off.ABSENT):
            found[path] = pid, sentence, is_known

    late = run_side_by_side([partial(stop_one, path) for path in sockets], MOCKS_WITHIN_S)
    results = [found[path] for path in sorted(found)]
    if late:
        results.append((0, f"a mock did not answer within {MOCKS_WITHIN_S:.0f} s", False))
    return results


def _no_chip() -> str:
    """Why the pins cannot be driven without a chip, and what to do."""
    for path in sorted(glob("/dev/gpiochip*")):
        if not os.access(path, os.R_OK | os.W_OK):
            return f"{path}: Permission denied; try it with sudo"
    return "no GPIO chip of a Pi can be opened here"


def _is_pi() -> bool:
    with suppress(OSError), open(MODEL_FILE, "rb") as file:
        return file.read().startswith(b"Raspberry Pi")
    return False
