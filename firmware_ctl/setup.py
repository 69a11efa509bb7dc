"""`setup`: the first evening with a mat, step by step; each can be left and taken up again.

It knows the order of the steps and which of them are done, in a small file of the state folder.
What a step does, other commands know.
"""

import argparse
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final, NamedTuple

from firmware_ctl import places, service, shipped
from firmware_ctl.client import Client, NoDaemonError, open_socket, parse_fields
from firmware_ctl.doctor import command as doctor
from firmware_ctl.errors import AuthorError, FirmwareError
from firmware_ctl.files import create_new, open_regular
from firmware_ctl.folder import load_mat, write_new
from firmware_ctl.wiring import LEAVE_KEYS
from firmware_ctl.workbench import (
    BuilderError,
    Rig,
    Terminal,
    feel_all,
    greet,
    tell,
    try_button,
    try_stop_switch,
    tune,
)

FIRST: Final = "first-time"
MOCK_SPEED: Final = "20"
"""In a mock the four minutes of the first session take twelve seconds."""


class Step(NamedTuple):
    name: str
    about: str
    do: Callable[[Rig], bool]
    """False: it is not done yet."""


def setup(args: argparse.Namespace) -> int:
    """0 every step is done or skipped · 1 left before that."""
    greet(args.mock)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))  # so that terminal and daemon are seen to
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    folder = os.path.join(home, "firmware-ctl-mock") if args.mock else places.SERVICE_STATE
    state = os.path.abspath(args.state or folder)
    own = os.path.join(state, "mat.yaml") if args.mock else places.SERVICE_MAT
    rig = Rig(os.path.abspath(args.mat or own), state, args.mock)
    try:
        os.makedirs(state, exist_ok=True)
        return _go_through(rig, Progress(os.path.join(state, "setup")))
    except OSError as error:
        if isinstance(error, FirmwareError):
            raise
        hint = "; try it with sudo" if isinstance(error, PermissionError) else ""
        raise BuilderError(f"{error.filename} cannot be written: {error.strerror}{hint}") from None


class Progress:
    """Which steps are done or skipped: a line each."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.steps: dict[str, str] = {}
        with suppress(FileNotFoundError):
            fd = open_regular(path, os.O_RDONLY)
            with open(fd, encoding="utf-8", errors="replace") as file:
                lines = file.readlines()
            for line in lines:
                word, _, name = line.rstrip("\n").partition(" ")
                if word in ("done", "skipped"):
                    self.steps[name] = word

    def put(self, name: str, word: str) -> None:
        self.steps[name] = word
        with open(create_new(f"{self._path}.part"), "w", encoding="utf-8") as file:
            file.writelines(f"{word} {name}\n" for name, word in self.steps.items())
        os.replace(f"{self._path}.part", self._path)


def _steps(rig: Rig) -> list[Step]:
    """Of a mat file that is not there or not sound yet, the zones are the shipped one's."""
    try:
        mat = rig.mat
    except FirmwareError:
        mat = load_mat(shipped.mat_file())
    zones = [zone.name for zone in mat.zones if zone.present]
    return [
        Step("mat file", f"Your own mat file, {rig.mat_file}: read, or begun.", _mat_file),
        Step("doctor", "What on this machine would make the mat unsafe or keep it idle.", _doctor),
        Step("wiring", "Each motor runs gently: is it where it should be?", _wiring),
        *(
            Step(
                f"calibrate {zone}",
                "What each motor of the zone needs to start, and to keep turning.",
                partial(_calibrate, zone),
            )
            for zone in zones
        ),
        Step(
            "stop switch",
            "A motor runs gently: the stop switch has to end it.",
            lambda rig: try_stop_switch(rig) == 0,
        ),
        Step(
            "start button",
            "Both of its contacts, pressed and released.",
            lambda rig: try_button(rig) == 0,
        ),
        Step("first session", f"The profile {FIRST}: four gentle minutes.", _first_session),
        Step("service", "From now on the mat is ready when the Pi is.", _service),
    ]


def _go_through(rig: Rig, progress: Progress) -> int:
    again = "`firmware-ctl setup --mock`" if rig.is_mock else "`firmware-ctl setup`"
    at = 0
    steps = _steps(rig)
    while at < len(steps) and progress.steps.get(steps[at].name):
        at += 1
    if at == len(steps):  # all was seen to: what was skipped is taken up, or all of it again
        words = [progress.steps[step.name] for step in steps]
        at = words.index("skipped") if "skipped" in words else 0
    while at < len(steps := _steps(rig)):
        _show(steps, progress, at)
        key = _key("Enter do it   s skip   b back   q leave")
        step = steps[at]
        if key == "q":
            tell(f"Left. {again} goes on from here.")
            return 1
        if key == "b":
            at = max(0, at - 1)
        elif key == "s":
            if progress.steps.get(step.name) != "done":
                progress.put(step.name, "skipped")
            at += 1
        elif key == "\n":
            tell(f"--- {step.name} ---")
            if _done(step, rig):
                progress.put(step.name, "done")
                at += 1
            else:
                tell("This step is not done yet: do it again, or skip it for now.")
    _show(steps, progress, at)
    skipped_names = [step.name for step in steps if progress.steps[step.name] == "skipped"]
    if skipped_names:
        tell(f"Skipped: {', '.join(skipped_names)}. {again} takes them up again.")
    else:
        tell("All is done. Before you lie down, read in the README who should ask a doctor first.")
    return 0


