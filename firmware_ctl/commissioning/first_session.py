"""The first session of `setup`: played by a daemon, as every later session is played.

It knows a daemon by the lines of the protocol, and which of its sessions counts as done. It never
knows a motor.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, NamedTuple, Protocol

from firmware_ctl.commissioning.runner import BuilderError, Context, Outcome
from firmware_ctl.commissioning.terminal import Terminal
from firmware_ctl.config import paths, shipped
from firmware_ctl.protocol.answers import parse_fields

FIRST_PROFILE: Final = "first-time"
MOCK_SPEED: Final = "20"
"""A mock plays the four minutes of the first session in twelve seconds."""


class Client(Protocol):
    """A connection to a daemon's control socket."""

    told: list[str]
    """The events that came before the answers."""

    def ask(self, line: str) -> list[str]:
        """Sends one line of the protocol and returns the lines of the answer."""


class Commands(NamedTuple):
    """Functions of the package `cli`, which this package may not import."""

    guarded: Callable[[Callable[[], int]], int]
    connect: Callable[[str], AbstractContextManager[Client] | None]
    """Connects to a control socket. None: no daemon answers there."""
    install_service: Callable[[], int]
    """Runs `service install`. Returns the exit code."""


def play_first_session(commands: Commands, context: Context) -> Outcome:
    """Uses the service's daemon if that runs, else one that it starts for this step."""
    with _daemon_client(context, commands) as client, Terminal() as terminal:
        last_line = client.ask(f"select {FIRST_PROFILE}")[-1]
        if last_line.startswith("err"):
            message = last_line.split(" ", 2)[2]
            raise BuilderError(f"{FIRST_PROFILE} cannot be played on this mat: {message}")
        # Only now: nobody should lie down for a session that cannot be played.
        terminal.show(_instructions(context.is_mock), "")
        client.ask("events on")
        outcome, line = follow_session(client, terminal, context.is_mock)
        terminal.show((line,), "")
    return outcome


def _instructions(is_mock: bool) -> tuple[str, ...]:
    how = (
        "Lie down, with the stop switch within reach. The start button starts the session, and any "
        "press of it stops the session; so does any key here. A serial terminal program can do the "
        f"same: `select {FIRST_PROFILE}`, `start`, and `!` to stop."
    )
    speed = f"The simulation plays {MOCK_SPEED} times as fast: four minutes in twelve seconds."
    return (how, speed) if is_mock else (how,)


def follow_session(client: Client, terminal: Terminal, is_mock: bool) -> tuple[Outcome, str]:
    """Shows the session until it ends. Returns how the step has ended, and a closing line to show.

    Only a session that was played to its end is done.
    """
    keys = "space: start" + ("   p: press the start button" if is_mock else "") + "   q: quit"
    played_s = length_s = 0.0
    unknown_key = ""
    while True:
        status = parse_fields(client.ask("status")[-1])
        if status["state"] == "fault":
            line = f"A fault: {status['fault']}. `firmware-ctl doctor` looks for its cause."
            return Outcome.FAILED, line
        if status["state"] in ("running", "paused"):
            played_s, left_s = float(status["t"]), float(status["left"])
            length_s = played_s + left_s
            progress = f"{status['state']}: {status['phase']}, {_clock(left_s)} left"
            if terminal.wait_for_key(f"{progress}   any key stops", 0.5):
                client.ask("stop")
            continue
        if reason := _end_reason(client):
            if reason == "end":
                return Outcome.DONE, "Session finished."
            line = f"Stopped after {_clock(played_s)} of {_clock(length_s)}."
            return Outcome.NOT_DONE, line
        key = terminal.wait_for_key(f"{status['profile']} is selected   {keys}", 0.5)
        if key == "q":
            return Outcome.NOT_DONE, "No session was started."
        if key in (" ", "p") if is_mock else key == " ":
            last_line = client.ask("start" if key == " " else "press")[-1]
            if last_line.startswith("err"):
                terminal.show((last_line.split(" ", 2)[2],), "")
        elif key and key != unknown_key:  # A key that is held is refused once.
            terminal.show(("Unknown key.",), "")
            unknown_key = key


def _end_reason(client: Client) -> str:
    """Why a session has ended; empty if none has."""
    return next(
        (fields["reason"] for line in client.told if "reason" in (fields := parse_fields(line))), ""
    )


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


@contextmanager
def _daemon_client(context: Context, commands: Commands) -> Iterator[Client]:
    """A client of the running service, or of a daemon that lives as long as this context."""
    if not context.is_mock:
        service_client = commands.connect(paths.SERVICE_SOCKET)
        if service_client is not None:
            with service_client as client:
                yield client
            return
    path = os.path.join(context.state_folder, "setup.sock")
    words = ["mock", "--no-view", "--speed", MOCK_SPEED] if context.is_mock else ["run"]
    words += ["--mat", context.mat_file, "--socket", path]
    words += [] if context.is_mock else ["--state", context.state_folder]
    daemon = subprocess.Popen(
        # -P: Python must not import from the current folder, because setup often runs as root.
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
        own_client = commands.connect(path)
        if own_client is None:
            raise BuilderError(f"the daemon that was started does not answer on {path}")
        with own_client as client:
            yield client
    finally:
        daemon.terminate()
        daemon.communicate()
