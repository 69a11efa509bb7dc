"""The `setup` command: guides a builder through the first evening, step by step.

It knows the order of the steps, and which of them must not have failed before another one: nobody
lies on a mat whose stop switch does not stop it. A person can quit and continue later. It never
knows how a step works: other commands do.
"""

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from typing import Final, NamedTuple

from firmware_ctl.commissioning.first_session import FIRST_PROFILE, Commands, play_first_session
from firmware_ctl.commissioning.menu import Menu
from firmware_ctl.commissioning.progress import (
    DONE,
    FAILED,
    OPEN,
    SAFETY,
    SKIPPED,
    STOPS,
    UNFINISHED,
    WIRING,
    Progress,
    only_setup,
    progress_file,
)
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
from firmware_ctl.config.mat import Mat, Motor
from firmware_ctl.doctor import command as doctor
from firmware_ctl.errors import AuthorError, FirmwareError
from firmware_ctl.timeline.folder import load_mat

MAT_FILE: Final = "mat file"
DOCTOR: Final = "doctor"
FIRST_SESSION: Final = "first session"
DIGITS: Final = "1234567890"
"""The keys that go to a step: 0 goes to the tenth."""


class SetupStep(NamedTuple):
    name: str
    about: str
    run: Callable[[Context], Outcome]
    needs: tuple[str, ...] = ()
    """Steps that must not have failed before this one begins. Those in `SAFETY` must also have been
    done, or skipped on purpose."""
    checks: str = ""
    """The pins that the step checks. Once they have changed, the step is open again."""


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
    with ExitStack() as stack:
        progress = _open_progress(context, stack)
        return _run_steps(context, progress, commands, _command_line(args))


def _open_progress(context: Context, stack: ExitStack) -> Progress:
    """Raises BuilderError if the folder cannot be used, or if another setup uses it."""
    folder = context.state_folder
    try:
        os.makedirs(folder, exist_ok=True)
        stack.enter_context(only_setup(folder))
        return Progress(progress_file(folder))
    except OSError as error:
        is_forbidden = isinstance(error, PermissionError) and not context.is_mock
        hint = "try it with sudo, or name" if is_forbidden else "name"
        raise BuilderError(
            f"{error.filename or folder} cannot be used: {error.strerror}; {hint} another folder "
            "with --state"
        ) from None


def _command_line(args: argparse.Namespace) -> str:
    """The command to continue with."""
    words = ["firmware-ctl", "setup", "--mock"] if args.mock else ["sudo", "firmware-ctl", "setup"]
    for option, value in (("--mat", args.mat), ("--state", args.state)):
        words += [option, value] if value else []
    return f"`{shlex.join(words)}`"


def _steps(context: Context, commands: Commands) -> list[SetupStep]:
    """All steps. Zones and pins are the shipped mat's while the mat file is missing or has
    mistakes."""
    try:
        mat = context.mat
    except FirmwareError:
        mat = load_mat(shipped.mat_file())
    zones = [zone for zone in mat.zones if zone.present]
    to_lie_down = (DOCTOR, *SAFETY)
    return [
        SetupStep(
            MAT_FILE, f"Read your mat file, {context.mat_file}, or create it.", _prepare_mat_file
        ),
        SetupStep(DOCTOR, "Check this machine for problems.", _run_doctor),
        SetupStep(
            STOPS[0],
            "Run a motor gently: the stop switch must stop it.",
            run_stop_switch_check,
            checks=_pins_of_stop_switch(mat),
        ),
        SetupStep(
            STOPS[1],
            "Check both of its contacts, pressed and released.",
            run_start_button_check,
            checks=_pins_of_button(mat),
        ),
        SetupStep(
            WIRING,
            "Run each motor gently: is it where it should be?",
            run_motor_check,
            needs=STOPS,  # A person may lie on the mat while another one presses the keys.
            checks=_pins_of_motors([motor for zone in zones for motor in zone.motors]),
        ),
        *(
            SetupStep(
                f"calibrate {zone.name}",
                "Measure what each motor of the zone needs to start and to keep turning.",
                partial(_calibrate, zone.name),
                needs=to_lie_down,
                checks=_pins_of_motors(zone.motors),
            )
            for zone in zones
        ),
        SetupStep(
            FIRST_SESSION,
            f"Play the profile {FIRST_PROFILE}: four gentle minutes.",
            partial(play_first_session, commands),
            needs=to_lie_down,
        ),
        SetupStep(
            "service",
            "Start the mat automatically at boot.",
            partial(_install_service, commands),
            needs=(*to_lie_down, FIRST_SESSION),
        ),
    ]


