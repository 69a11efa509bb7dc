"""The `wiring` command: checks every motor, or calibrates a zone, and writes the measured duties.

It knows the steps that `setup` offers too, and the mat file. It never decides which motor runs:
`questions` does.
"""

import argparse
import os
from collections.abc import Callable, Mapping
from typing import Final

from firmware_ctl.commissioning.questions import (
    MeasuredDuties,
    calibrate,
    check_motors,
    check_start_button,
    check_stop_switch,
    motor_report,
)
from firmware_ctl.commissioning.runner import BuilderError, Context, run_in_child, run_procedure
from firmware_ctl.commissioning.terminal import print_lines
from firmware_ctl.config import paths, shipped
from firmware_ctl.config.mat import Mat, zone_name
from firmware_ctl.config.mat_edit import with_duties
from firmware_ctl.config.slips import suggestion
from firmware_ctl.errors import AuthorError, DeviceError
from firmware_ctl.storage.files import atomic_write

MOCK_KEYS: Final = (
    "Simulation: the status line shows whether the motor is turning. x toggles the stop switch; "
    "b presses the start button."
)


def wiring(args: argparse.Namespace, guarded: Callable[[Callable[[], int]], int]) -> int:
    """Exit code 0: every motor was felt, or the whole zone was calibrated; else 1."""
    state_folder = os.path.abspath(args.state or paths.SERVICE_STATE)
    mat_file = os.path.abspath(args.mat or paths.mat_file())
    context = Context(mat_file, state_folder, args.mock, guarded)
    try:
        require_terminal(args.mock)
        if args.calibrate is None:
            return run_motor_check(context)
        return run_calibration(context, args.calibrate)
    except AuthorError as error:
        raise BuilderError(f"fix the mat file first:\n{error}") from None
    except DeviceError as error:
        raise BuilderError(str(error)) from None


def require_terminal(is_mock: bool) -> None:
    """Raises BuilderError if input or output is not a terminal. Explains the keys of a mock."""
    if not (os.isatty(0) and os.isatty(1)):
        raise BuilderError("this command is interactive; run it in a terminal")
    if is_mock:
        print_lines(MOCK_KEYS)


# ---- the steps


def run_motor_check(context: Context) -> int:
    """Exit code 0 if every motor was felt."""

    def step() -> int:
        mat = context.mat
        was_felt = run_procedure(context, mat, check_motors(mat))
        if was_felt is None:
            return 1
        print_lines(*motor_report(mat, was_felt))
        return 0 if all(was_felt.values()) else 1

    return run_in_child(context, step)


def run_calibration(context: Context, zone: str) -> int:
    """Calibrates a zone. Exit code 0 if all its motors were measured.

    The mat file is replaced as a whole at the end, or not at all.
    """
    mat = context.mat
    name = zone_name(zone)
    present_zones = [zone.name for zone in mat.zones if zone.present]
    if name not in present_zones:
        raise BuilderError(f"unknown zone '{zone}'; {suggestion(name, present_zones)}")
    _require_own_mat_file(context, zone)

    def step() -> int:
        measured = run_procedure(context, mat, calibrate(mat, name))
        if not measured:
            print_lines("The mat file is unchanged.")
            return 1
        write_duties(context.mat_file, mat, measured)
        return 0 if len(measured) == sum(motor.zone == name for motor in mat.motors) else 1

    return run_in_child(context, step)


def _require_own_mat_file(context: Context, zone: str) -> None:
    """Raises BuilderError if measured values could not, or must not, be written to the mat file.

    It is called before any motor runs: nobody should lie through a calibration that cannot be kept.
    """
    real_path = os.path.realpath(context.mat_file)
    reason = ""
    if real_path == os.path.realpath(shipped.mat_file()):
        reason = "this would change the shipped mat file"
    elif context.is_mock and real_path == os.path.realpath(paths.SERVICE_MAT):
        reason = f"{context.mat_file} is for real motors, and these are simulated"
    if reason:
        mock = "--mock " if context.is_mock else ""
        raise BuilderError(
            f"{reason}; make a copy of your own first: "
            f"cp -n {context.mat_file} mat.yaml && "
            f"firmware-ctl wiring {mock}--calibrate {zone} --mat mat.yaml"
        )
    folder = os.path.dirname(real_path)
    if not os.access(folder, os.W_OK):
        raise BuilderError(f"nothing can be written to {folder}; try it with sudo")


def run_stop_switch_check(context: Context) -> int:
    def step() -> int:
        mat = context.mat
        return 0 if run_procedure(context, mat, check_stop_switch(mat)) else 1

    return run_in_child(context, step)


def run_start_button_check(context: Context) -> int:
    def step() -> int:
        mat = context.mat
        return 0 if run_procedure(context, mat, check_start_button(mat)) else 1

    return run_in_child(context, step)


def write_duties(path: str, mat: Mat, measured: Mapping[str, MeasuredDuties]) -> None:
    """Writes the measured values into the mat file, and a backup beside it.

    Raises BuilderError if the file cannot be written, or if it is no longer the file that `mat` was
    read from: someone may have edited it during the measurement.
    """
    real_path = os.path.realpath(path)
    backup = f"{real_path}.before"
    data = with_duties(mat, path, measured)
    if data == mat.source:
        print_lines("The measured values are those of the mat file; it is unchanged.")
        return
    try:
        with open(real_path, "rb") as file:
            status = os.fstat(file.fileno())
            if file.read() != mat.source:
                raise BuilderError(f"{path} was changed meanwhile; nothing is written")
        owner = status.st_uid, status.st_gid
        for target, content in ((backup, mat.source), (real_path, data)):
            atomic_write(target, content, mode=status.st_mode, owner=owner)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}; the file is unchanged"
        raise BuilderError(message) from None
    print_lines(f"Saved to {path} (backup: {backup})")
