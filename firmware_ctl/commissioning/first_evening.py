"""The `setup` command: guides a builder through the first evening, step by step.

It knows the order of the steps, and keeps in a file of the state folder which of them are done, so
that a person can quit and continue later. It never knows how a step works: other commands do.
"""

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, NamedTuple

from firmware_ctl.commissioning.first_session import FIRST_PROFILE, Commands, play_first_session
from firmware_ctl.commissioning.runner import BuilderError, Context, Outcome
from firmware_ctl.commissioning.terminal import DOWN, UP, ask_key, print_lines, wait_for_enter
from firmware_ctl.commissioning.wiring import (
    create_mat_file,
    require_terminal,
    run_calibration,
    run_motor_check,
    run_start_button_check,
    run_stop_switch_check,
)
from firmware_ctl.config import paths, shipped
from firmware_ctl.doctor import command as doctor
from firmware_ctl.errors import AuthorError, FirmwareError
from firmware_ctl.storage.files import atomic_write, open_regular
from firmware_ctl.timeline.folder import load_mat

DONE: Final = "done"
SKIPPED: Final = "skipped"
FAILED: Final = "failed"
STOPS: Final = ("stop switch", "start button")
"""The steps that check what stops the mat. While one has failed, nobody may lie on the mat."""
DIGITS: Final = "1234567890"
"""The keys that go to a step: 0 goes to the tenth."""


class SetupStep(NamedTuple):
    name: str
    about: str
    run: Callable[[Context], Outcome]


def setup(args: argparse.Namespace, commands: Commands) -> int:
    """Exit code 0: every step is done or skipped; 1: one is open or has failed."""
    require_terminal(args.mock)
    for number in (signal.SIGTERM, signal.SIGHUP):
        # SystemExit unwinds the stack: the terminal is restored and a daemon of setup's own ends.
        signal.signal(number, lambda *_: sys.exit(1))
    folder = paths.mock_state() if args.mock else paths.SERVICE_STATE
    state_folder = os.path.abspath(args.state or folder)
    mat_file = os.path.join(state_folder, "mat.yaml") if args.mock else paths.SERVICE_MAT
    context = Context(
        os.path.abspath(args.mat or mat_file), state_folder, args.mock, commands.guarded
    )
    try:
        os.makedirs(state_folder, exist_ok=True)
        progress = Progress(os.path.join(state_folder, "setup"))
    except OSError as error:
        hint = "; try it with sudo" if isinstance(error, PermissionError) else ""
        message = f"{error.filename} cannot be used: {error.strerror}{hint}"
        raise BuilderError(message) from None
    return _run_steps(context, progress, commands, _command_line(args))


def _command_line(args: argparse.Namespace) -> str:
    """The command to continue with."""
    words = ["firmware-ctl", "setup", "--mock"] if args.mock else ["sudo", "firmware-ctl", "setup"]
    for option, value in (("--mat", args.mat), ("--state", args.state)):
        words += [option, value] if value else []
    return f"`{shlex.join(words)}`"


