"""The table of commands: its words, `help` and `caps`, and commands with an answer of their own."""

import json
from collections.abc import Sequence
from typing import get_args, get_origin, get_type_hints

import pytest

from firmware_ctl import limits
from firmware_ctl.config.mat import Mat
from firmware_ctl.config.profile import Phase
from firmware_ctl.protocol import commands
from firmware_ctl.protocol.commands import COMMANDS, Request
from firmware_ctl.protocol.connection import (
    END_REASONS,
    ERROR_CODES,
    FAULT_CODES,
)
from firmware_ctl.protocol.framing import Line
from firmware_ctl.protocol.meaning import is_request
from firmware_ctl.protocol.try_line import try_timeline
from firmware_ctl.session.events import Origin
from firmware_ctl.timeline import catalogue
from firmware_ctl.timeline.catalogue import Catalogue
from firmware_ctl.timeline.model import Timeline
from tests.support.worlds import CALM, Bench, RealButton, entry, steady
from tests.unit.protocol.byte_streams import (
    answers,
)

CONTRACT = {
    "help", "hello", "caps", "profiles", "select", "start", "stop", "pause", "resume", "trim",
    "try", "status", "limits", "explain", "events", "echo", "lease", "ping", "press", "reload", "clear",
}  # fmt: skip

ERRORS = {
    "unknown-command", "bad-argument", "unknown-profile", "invalid-profile", "busy", "not-running",
    "not-ready", "allowance", "fault", "too-long", "overflow", "not-text", "not-here",
}  # fmt: skip

FAULTS = {"tick-late", "pin-write", "rail", "button", "under-voltage", "suspend", "internal"}

REASONS = {"stop", "button", "lease", "end", "fault", "closed"}


