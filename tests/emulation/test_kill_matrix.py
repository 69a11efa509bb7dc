"""What the kill matrix counts, and what it lets nobody overlook. No emulated Pi is needed."""

from pathlib import Path
from typing import Any

import pytest

from tests.emulation import kill_matrix
from tests.emulation.kill_matrix import (
    FAULTS,
    LOADED,
    QUIET,
    Rounds,
    Seen,
    document,
    longest_wait_s,
    measured,
    misses,
    play,
    section,
    table,
)

GOOD = Seen(0.45, 0.46, 8, True, False, False, 0.01, 0.02, [])


def rounds(*counted: Seen, **others: Any) -> Rounds:
    return Rounds(list(counted), *(others.get(key, []) for key in ("told", "remade", "broken")))


def test_misses_of_rounds_that_keep_their_promise_are_none() -> None:
    assert misses(FAULTS["stop"], True, rounds(GOOD, GOOD)) == []


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (rounds(GOOD, GOOD._replace(gone_s=0.52)), "gone after 0.52 s instead of 0.5, too late in 1 of 2"),
        (rounds(GOOD, GOOD._replace(low_s=0.96)), "low after death after 0.51 s instead of 0.5"),
        (rounds(GOOD, told=[GOOD._replace(gone_s=0.7)]), "gone after 0.70 s instead of 0.5, too late in 1 of 2"),
        (rounds(GOOD, broken=["motors go on"]), "a round ended so: motors go on"),
        (rounds(remade=["a tick was late"]), "no round counts"),
    ],
)  # fmt: skip
def test_misses_of_any_round_also_one_made_again_are_told(found: Rounds, sentence: str) -> None:
    told = misses(FAULTS["stop"], True, found)
    assert len(told) == 1
    assert told[0].startswith(f"- Row 4, SIGSTOP, where lines persist: {sentence}")


def test_misses_forgive_a_hang_only_where_no_motor_ran() -> None:
    """The dead-man is armed while motors run."""
    idle = GOOD._replace(gone_s=2.1, low_s=0.0, ran=False, tells_fault=True)
    assert misses(FAULTS["stop"], True, rounds(GOOD, told=[idle])) == []


def test_longest_wait_is_that_of_one_thread_within_the_interval() -> None:
    waits = [
        (1.0, {"a": 0, "b": 500}),
        (2.0, {"a": 10**8, "b": 500}),
        (3.0, {"a": 10**8, "b": 10**9}),
    ]
    assert longest_wait_s(waits, 1.0, 2.5) == pytest.approx(0.1)
    assert longest_wait_s(waits, 2.0, 2.9) == 0
    assert longest_wait_s(waits, 1.5, 3.0) == pytest.approx(1.0, abs=1e-6)


def test_table_counts_the_rounds_made_again_with_their_reasons() -> None:
    reasons = ["a tick was late before the fault"] * 2 + ["the emulator itself failed"]
    found = {("stop", True): rounds(GOOD, remade=reasons), ("kill", False): rounds(GOOD)}
    [*_, kill, stop] = table(found, is_quiet=True)
    assert kill.split(" | ")[4] == "0"
    assert stop.split(" | ")[4] == (
        "2: a tick was late before the fault, 1: the emulator itself failed"
    )
    assert stop.endswith("| met |")
    found["stop", True].broken.append("motors go on")
    assert table(found, is_quiet=True)[-1].endswith("| **missed** |")


def test_document_keeps_the_other_table(tmp_path: Path) -> None:
    path = tmp_path / "matrix.md"
    found = {("stop", True): rounds(GOOD)}
    path.write_text(document(path, "7.3", measured(found, 1, 0, [0.5], 0.1)))
    quiet = path.read_text()
    path.write_text(document(path, "7.3", measured(found, 1, 3, [3.5], 0.1)))
    both = path.read_text()
    assert section(QUIET, both) == section(QUIET, quiet)
    assert "--load 3` on" in section(LOADED, both)
    assert both.index(f"## {QUIET}") < both.index(f"## {LOADED}") < both.index("## What the time")


def test_section_of_one_table_is_kept_when_the_other_is_written() -> None:
    text = f"# A\n\n## {QUIET}\n\n| a |\n\n## Beside other work\n\n| b |\n\n## What else\n"
    assert section(QUIET, text) == f"## {QUIET}\n\n| a |\n\n"
    assert section("Beside other work", text) == "## Beside other work\n\n| b |\n\n"
    assert section("Nothing", text) == ""


class FakePi:
    """A Pi whose daemon does in each start what it is told to: a state and a fault, or a death."""

    begun_s = 0.0

    def __init__(self, *outcomes: str, late_s: float = 0.4, driven: tuple[int, ...] = ()) -> None:
        self.outcomes = list(outcomes)
        self.daemon = 1
        self._late_s = late_s
        self._driven = driven

    def until_ready(self) -> None:
        pass

    def pid(self) -> int:
        return self.daemon

    def late_s(self, _from_s: float, _to_s: float) -> float:
        return self._late_s

    def driven(self) -> list[int]:
        return list(self._driven)

    def ask(self, request: str) -> list[str]:
        if request != "start full":
            return ["ok"]
        if self.outcomes[0] == "death":
            self.outcomes.pop(0)
            self.daemon += 1
            raise AssertionError("there is nothing 20 s after the last line")
        return ["ok profile=full left=600"]

    def status(self) -> dict[str, str]:
        state, _, fault = self.outcomes.pop(0).partition(" ")
        return {"state": state, "fault": fault}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kill_matrix, "FULL_S", 0.0)


def played(pi: Any) -> list[str]:
    return play(pi, pi)


def test_play_tells_each_start_that_came_to_nothing_and_why() -> None:
    assert played(FakePi("running")) == []
    assert played(FakePi("fault tick-late", "death", "running")) == [
        "a tick was late before the fault",
        "a watchdog ended the daemon before the fault",
    ]


@pytest.mark.parametrize(
    ("pi", "sentence"),
    [
        (FakePi("fault tick-late", late_s=0.05), "the machine is not the reason"),
        (FakePi("death", late_s=0.05), "the machine is not the reason"),
        (FakePi("fault tick-late", driven=(17,)), "motors go on"),
        (FakePi("fault pin-write"), "pin-write"),
        (FakePi("idle"), "the session ended by itself"),
        (FakePi(*["fault tick-late"] * 10), "too busy"),
    ],
)
def test_play_fails_where_the_daemon_is_to_blame(pi: FakePi, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        played(pi)