class Progress:
    """How the steps have ended, in a file with one line for each: `done wiring`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.steps: dict[str, str] = {}
        """Name of a step → `DONE`, `SKIPPED` or `FAILED`."""
        with suppress(FileNotFoundError):
            fd = open_regular(path, os.O_RDONLY)
            with open(fd, encoding="utf-8", errors="replace") as file:
                lines = file.readlines()
            for line in lines:
                word, _, name = line.rstrip("\n").partition(" ")
                if word in (DONE, SKIPPED, FAILED):
                    self.steps[name] = word

    def put(self, name: str, word: str) -> None:
        self.steps[name] = word
        lines = [f"{word} {name}\n" for name, word in self.steps.items()]
        try:
            atomic_write(self._path, "".join(lines).encode())
        except OSError as error:
            print_lines(
                f"{self._path} cannot be written: {error.strerror}. Setup goes on, but does not "
                "remember this step the next time."
            )


def _steps(context: Context, commands: Commands) -> list[SetupStep]:
    """All steps. The zones are the shipped mat's while the mat file is missing or has mistakes."""
    try:
        mat = context.mat
    except FirmwareError:
        mat = load_mat(shipped.mat_file())
    zones = [zone.name for zone in mat.zones if zone.present]
    return [
        SetupStep(
            "mat file", f"Read your mat file, {context.mat_file}, or create it.", _prepare_mat_file
        ),
        SetupStep("doctor", "Check this machine for problems.", _run_doctor),
        SetupStep(
            "wiring",
            "Run each motor gently: is it where it should be?",
            run_motor_check,
        ),
        *(
            SetupStep(
                f"calibrate {zone}",
                "Measure what each motor of the zone needs to start and to keep turning.",
                partial(_calibrate, zone),
            )
            for zone in zones
        ),
        SetupStep(
            "stop switch",
            "Run a motor gently: the stop switch must stop it.",
            run_stop_switch_check,
        ),
        SetupStep(
            "start button",
            "Check both of its contacts, pressed and released.",
            run_start_button_check,
        ),
        SetupStep(
            "first session",
            f"Play the profile {FIRST_PROFILE}: four gentle minutes.",
            partial(play_first_session, commands),
        ),
        SetupStep(
            "service", "Start the mat automatically at boot.", partial(_install_service, commands)
        ),
    ]


def _run_steps(context: Context, progress: Progress, commands: Commands, command: str) -> int:
    position = _first_open_step(_steps(context, commands), progress)
    # The steps are listed anew each time: a step may have changed the zones in the mat file.
    while position < len(steps := _steps(context, commands)):
        _show_steps(steps, progress, position)
        step = steps[position]
        digits = DIGITS[: len(steps)]
        key = ask_key(
            "Enter: do it   s: skip   b: back   digit: go to a step   q: quit",
            ("\n", "s", "b", UP, DOWN, *digits),
        )
        if key == "q":
            print_lines(f"Stopped here. Run {command} to continue.")
            return 1
        if key in digits:
            position = digits.index(key)
        elif key in ("b", UP):
            position = max(0, position - 1)
        elif key == DOWN:
            position = min(position + 1, len(steps) - 1)
        elif key == "s":
            # A failed check stays failed until it is repeated.
            if progress.steps.get(step.name) not in (DONE, FAILED):
                progress.put(step.name, SKIPPED)
            position += 1
        elif run_step(step, context, progress):
            position += 1
    _show_steps(steps, progress, position)
    return _sum_up(steps, progress, command)


def _sum_up(steps: list[SetupStep], progress: Progress, command: str) -> int:
    """Says which steps are not done. Returns the exit code."""
    words = {step.name: progress.steps.get(step.name, "") for step in steps}
    failed_names = [name for name, word in words.items() if word == FAILED]
    other_names = [name for name, word in words.items() if word in (SKIPPED, "")]
    if failed_names:
        print_lines(
            f"FAILED: {', '.join(failed_names)}. Nobody may lie on the mat before this is fixed."
        )
    if other_names:
        print_lines(f"Not done: {', '.join(other_names)}.")
    if failed_names or other_names:
        print_lines(f"Run {command} to do these steps.")
    else:
        print_lines(
            "All steps are done. Before you lie down, read in the README who should ask a doctor "
            "first."
        )
    return 0 if set(words.values()) <= {DONE, SKIPPED} else 1


def _first_open_step(steps: list[SetupStep], progress: Progress) -> int:
    """The first step that has failed, else the first that is open, else the first that was skipped,
    else 0."""
    words = [progress.steps.get(step.name, "") for step in steps]
    return next((words.index(word) for word in (FAILED, "", SKIPPED) if word in words), 0)