def _show(steps: list[Step], progress: Progress, at: int) -> None:
    tell("")
    for i, step in enumerate(steps):
        word = progress.steps.get(step.name, "")
        tell(f"{'>' if i == at else ' '} {i + 1:>2} {step.name:<22} {word}")
    if at < len(steps):
        tell(steps[at].about)


def _done(step: Step, rig: Rig) -> bool:
    try:
        return step.do(rig)
    except AuthorError as error:
        tell(*map(str, error.mistakes))
        tell(f"Mend {rig.mat_file} in another window, then do this step again.")
    except FirmwareError as error:
        tell(f"{error}.")
    return False


def _key(prompt: str) -> str:
    with Terminal() as terminal:
        return _pressed(terminal, prompt)


def _pressed(terminal: Terminal, prompt: str, wait_s: float | None = None) -> str:
    """One key; q for all that leave; nothing where none comes in time."""
    terminal.show((), prompt)
    if not select.select((0,), (), (), wait_s)[0]:
        return ""
    key = terminal.typed()[0]
    return "q" if key in LEAVE_KEYS else key


# ---- the steps that no other command is


def _mat_file(rig: Rig) -> bool:
    if not os.path.exists(rig.mat_file):
        os.makedirs(os.path.dirname(rig.mat_file), exist_ok=True)
        with open(shipped.mat_file(), encoding="utf-8") as file:
            text = file.read()
        folder = os.path.dirname(shipped.mat_file())
        write_new(rig.mat_file, text.replace("$schema=.", f"$schema={folder}"))
        tell(
            f"{rig.mat_file} is new, a copy of the shipped one. If your pins, motors or supply "
            "differ from the reference mat, edit it now, in another window."
        )
        _key("any key goes on")
    mat = rig.mat
    tell(f"{mat.name}: {len(mat.motors)} motors in {', '.join(zone.name for zone in mat.zones)}.")
    return True


def _doctor(rig: Rig) -> bool:
    code = doctor.doctor(argparse.Namespace(mat=rig.mat_file, json=False))
    if rig.is_mock:
        tell("In a mock that is no matter; on the Pi this step is done when nothing is BAD.")
    return code == 0 or rig.is_mock


def _wiring(rig: Rig) -> bool:
    return feel_all(rig) == 0


def _calibrate(zone: str, rig: Rig) -> bool:
    return tune(rig, zone) == 0


def _service(rig: Rig) -> bool:
    if rig.is_mock:
        tell("In a mock nothing is installed. On the Pi this does `service install`.")
        return True
    if rig.mat_file != places.SERVICE_MAT:
        tell(f"The service reads {places.SERVICE_MAT}; put your mat file there.")
    return service.service(argparse.Namespace(action="install", dry_run=False)) == 0


def _first_session(rig: Rig) -> bool:
    """Through a daemon: the service's if it runs, else one of its own for this step."""
    tell(
        "Lie down, with the stop switch within reach. A press of the start button starts, any "
        "press ends; so does any key here. Over serial a terminal program does the same: "
        f"`select {FIRST}`, `start`, and `!` to stop."
    )
    with _daemon(rig) as client, Terminal() as terminal:
        final = client.ask(f"select {FIRST}")[-1]
        if final.startswith("err"):
            raise BuilderError(f"{FIRST} cannot be played on this mat: {final.split(' ', 2)[2]}")
        is_done, line = _accompany(client, terminal, rig.is_mock)
        terminal.show((line,), "")
    return is_done


def _accompany(client: Client, terminal: Terminal, is_mock: bool) -> tuple[bool, str]:
    """Shows the session until it is over: whether one ran, and what is to be said of it."""
    ran = False
    keys = "s start" + ("   b press the start button" if is_mock else "") + "   q leave"
    while True:
        status = parse_fields(client.ask("status")[-1])
        if status["state"] == "fault":
            return False, f"A fault: {status['fault']}. `firmware-ctl doctor` looks for its cause."
        if status["state"] in ("running", "paused"):
            ran = True
            left = f"{status['state']}: {status['phase']}, {float(status['left']):.0f} s left"
            if _pressed(terminal, f"{left}   any key stops", 0.5):
                client.ask("stop")
            continue
        if ran:
            return True, "It ran, and it is over."
        key = _pressed(terminal, f"{status['profile']} is selected   {keys}", 0.5)
        if key == "q":
            return False, "No session was started."
        if key in ("s", "b"):
            final = client.ask("start" if key == "s" else "press")[-1]
            if final.startswith("err"):
                terminal.show((final.split(" ", 2)[2],), "")


@contextmanager
def _daemon(rig: Rig) -> Iterator[Client]:
    if not rig.is_mock:
        service_client = None
        with suppress(NoDaemonError):
            service_client = open_socket(places.SERVICE_SOCKET)
        if service_client is not None:
            with service_client:
                yield service_client
            return
    path = os.path.join(rig.state, "setup.sock")
    words = ["mock", "--no-view", "--speed", MOCK_SPEED] if rig.is_mock else ["run"]
    words += ["--mat", rig.mat_file, "--socket", path]
    words += [] if rig.is_mock else ["--state", rig.state]
    daemon = subprocess.Popen(
        # -P: nothing of the folder in which the builder stands is run, often by root.
        [sys.executable, "-P", "-m", "firmware_ctl", *words],
        env=shipped.child_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert daemon.stdout is not None
        for line in daemon.stdout:
            if line.startswith("* ready"):
                break
        else:
            raise BuilderError(daemon.communicate()[1].strip().removeprefix("firmware-ctl: "))
        with open_socket(path) as client:
            yield client
    finally:
        daemon.terminate()
        daemon.communicate()
