"""The kill matrix counts rounds correctly and reports every missed promise. No emulated Pi is needed."""

from pathlib import Path
from typing import Any

import pytest

from tests.emulation import kill_rounds
from tests.emulation.kill_report import (
    LOADED,
    QUIET,
    document,
    missed_promises,
    new_section,
    section,
    table,
)
from tests.emulation.kill_rounds import FAULTS, Round, Rounds, longest_wait_s, play_at_full_duty

GOOD = Round(
    gone_s=0.45,
    low_s=0.46,
    high_pins=8,
    motors_ran=True,
    fault_published=False,
    survived=False,
    witness_late_s=0.01,
    held_up_s=0.02,
    failed_starts=[],
)


def rounds(*counted: Round, **others: Any) -> Rounds:
    lists = (others.get(key, []) for key in ("disturbed", "remade", "failures"))
    return Rounds(list(counted), *lists)


def test_missed_promises_of_good_rounds_are_none() -> None:
    assert missed_promises(FAULTS["stop"], True, rounds(GOOD, GOOD)) == []


@pytest.mark.parametrize(
    ("measured", "sentence"),
    [
        (
            rounds(GOOD, GOOD._replace(gone_s=0.52)),
            "the process was gone 0.52 s after the fault instead of 0.5 s, too late in 1 of 2 rounds",
        ),
        (
            rounds(GOOD, GOOD._replace(low_s=0.96)),
            "all pins were low 0.51 s after the end of the process instead of 0.5 s",
        ),
        (
            rounds(GOOD, disturbed=[GOOD._replace(gone_s=0.7)]),
            "the process was gone 0.70 s after the fault instead of 0.5 s, too late in 1 of 2 rounds",
        ),
        (rounds(GOOD, failures=["motors still run"]), "a round failed: motors still run"),
        (rounds(remade=["a tick was late"]), "no round was counted"),
    ],
)
def test_missed_promises_include_rounds_that_were_played_again(
    measured: Rounds, sentence: str
) -> None:
    [line] = missed_promises(FAULTS["stop"], True, measured)
    assert line.startswith(f"- Row 4, SIGSTOP, where lines persist: {sentence}")


def test_missed_promises_ignore_a_late_end_only_if_no_motor_ran() -> None:
    """The dead-man is armed only while motors run."""
    idle = GOOD._replace(gone_s=2.1, low_s=0.0, motors_ran=False, fault_published=True)
    assert missed_promises(FAULTS["stop"], True, rounds(GOOD, disturbed=[idle])) == []


def test_longest_wait_is_of_one_thread_within_the_interval() -> None:
    samples = [
        (1.0, {"a": 0, "b": 500}),
        (2.0, {"a": 10**8, "b": 500}),
        (3.0, {"a": 10**8, "b": 10**9}),
    ]
    assert longest_wait_s(samples, 1.0, 2.5) == pytest.approx(0.1)
    assert longest_wait_s(samples, 2.0, 2.9) == 0
    assert longest_wait_s(samples, 1.5, 3.0) == pytest.approx(1.0, abs=1e-6)


def test_table_counts_remade_rounds_with_their_reasons() -> None:
    reasons = ["a tick was late before the fault"] * 2 + ["the emulator itself failed"]
    results = {("stop", True): rounds(GOOD, remade=reasons), ("kill", False): rounds(GOOD)}
    [*_, kill, stop] = table(results, is_quiet=True)
    assert kill.split(" | ")[4] == "0"
    assert stop.split(" | ")[4] == (
        "2: a tick was late before the fault, 1: the emulator itself failed"
    )
    assert stop.endswith("| met |")
    results["stop", True].failures.append("motors still run")
    assert table(results, is_quiet=True)[-1].endswith("| **missed** |")


def test_document_keeps_the_other_section(tmp_path: Path) -> None:
    path = tmp_path / "matrix.md"
    results = {("stop", True): rounds(GOOD)}
    path.write_text(document(path, "7.3", new_section(results, 1, 0, [0.5], 0.1)))
    quiet = path.read_text()
    path.write_text(document(path, "7.3", new_section(results, 1, 3, [3.5], 0.1)))
    both = path.read_text()
    assert section(QUIET, both) == section(QUIET, quiet)
    assert "--load 3` on" in section(LOADED, both)
    assert both.index(f"## {QUIET}") < both.index(f"## {LOADED}") < both.index("## Where the time")


def test_section_ends_before_the_next_title() -> None:
    text = f"# A\n\n## {QUIET}\n\n| a |\n\n## Beside other work\n\n| b |\n\n## What else\n"
    assert section(QUIET, text) == f"## {QUIET}\n\n| a |\n\n"
    assert section("Beside other work", text) == "## Beside other work\n\n| b |\n\n"
    assert section("Nothing", text) == ""


class FakePi:
    """A Pi and its client. Each start of a session has the next outcome: a state and a fault, or `death`."""

    started_s = 0.0

    def __init__(
        self, *outcomes: str, late_s: float = 0.4, high_pins: tuple[int, ...] = ()
    ) -> None:
        self.outcomes = list(outcomes)
        self.daemon_pid = 1
        self._late_s = late_s
        self._high_pins = high_pins

    def wait_until_active(self) -> None:
        pass

    def pid(self) -> int:
        return self.daemon_pid

    def witness_late_s(self, _from_s: float, _to_s: float) -> float:
        return self._late_s

    def high_motor_pins(self) -> list[int]:
        return list(self._high_pins)

    def ask(self, request: str) -> list[str]:
        if request != "start full":
            return ["ok"]
        if self.outcomes[0] == "death":
            self.outcomes.pop(0)
            self.daemon_pid += 1
            raise AssertionError("no answer within 20 s")
        return ["ok profile=full left=600"]

    def status(self) -> dict[str, str]:
        state, _, fault = self.outcomes.pop(0).partition(" ")
        return {"state": state, "fault": fault}


@pytest.fixture(autouse=True)
def _no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kill_rounds, "FULL_DUTY_S", 0.0)


def failed_starts(pi: Any) -> list[str]:
    return play_at_full_duty(pi, pi)


def test_play_returns_the_reason_of_each_failed_start() -> None:
    assert failed_starts(FakePi("running")) == []
    assert failed_starts(FakePi("fault tick-late", "death", "running")) == [
        "a tick was late before the fault",
        "a watchdog ended the daemon before the fault",
    ]


@pytest.mark.parametrize(
    ("pi", "sentence"),
    [
        (FakePi("fault tick-late", late_s=0.05), "the machine is not the reason"),
        (FakePi("death", late_s=0.05), "the machine is not the reason"),
        (FakePi("fault tick-late", high_pins=(17,)), "motors still run"),
        (FakePi("fault pin-write"), "pin-write"),
        (FakePi("idle"), "the session ended by itself"),
        (FakePi(*["fault tick-late"] * 10), "too busy"),
    ],
)
def test_play_fails_if_the_machine_is_not_the_reason(pi: FakePi, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        failed_starts(pi)