def _show_steps(steps: list[SetupStep], progress: Progress, position: int) -> None:
    print_lines("")
    for i, step in enumerate(steps):
        word = progress.steps.get(step.name, "")
        shown = word.upper() if word == FAILED else word
        print_lines(f"{'>' if i == position else ' '} {i + 1:>2} {step.name:<22} {shown}")
    if position < len(steps):
        print_lines(steps[position].about)


def run_step(step: SetupStep, context: Context, progress: Progress) -> bool:
    """Runs a step and keeps how it has ended. True: it is done.

    What went wrong stays on the screen until the person has read it.
    """
    print_lines(f"--- {step.name} ---")
    try:
        if step.run is not _prepare_mat_file and not os.path.exists(context.mat_file):
            raise BuilderError(f"Do step 1 first: there is no mat file {context.mat_file} yet")
        if step.name == "first session":
            _require_stops(progress)
        outcome = step.run(context)
    except AuthorError as error:
        print_lines(*map(str, error.mistakes))
        print_lines(f"Fix {context.mat_file} in another window, then do this step again.")
        wait_for_enter()
        return False
    except FirmwareError as error:
        print_lines(f"{error}.")
        wait_for_enter()
        return False
    except KeyboardInterrupt:
        outcome = Outcome.NOT_DONE
    if outcome is Outcome.DONE:
        progress.put(step.name, DONE)
        return True
    if outcome is Outcome.FAILED:
        progress.put(step.name, FAILED)
        print_lines(f"FAILED: {step.name}. Fix the cause, then do this step again.")
        wait_for_enter()
    elif progress.steps.get(step.name) != DONE:
        print_lines("This step is not done yet: do it again, or skip it for now.")
    return False


def _require_stops(progress: Progress) -> None:
    """Raises BuilderError if a check of what stops the mat has failed."""
    failed_names = [name for name in STOPS if progress.steps.get(name) == FAILED]
    if failed_names:
        raise BuilderError(
            f"Do not lie on the mat: {' and '.join(failed_names)} failed. Do that step again first"
        )


# ---- the steps that are not commands of their own


def _prepare_mat_file(context: Context) -> Outcome:
    is_new = not os.path.exists(context.mat_file)
    if is_new:
        create_mat_file(context.mat_file)
    # The Debian package brings a copy of the shipped file, which nobody has looked at either.
    if is_new or _is_shipped(context.mat_file):
        print_lines(
            "If your pins, motors or supply differ from the reference mat, edit it now, in another "
            "window."
        )
        wait_for_enter()
    mat = context.mat
    zones = ", ".join(zone.name for zone in mat.zones)
    print_lines(f"{mat.name}: {len(mat.motors)} motors in {zones}.")
    return Outcome.DONE


def _is_shipped(mat_file: str) -> bool:
    # A file that cannot be read gets its sentence when the mat is read.
    with suppress(OSError), open(mat_file, encoding="utf-8", errors="replace") as file:
        return file.read() == shipped.mat_text()
    return False


def _run_doctor(context: Context) -> Outcome:
    code = doctor.doctor(argparse.Namespace(mat=context.mat_file, json=False))
    if code == 0:
        wait_for_enter()  # The notes would leave the screen.
        return Outcome.DONE
    if not context.is_mock:
        return Outcome.FAILED
    load_mat(context.mat_file)  # Raises AuthorError if it is the mat file that is BAD.
    print_lines("In the simulation only the mat file matters. On a Pi, nothing may be BAD.")
    wait_for_enter()
    return Outcome.DONE


def _calibrate(zone: str, context: Context) -> Outcome:
    return run_calibration(context, zone)


def _install_service(commands: Commands, context: Context) -> Outcome:
    if context.is_mock:
        print_lines("The simulation installs nothing. On a Pi this step runs `service install`.")
        return Outcome.DONE
    if context.mat_file != paths.SERVICE_MAT:
        print_lines(f"The service reads {paths.SERVICE_MAT}: copy your mat file to that path.")
    return Outcome.DONE if commands.install_service() == 0 else Outcome.NOT_DONE
