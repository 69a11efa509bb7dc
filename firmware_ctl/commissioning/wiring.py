"""The `wiring` command: checks every motor, or calibrates a zone, and writes the measured duties.

It knows the steps that `setup` offers too, and the mat file. It never decides which motor runs:
`questions` and `calibration` do.
"""

import argparse
import os
from collections.abc import Callable, Mapping, Set
from datetime import datetime
from typing import Final

from firmware_ctl.commissioning.calibration import MeasuredDuties, calibrate
from firmware_ctl.commissioning.kept_values import KeptValues
from firmware_ctl.commissioning.procedure import Questions
from firmware_ctl.commissioning.progress import SAFETY, STOPS, require_no_failed_check
from firmware_ctl.commissioning.questions import (
    check_motors,
    check_start_button,
    check_stop_switch,
    motor_report,
)
from firmware_ctl.commissioning.runner import (
    BuilderError,
    Context,
    Outcome,
    run_in_child,
    run_procedure,
)
from firmware_ctl.commissioning.terminal import ask_key, print_lines
from firmware_ctl.config import paths, shipped
from firmware_ctl.config.mat import Mat, zone_name
from firmware_ctl.config.mat_edit import with_duties
from firmware_ctl.config.slips import suggestion
from firmware_ctl.errors import AuthorError, DeviceError, FirmwareError
from firmware_ctl.storage.files import atomic_write
from firmware_ctl.timeline.folder import write_new

MOCK_KEYS: Final = (
    "Simulation: no real motor runs. The status line shows whether the simulated motor turns. "
    "x: press or release the stop switch   p: press the start button"
)


def wiring(args: argparse.Namespace, guarded: Callable[[Callable[[], int]], int]) -> int:
    """Exit code 0: every motor was felt, or the whole zone was calibrated; else 1."""
    state_folder = paths.mock_state() if args.mock else paths.SERVICE_STATE
    state_folder = os.path.abspath(args.state or state_folder)
    own_mat_file = os.path.join(state_folder, "mat.yaml")
    try:
        require_terminal(args.mock)
        mat_file = args.mat or paths.mat_file()
        if args.mock and not args.mat:
            # `setup --mock` uses the same file. Simulated motors are never written into a real one.
            if os.path.exists(own_mat_file):
                mat_file = own_mat_file
                print_lines(f"The mat file is {own_mat_file}.")
            elif args.calibrate is not None:
                mat_file = own_mat_file
                create_mat_file(own_mat_file)
        context = Context(os.path.abspath(mat_file), state_folder, args.mock, guarded)
        # The same checks that `setup` asks for: in both procedures someone may lie on the mat.
        if args.calibrate is None:
            require_no_failed_check(state_folder, STOPS)
            outcome = run_motor_check(context)
        else:
            require_no_failed_check(state_folder, SAFETY)
            outcome = run_calibration(context, args.calibrate)
    except AuthorError as error:
        print_lines("Fix the mat file first:", *map(str, error.mistakes))
        return 1
    except DeviceError as error:
        raise BuilderError(str(error)) from None
    return 0 if outcome is Outcome.DONE else 1


def require_terminal(is_mock: bool) -> None:
    """Raises BuilderError if input or output is not a terminal. Explains the keys of a mock."""
    if not (os.isatty(0) and os.isatty(1)):
        raise BuilderError("this command is interactive; run it in a terminal")
    if is_mock:
        print_lines(MOCK_KEYS)


