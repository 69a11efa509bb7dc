"""The first session of `setup` counts as done only if it was played to its end."""

from collections import deque
from contextlib import nullcontext
from typing import Any

import pytest

from firmware_ctl.cli.guarded import guarded
from firmware_ctl.commissioning import first_session
from firmware_ctl.commissioning.first_session import (
    Commands,
    follow_session,
    play_first_session,
)
from firmware_ctl.commissioning.runner import Context, Outcome

IDLE = "ok state=idle profile=first-time t=0.0 left=0.0 fault="
RUNNING = 'ok state=running profile=first-time phase="arrive" t=40.4 left=199.6 fault='
FAULT = "ok state=fault profile=first-time t=0.0 left=0.0 fault=rail"


class Scripted:
    """A client and a terminal: each status is asked after the events before it, and a key comes
    after each."""

    def __init__(self, *script: tuple[str, str, str]) -> None:
        """Each row: an event or nothing, the status, and the key that is pressed after it."""
        self.told: list[str] = []
        self.sent: list[str] = []
        self.shown: list[str] = []
        self._script = deque(script)
        self._key = ""
        self.is_key_held = False

    def ask(self, line: str) -> list[str]:
        if line != "status":
            self.sent.append(line)
            return ["err not-ready the disk is slow" if line == "start" else "ok"]
        event, status, self._key = self._script.popleft()
        self.told += [event] if event else []
        return [status]

    def show(self, lines: tuple[str, ...], prompt: str) -> None:
        self.shown += lines

    def wait_for_key(self, prompt: str, wait_s: float | None = None) -> str:
        self.shown.append(prompt)
        return self._key

    def is_held(self, key: str) -> bool:
        assert key == self._key
        return self.is_key_held


def follow(*script: tuple[str, str, str]) -> tuple[Any, Scripted]:
    scripted = Scripted(*script)
    return follow_session(scripted, scripted, is_mock=True), scripted  # type: ignore[arg-type]


def test_session_played_to_its_end_is_done() -> None:
    result, scripted = follow(
        ("", IDLE, "p"),
        ("* event=state state=running profile=first-time by=button", RUNNING, ""),
        ("* event=state state=idle profile=first-time reason=end", IDLE, ""),
    )
    assert result == (Outcome.DONE, "Session finished.")
    assert scripted.sent == ["press"]
    assert "running: arrive, 3:19 left   any key stops" in scripted.shown


@pytest.mark.parametrize("reason", ["stop", "button", "closed"])
def test_session_that_was_stopped_is_not_done(reason: str) -> None:
    result, scripted = follow(
        ("", RUNNING, "z"), (f"* event=state state=idle reason={reason}", IDLE, "")
    )
    assert result == (Outcome.NOT_DONE, "Stopped after 0:40 of 4:00.")
    assert scripted.sent == ["stop"]


def test_session_that_ended_by_a_fault_has_failed() -> None:
    result, _ = follow(("", RUNNING, ""), ("* event=state state=idle reason=fault", FAULT, ""))
    assert result == (
        Outcome.FAILED,
        "A fault: rail. `firmware-ctl doctor` looks for its cause.",
    )


def test_wrong_key_or_refused_start_waits_on() -> None:
    result, scripted = follow(("", IDLE, "s"), ("", IDLE, "\n"), ("", IDLE, " "), ("", IDLE, "q"))
    assert result == (Outcome.NOT_DONE, "No session was started.")
    assert scripted.sent == ["start"]
    assert [line for line in scripted.shown if "selected" not in line] == [
        "Unknown key.",
        "Unknown key.",
        "the disk is slow",
    ]


def test_wrong_key_that_is_held_is_refused_once() -> None:
    _, scripted = follow(*[("", IDLE, "s")] * 5, ("", IDLE, "q"))
    assert [line for line in scripted.shown if "selected" not in line] == ["Unknown key."]


@pytest.mark.parametrize("key", [" ", "p"])
def test_key_that_is_held_starts_no_session(key: str) -> None:
    scripted = Scripted(("", IDLE, key), ("", IDLE, key), ("", IDLE, "q"))
    scripted.is_key_held = True
    outcome, _ = follow_session(scripted, scripted, is_mock=True)  # type: ignore[arg-type]
    assert outcome is Outcome.NOT_DONE
    assert scripted.sent == []


def test_session_of_a_setup_that_dies_ends_by_its_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon of the service goes on without setup."""
    scripted = Scripted(("", IDLE, " "), ("", IDLE, "q"))
    monkeypatch.setattr(first_session, "_daemon_client", lambda *_: nullcontext(scripted))
    monkeypatch.setattr(first_session, "Terminal", lambda: nullcontext(scripted))
    commands = Commands(guarded, lambda path: None, lambda: 0)
    play_first_session(commands, Context("", "", False, guarded))
    assert scripted.sent == ["select first-time", "events on", "lease 5", "start"]