def _pins_of_motors(motors: Sequence[Motor]) -> str:
    return ", ".join(f"{motor.name} {motor.zone} {motor.side} GPIO {motor.pin}" for motor in motors)


def _pins_of_stop_switch(mat: Mat) -> str:
    gate = f", gate GPIO {mat.gate.heartbeat_pin}, rail {mat.gate.rail_pin}" if mat.gate else ""
    return f"motors GPIO {' '.join(str(motor.pin) for motor in mat.motors)}{gate}"


def _pins_of_button(mat: Mat) -> str:
    pins = mat.button
    return f"GPIO {pins.pressed_pin}, released {pins.released_pin}" if pins else "no start button"


def _run_steps(context: Context, progress: Progress, commands: Commands, command: str) -> int:
    position = _first_open_step(_steps(context, commands), progress)
    menu = Menu(context.is_mock)
    # The steps are listed anew each time: a step may have changed the zones in the mat file.
    while position < len(steps := _steps(context, commands)):
        _show_steps(steps, progress, position)
        step = steps[position]
        digits = DIGITS[: len(steps)]
        key = menu.ask(
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
            position += skip_step(step, progress)
        else:
            # The person may have edited the mat file since the steps were listed.
            steps = _steps(context, commands)
            same = [new for new in steps if new.name == step.name]
            position += bool(same) and run_step(same[0], steps, context, progress)
    _show_steps(steps, progress, position)
    return _sum_up(steps, progress, command)


def skip_step(step: SetupStep, progress: Progress) -> bool:
    """True: go on to the next step. A check with a result, or one that was left, keeps its word."""
    word = progress.word(step.name, step.checks)
    if word in (FAILED, UNFINISHED):
        print_lines(f"{step.name} stays {word.upper()} until it is repeated.")
    elif word != DONE:
        if step.name in SAFETY:
            print_lines(
                f"Without the check of {step.name}, whoever lies on the mat relies on something "
                "that nobody has tried."
            )
            if ask_key("y: skip it nevertheless   n: do not skip it   q: back", ("y", "n")) != "y":
                return False
        progress.put(step.name, SKIPPED, step.checks)
    return True


def _sum_up(steps: list[SetupStep], progress: Progress, command: str) -> int:
    """Says which steps are not done. Returns the exit code."""
    words = {step.name: progress.word(step.name, step.checks) for step in steps}
    failed_names = [name for name, word in words.items() if word == FAILED]
    other_names = [name for name, word in words.items() if word not in (DONE, FAILED)]
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
    words = [progress.word(step.name, step.checks) for step in steps]
    for wanted in ((FAILED,), (OPEN, UNFINISHED), (SKIPPED,)):
        for position, word in enumerate(words):
            if word in wanted:
                return position
    return 0


def _show_steps(steps: list[SetupStep], progress: Progress, position: int) -> None:
    print_lines("")
    for i, step in enumerate(steps):
        word = progress.word(step.name, step.checks)
        shown = word.upper() if word == FAILED else word
        print_lines(f"{'>' if i == position else ' '} {i + 1:>2} {step.name:<22} {shown}")
    if position < len(steps):
        print_lines(steps[position].about)


def run_step(
    step: SetupStep, steps: Sequence[SetupStep], context: Context, progress: Progress
) -> bool:
    """Runs a step and keeps how it has ended. True: it is done.

    What went wrong stays on the screen until the person has read it.
    """
    print_lines(f"--- {step.name} ---")
    try:
        if step.name not in (MAT_FILE, DOCTOR):
            if not os.path.exists(context.mat_file):
                raise BuilderError(f"Do step 1 first: there is no mat file {context.mat_file} yet")
            load_mat(context.mat_file)  # Raises AuthorError: no step begins with a bad mat file.
        _require_checks(step, steps, progress)
        if step.name in SAFETY and progress.word(step.name, step.checks) != FAILED:
            # What a person sees in a repeated check is newer than its old result, also if the check
            # is left, or killed.
            progress.put(step.name, UNFINISHED)
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
        progress.put(step.name, DONE, step.checks)
        return True
    word = progress.word(step.name, step.checks)
    if outcome is Outcome.FAILED:
        progress.put(step.name, FAILED)
        print_lines(f"FAILED: {step.name}. Fix the cause, then do this step again.")
        wait_for_enter()
    elif word == UNFINISHED:
        print_lines("This check has no result yet: do it again. It can no longer be skipped.")
    elif word != DONE:
        hint = "" if word == FAILED else ", or skip it for now"
        print_lines(f"This step is not done yet: do it again{hint}.")
    return False


def _require_checks(step: SetupStep, steps: Sequence[SetupStep], progress: Progress) -> None:
    """Raises BuilderError if a step that this one needs has failed, or is a safety check without
    a result."""
    words = {other.name: progress.word(other.name, other.checks) for other in steps}
    failed_names = [name for name in step.needs if words[name] == FAILED]
    if failed_names:
        raise BuilderError(
            f"Nobody may lie on the mat: {' and '.join(failed_names)} failed. Fix the cause, and "
            "do that step again first"
        )
    open_names = [
        name for name in step.needs if name in SAFETY and words[name] in (OPEN, UNFINISHED)
    ]
    if open_names:
        raise BuilderError(
            f"Nobody may lie on the mat yet: do {' and '.join(open_names)} first. A check counts "
            "as not done if its pins in the mat file have changed since"
        )


# ---- the steps that are not commands of their own


def _leaves() -> bool:
    """Waits until the person has read what is shown. True: the person leaves the step."""
    return ask_key("Enter: continue   q: leave this step", "\n") == "q"


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
        if _leaves():
            return Outcome.NOT_DONE
    mat = context.mat
    zones = ", ".join(zone.name for zone in mat.zones)
    print_lines(f"{mat.name}: {len(mat.motors)} motors in {zones}.")
    if sentence := doctor.short_supply(mat):
        print_lines(f"WARNING: {sentence}.")
        return Outcome.NOT_DONE if _leaves() else Outcome.DONE
    return Outcome.DONE


def _is_shipped(mat_file: str) -> bool:
    # A file that cannot be read gets its sentence when the mat is read.
    with suppress(OSError), open(mat_file, encoding="utf-8", errors="replace") as file:
        return file.read() == shipped.mat_text()
    return False


def _run_doctor(context: Context) -> Outcome:
    code = doctor.doctor(argparse.Namespace(mat=context.mat_file, json=False))
    if code == 0:  # The notes would leave the screen.
        return Outcome.NOT_DONE if _leaves() else Outcome.DONE
    if not context.is_mock:
        return Outcome.FAILED
    load_mat(context.mat_file)  # Raises AuthorError if it is the mat file that is BAD.
    print_lines("In the simulation only the mat file matters. On a Pi, nothing may be BAD.")
    return Outcome.NOT_DONE if _leaves() else Outcome.DONE


def _calibrate(zone: str, context: Context) -> Outcome:
    return run_calibration(context, zone)


def _install_service(commands: Commands, context: Context) -> Outcome:
    if context.is_mock:
        print_lines("The simulation installs nothing. On a Pi this step runs `service install`.")
        return Outcome.DONE
    if context.mat_file != paths.SERVICE_MAT:
        print_lines(f"The service reads {paths.SERVICE_MAT}: copy your mat file to that path.")
    return Outcome.DONE if commands.install_service() == 0 else Outcome.NOT_DONE