def test_commands_equal_the_contract_and_fill_help_and_caps() -> None:
    assert set(COMMANDS) == CONTRACT
    *lines, ok = answers(b"help")
    assert [line.split()[1].rstrip(":") for line in lines] == list(COMMANDS)
    assert ok == "ok"
    (line, ok) = answers(b"caps")
    caps = json.loads(line.removeprefix("- "))
    assert (list(caps["verbs"]), caps["errors"], caps["faults"], ok) == (
        list(COMMANDS),
        list(ERROR_CODES),
        list(FAULT_CODES),
        "ok",
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_handler_of_a_command_takes_what_its_reader_returns(name: str) -> None:
    command = COMMANDS[name]
    request = get_type_hints(command.handler)["request"]
    assert get_origin(request) is Request
    assert get_args(request) in [(get_type_hints(command.read)["return"],), (object,)]


def test_codes_equal_the_contract() -> None:
    assert (set(ERROR_CODES), set(FAULT_CODES)) == (ERRORS, FAULTS)
    assert set(END_REASONS) == REASONS
    assert set(Origin) == {"button", "serial", "socket", "web", "mqtt"}


@pytest.mark.parametrize("line", ["select stop", "start calm-off", "explain halt"])
def test_search_for_a_similar_profile_never_delays_a_stop(
    line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[str] = []

    def suggestion(word: str, _: object) -> str:
        searched.append(word)
        return ""

    monkeypatch.setattr(catalogue, "suggestion", suggestion)
    assert not is_request(Line(line.encode(), 0), Bench().session)
    assert searched == []
    assert answers(line.encode())[-1].startswith("err unknown-profile there is no profile ")
    assert searched == [line.split()[1]]


@pytest.mark.parametrize("name", COMMANDS)
def test_command_checks_its_number_of_words_and_ignores_case(name: str) -> None:
    verb = COMMANDS[name]
    used = f"err bad-argument usage: {name} {verb.usage}".rstrip()

    if name == "stop":  # never refused, whatever stands behind it
        assert answers(b"Stop it now please") == ["ok"]
        return
    too_many = answers(f"{name.upper()} {'x ' * (verb.most + 1)}".encode())
    too_few = answers(f"{name.title()} {'x ' * (verb.least - 1)}".encode()) if verb.least else used
    assert (too_many, too_few) == ([used], [used] if verb.least else used)


@pytest.mark.parametrize(
    ("word", "taken"),
    [("10", True), ("100", True), ("55%", True), ("9", False), ("101", False), ("-50", False),
     ("5e1", False), ("50.0", False), ("+50", False), ("999999999999", False), ("nan", False)],
)  # fmt: skip
def test_trim_accepts_whole_percents_from_10_to_100(word: str, taken: bool) -> None:
    (answer,) = answers(f"trim {word}".encode())
    assert answer.startswith("ok trim=") is taken


@pytest.mark.parametrize(
    ("word", "ms"),
    [("", 100), ("short", 100), ("LONG", 1_000), ("0.01", 10), ("10", 10_000), ("0.5s", 500),
     ("0", None), ("10.1", None), ("-1", None), ("nan", None), ("inf", None), ("1e99", None)],
)  # fmt: skip
def test_press_lasts_as_long_as_requested(word: str, ms: int | None) -> None:
    bench = Bench()
    moved_at_ms: list[int] = []
    press = bench.finger.press

    def pressed(is_down: bool) -> None:
        moved_at_ms.append(bench.poller.now_ms())
        press(is_down)

    bench.finger.press = pressed  # type: ignore[method-assign]
    bench.send(100, f"press {word}\r".encode())
    bench.run(12_000)

    assert moved_at_ms == ([] if ms is None else [100, 100 + ms])
    assert bench.wires[0].lines()[1] == (
        "ok" if ms else "err bad-argument a press is short, long, or 0.01 to 10 seconds"
    )


def test_press_of_a_real_button_is_refused() -> None:
    bench = Bench(button=RealButton())
    assert answers(b"press", bench=bench) == [
        "err not-here the start button of this mat is a real one"
    ]


def test_hello_of_a_bridge_names_it_in_events_until_the_next_hello() -> None:
    bench = Bench()
    bench.send(100, b"events on\r")
    bench.send(200, b"hello WEB\rstart calm\r", wire=1)
    bench.send(1_000, b"stop\r", wire=1)
    bench.send(2_000, b"hello\rstart calm\r", wire=1)
    bench.run(3_000)

    events = [line for line in bench.wires[0].lines() if "by=" in line]
    assert [line.rpartition("by=")[2] for line in events] == ["web", "web", "socket"]


def test_hello_of_a_bridge_is_refused_on_a_serial_port() -> None:
    bench = Bench()
    bench.send(100, b"events on\rhello mqtt\revents on\rstart calm\r")
    bench.run(1_000)

    lines = bench.wires[0].lines()
    assert "err not-here only a client of the control socket may be a bridge" in lines
    assert [line.rpartition("by=")[2] for line in lines if "by=" in line] == ["serial"]


def test_reload_answers_later_and_keeps_the_order_of_answers() -> None:
    bench = Bench()
    bench.reloads.append("the folder /profiles cannot be read: No such file or directory")
    bench.send(100, b"reload\rping\r", b"select bad\r")
    bench.send(100, b"hello\r", wire=1)
    bench.run(150)

    assert bench.wires[0].lines()[1:] == [
        "err not-ready the folder /profiles cannot be read: No such file or directory",
        "ok",
        "err invalid-profile bad.yaml:3:7: level: 140% is above the most, 100%",
    ]
    assert len(bench.wires[1].lines()) == 2


def test_explain_says_that_the_running_session_keeps_an_older_version() -> None:
    bench = Bench()
    louder = entry("quick", Phase("louder", 8_000, 1, (steady("back", 90),)))
    bench.reloads.append(Catalogue((CALM, louder)))
    bench.send(100, b"start quick\r", b"explain quick\r", b"reload\r")
    bench.send(200, b"explain quick\r", b"explain calm\r", b"stop\r", b"explain quick\r")
    bench.run(250)

    finals = [line for line in bench.wires[0].lines()[1:] if line.startswith("ok")]
    assert finals[1:] == ["ok", "ok count=2", "ok running=older", "ok", "ok", "ok"]


def test_caps_limits_equal_the_code() -> None:
    (line, _) = answers(b"caps")
    assert json.loads(line.removeprefix("- "))["limits"] == {
        "session": 900,
        "daily": 720,
        "duty": 80,
        "rise": 50,
        "trim": list(limits.TRIM_PCT),
        "pauses": 300,
    }


def test_try_that_replaces_a_try_is_compiled_while_no_motor_moves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Compiling may take 150 ms on a Pi, in which the loop answers no stop."""
    bench = Bench()
    were_low: list[bool] = []

    def compile_try(words: Sequence[str], mat: Mat) -> Timeline:
        were_low.append(bench.pins.are_low and not bench.daemon.player.latch.is_armed)
        return try_timeline(words, mat)

    monkeypatch.setattr(commands, "try_timeline", compile_try)
    bench.send(200, b"try back steady 40\n")
    moved: list[bool] = []
    bench.at(2_000, lambda _: moved.append(not bench.pins.are_low))
    bench.send(2_000, b"try back steady 50\n")
    bench.send(4_000, b"start calm\n")
    bench.send(5_000, b"stop\n")
    bench.run(6_000)

    assert (moved, were_low) == ([True], [True, True])
    assert bench.wires[0].lines()[1:] == [
        "ok left=10",
        "ok left=10",
        "err busy try is running; stop it first",
        "ok",
    ]
    assert bench.pins.are_low


def test_profile_named_in_two_words_is_suggested() -> None:
    bench = Bench()
    entry = CALM._replace(name="lower-back")
    bench.reloads.append(catalogue.Catalogue((entry,)))
    bench.send(100, b"reload\nselect Lower back\nstart lower back\nselect lower neck\n")
    bench.run(300)

    assert bench.wires[0].lines()[2:] == [
        "err bad-argument usage: select NAME; did you mean lower-back?",
        "err bad-argument usage: start [NAME]; did you mean lower-back?",
        "err bad-argument usage: select NAME",
    ]