def create_mat_file(path: str) -> None:
    """Creates a mat file: a copy of the service's if there is one, else of the shipped one."""
    source = paths.mat_file()
    try:
        with open(source, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        raise DeviceError(f"{source} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DeviceError(f"{source} is not text in UTF-8; save it as UTF-8, then go on") from None
    # The shipped file names its schema by a relative path, which a copy elsewhere cannot use.
    text = text.replace("$schema=.", f"$schema={os.path.dirname(source)}")
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    except OSError as error:
        raise DeviceError(f"{path} cannot be written: {error.strerror}") from None
    write_new(path, text)
    print_lines(f"{path} is new, a copy of {source}.")


# ---- the steps


def run_motor_check(context: Context) -> Outcome:
    """Failed: a motor was not felt, even if the person quit before the last one."""

    def step() -> Outcome:
        mat = context.mat
        was_felt: dict[str, bool] = {}
        are_all_felt = run_procedure(context, mat, check_motors(mat, was_felt))
        if are_all_felt:
            return Outcome.DONE
        if are_all_felt is None and was_felt:  # The questions ended before their own report.
            print_lines(*motor_report(mat, was_felt))
        return Outcome.NOT_DONE if all(was_felt.values()) else Outcome.FAILED

    return run_in_child(context, step)


def run_stop_switch_check(context: Context) -> Outcome:
    return _run_check(context, check_stop_switch)


def run_start_button_check(context: Context) -> Outcome:
    return _run_check(context, check_start_button)


def _run_check(context: Context, check: Callable[[Mat], Questions[bool | None]]) -> Outcome:
    """Runs questions whose result is True, False, or None if there is no answer."""

    def step() -> Outcome:
        mat = context.mat
        result = run_procedure(context, mat, check(mat))
        if result is None:
            return Outcome.NOT_DONE
        return Outcome.DONE if result else Outcome.FAILED

    return run_in_child(context, step)


def run_calibration(context: Context, zone: str) -> Outcome:
    """Calibrates a zone. Done: all its motors were measured.

    The mat file is replaced as a whole at the end, or not at all. Only an answer discards measured
    values: those that are not saved are kept for the next calibration.
    """
    mat = context.mat
    name = zone_name(zone)
    present_zones = [zone.name for zone in mat.zones if zone.present]
    if name not in present_zones:
        raise BuilderError(f"unknown zone '{zone}'; {suggestion(name, present_zones)}")
    _require_own_mat_file(context)

    def step() -> Outcome:
        kept = KeptValues(context.mat_file, context.is_mock)
        measured: dict[str, MeasuredDuties] = {}
        questions = calibrate(mat, name, measured, kept.motors)

        def keep() -> None:
            kept.keep(mat, measured, f"{datetime.now():%Y-%m-%d %H:%M}")

        is_to_write = run_procedure(context, mat, questions, keep)
        saved_names: Set[str] = frozenset()
        if is_to_write and measured:
            saved_names = save_measured(context, mat, measured)
        kept.drop(measured if is_to_write is False else saved_names)
        if not saved_names:
            print_lines("The mat file is unchanged.")
        if kept_names := [motor for motor in measured if motor in kept.motors]:
            print_lines(f"Kept for the next calibration: {', '.join(kept_names)}, in {kept.path}.")
        is_whole = len(saved_names) == sum(motor.zone == name for motor in mat.motors)
        return Outcome.DONE if is_whole else Outcome.NOT_DONE

    return run_in_child(context, step)


def _require_own_mat_file(context: Context) -> None:
    """Raises BuilderError if measured values could not, or must not, be written to the mat file.

    It is called before any motor runs: nobody should lie through a calibration that cannot be kept.
    """
    real_path = os.path.realpath(context.mat_file)
    reason = ""
    if real_path == os.path.realpath(shipped.mat_file()):
        reason = "this would change the shipped mat file"
    elif context.is_mock and real_path == os.path.realpath(paths.SERVICE_MAT):
        reason = f"{context.mat_file} is for real motors, and these are simulated"
    if reason and context.is_mock:
        raise BuilderError(f"{reason}; without --mat a copy of it is used")
    if reason:
        raise BuilderError(
            f"{reason}; the first step of `sudo firmware-ctl setup` makes a copy of your own, "
            f"{paths.SERVICE_MAT}"
        )
    folder = os.path.dirname(real_path)
    if not os.access(folder, os.W_OK):
        raise BuilderError(f"nothing can be written to {folder}; try it with sudo")


def save_measured(
    context: Context, measured_mat: Mat, measured: Mapping[str, MeasuredDuties]
) -> Set[str]:
    """Writes the values, and tries again as long as the person wants: a full disk or a mistake in
    the mat file must not cost a calibration. Returns the names of the motors that are saved."""
    while True:
        try:
            mat = context.mat  # Someone may have edited the file during the measurement.
            pins = {motor.name: motor.pin for motor in mat.motors}
            pins_then = {motor.name: motor.pin for motor in measured_mat.motors}
            same = {
                name: duties
                for name, duties in measured.items()
                if pins.get(name) == pins_then[name]
            }
            changed = ", ".join(name for name in measured if name not in same)
            sentence = f"the mat file has another pin for {changed} now, or none"
            if not same:
                raise BuilderError(sentence)
            write_duties(context.mat_file, mat, same)
            if changed:
                print_lines(f"Not saved: {sentence}. Calibrate the zone again to measure it.")
            return same.keys()
        except FirmwareError as error:
            print_lines("Not saved:", *str(error).splitlines())
        keys = "Enter: save again, once the cause is fixed   q: keep the values for later"
        if ask_key(keys, "\n") == "q":
            return frozenset()


def write_duties(path: str, mat: Mat, measured: Mapping[str, MeasuredDuties]) -> None:
    """Writes the measured values into the mat file, and a backup beside it.

    Raises BuilderError if the file cannot be written, or if it is no longer the file that `mat` was
    read from.
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
