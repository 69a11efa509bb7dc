"""Which steps of `setup` begin, how they end, and what is remembered of them."""

import os
from collections.abc import Sequence
from errno import ENOSPC
from functools import partial
from pathlib import Path

import pytest

from firmware_ctl.cli.guarded import guarded
from firmware_ctl.commissioning import first_evening, menu, progress
from firmware_ctl.commissioning.first_evening import SetupStep, run_step, skip_step
from firmware_ctl.commissioning.first_session import Commands
from firmware_ctl.commissioning.menu import Menu
from firmware_ctl.commissioning.progress import Progress
from firmware_ctl.commissioning.runner import BuilderError, Context, Outcome
from firmware_ctl.commissioning.terminal import DOWN
from tests.support.builder import QUICK

BLOCKED = "Nobody may lie on the mat"


class Setup:
    """The steps of `setup` on the quick mat. No step asks or moves anything: each one's outcome is
    given, and what has begun is kept in `begun`."""

    def __init__(self, tmp_path: Path) -> None:
        self.mat_file = tmp_path / "mat.yaml"
        self.mat_file.write_text(QUICK)
        self.path = tmp_path / "setup"
        self.context = Context(str(self.mat_file), str(tmp_path), True, guarded)
        self.progress = Progress(str(self.path))
        self.begun: list[str] = []

    def steps(self) -> list[SetupStep]:
        commands = Commands(guarded, lambda path: None, lambda: 0)
        return first_evening._steps(self.context, commands)

    def step(self, name: str) -> SetupStep:
        return next(step for step in self.steps() if step.name == name)

    def run(self, name: str, outcome: Outcome = Outcome.DONE) -> bool:
        def begin(_: Context) -> Outcome:
            self.begun.append(name)
            return outcome

        step = self.step(name)._replace(run=begin)
        return run_step(step, self.steps(), self.context, self.progress)

    def word(self, name: str) -> str:
        """As the next setup reads it."""
        return Progress(str(self.path)).word(name, self.step(name).checks)

    def do_checks(self) -> None:
        for name in ("mat file", "doctor", "stop switch", "start button", "wiring"):
            assert self.run(name)
        self.begun.clear()


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setup:
    monkeypatch.setattr(first_evening, "wait_for_enter", lambda: None)
    return Setup(tmp_path)


LYING = ("wiring", "calibrate lower_back", "first session", "service")
"""The steps in which someone lies on the mat, and the one after which anybody may."""


def test_stop_switch_and_start_button_come_before_anyone_lies_down(setup: Setup) -> None:
    assert tuple(step.name for step in setup.steps()) == (
        *("mat file", "doctor", "stop switch", "start button"),
        *LYING,
    )


@pytest.mark.parametrize("failed", ["stop switch", "start button"])
@pytest.mark.parametrize("name", LYING)
def test_failed_stop_refuses_every_step_in_which_someone_lies_down(
    setup: Setup, capfd: pytest.CaptureFixture[str], name: str, failed: str
) -> None:
    setup.do_checks()
    setup.run(failed, Outcome.FAILED)
    setup.begun.clear()
    assert not setup.run(name)
    assert setup.begun == []
    assert f"{BLOCKED}: {failed} failed." in capfd.readouterr().out
    assert setup.run(failed)
    assert setup.run(name)


@pytest.mark.parametrize("failed", ["doctor", "wiring"])
@pytest.mark.parametrize("name", LYING[1:])
def test_motor_that_was_not_felt_refuses_what_the_end_of_setup_forbids(
    setup: Setup, name: str, failed: str
) -> None:
    setup.do_checks()
    setup.run(failed, Outcome.FAILED)
    assert not setup.run(name)
    assert setup.begun == [failed]


def test_service_is_refused_after_a_fault_in_the_first_session(setup: Setup) -> None:
    setup.do_checks()
    setup.run("first session", Outcome.FAILED)
    assert not setup.run("service")
    assert setup.run("first session")
    assert setup.run("service")


@pytest.mark.parametrize("name", ["stop switch", "start button", "wiring"])
def test_check_that_was_left_has_no_result_and_is_not_skipped(
    setup: Setup, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    for check in ("stop switch", "start button", "wiring"):
        assert check == name or setup.run(check) or name in ("stop switch", "start button")
    assert not setup.run(name, Outcome.NOT_DONE)
    assert skip_step(setup.step(name), setup.progress)
    assert setup.word(name) == "unfinished"
    assert not setup.run("first session")
    assert f"{BLOCKED} yet: do {name}" in capfd.readouterr().out
    assert "first session" not in setup.begun


@pytest.mark.parametrize(
    ("before", "after"), [(Outcome.FAILED, "failed"), (Outcome.DONE, "unfinished")]
)
def test_repeated_check_that_was_left_keeps_a_failure_and_no_success(
    setup: Setup, capfd: pytest.CaptureFixture[str], before: Outcome, after: str
) -> None:
    setup.run("stop switch", before)
    assert not setup.run("stop switch", Outcome.NOT_DONE)
    assert setup.word("stop switch") == after
    assert "skip it for now" not in capfd.readouterr().out


def test_repeated_check_whose_process_is_killed_is_no_success(setup: Setup) -> None:
    setup.run("stop switch")

    def be_killed(_: Context) -> Outcome:
        raise SystemExit

    step = setup.step("stop switch")._replace(run=be_killed)
    with pytest.raises(SystemExit):
        run_step(step, setup.steps(), setup.context, setup.progress)
    assert setup.word("stop switch") == "unfinished"


def test_check_skipped_by_an_older_version_or_with_other_pins_is_open(setup: Setup) -> None:
    step = setup.step("stop switch")
    for checked in ("", "GPIO 99"):
        setup.progress.put(step.name, "skipped", checked)
        assert setup.word("stop switch") == ""


def test_step_that_is_no_check_can_be_skipped_after_it_was_left(
    setup: Setup, capfd: pytest.CaptureFixture[str]
) -> None:
    assert not setup.run("doctor", Outcome.NOT_DONE)
    assert "do it again, or skip it for now" in capfd.readouterr().out
    assert skip_step(setup.step("doctor"), setup.progress)
    assert setup.word("doctor") == "skipped"


@pytest.mark.parametrize(("key", "word"), [("y", "skipped"), ("n", ""), ("q", "")])
def test_check_is_skipped_only_after_a_question(
    setup: Setup, monkeypatch: pytest.MonkeyPatch, key: str, word: str
) -> None:
    monkeypatch.setattr(first_evening, "ask_key", lambda prompt, keys: key)
    assert skip_step(setup.step("stop switch"), setup.progress) is (key == "y")
    assert setup.word("stop switch") == word


@pytest.mark.parametrize(
    ("old", "new", "opened"),
    [
        ("pin: 22", "pin: 27", ["stop switch", "wiring", "calibrate lower_back"]),
        ("side: left", "side: right", ["wiring", "calibrate lower_back"]),
        ("pressed: 5", "pressed: 13", ["start button"]),
        ("supply:", "gate: {heartbeat: 26}\nsupply:", ["stop switch"]),
        ("start: 4%", "start: 5%", []),
    ],
)
def test_check_of_a_pin_that_has_changed_is_open_again(
    setup: Setup, old: str, new: str, opened: list[str]
) -> None:
    setup.do_checks()
    assert setup.run("calibrate lower_back")
    setup.begun.clear()
    setup.mat_file.write_text(QUICK.replace(old, new, 1))
    names = [step.name for step in setup.steps()[:6]]
    assert [name for name in names if setup.word(name) != "done"] == opened
    assert setup.run("first session") is (opened == [])


def test_failed_check_stays_failed_when_its_pins_change(setup: Setup) -> None:
    setup.run("stop switch", Outcome.FAILED)
    setup.mat_file.write_text(QUICK.replace("pin: 22", "pin: 27"))
    assert setup.word("stop switch") == "failed"


def test_progress_of_an_older_version_keeps_failures_and_opens_the_checks(setup: Setup) -> None:
    setup.path.write_text("done mat file\ndone stop switch\nfailed wiring\nno line\n")
    names = ("mat file", "stop switch", "wiring")
    assert [setup.word(name) for name in names] == ["done", "", "failed"]


def test_step_of_a_mat_file_with_a_mistake_shows_it_and_does_not_begin(
    setup: Setup, capfd: pytest.CaptureFixture[str]
) -> None:
    setup.mat_file.write_text(QUICK.replace("released: 6", "released: 22"))
    step = SetupStep("first session", "", lambda _: Outcome.DONE)
    assert not run_step(step, [step], setup.context, setup.progress)
    out = " ".join(capfd.readouterr().out.split())
    assert "GPIO 22 is already" in out
    assert "in another window, then" in out


# ---- the file


def test_folder_in_which_nothing_can_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused at once: root, who runs the tests, may write everywhere, so the file is full."""

    def full(path: str, data: bytes) -> None:
        raise OSError(ENOSPC, "No space left on device", path)

    monkeypatch.setattr(progress, "atomic_write", full)
    with (
        first_evening.ExitStack() as stack,
        pytest.raises(BuilderError, match="No space left on device; name another folder with"),
    ):
        first_evening._open_progress(Context("", str(tmp_path), True, guarded), stack)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with (
        first_evening.ExitStack() as stack,
        pytest.raises(BuilderError, match="cannot be used: Permission denied"),
    ):
        first_evening._open_progress(Context("", str(tmp_path), True, guarded), stack)


def test_progress_that_cannot_be_written_later_is_reported_and_kept_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(path: str, data: bytes) -> None:
        raise OSError(ENOSPC, "No space left on device")

    kept = Progress(str(tmp_path / "setup"))
    monkeypatch.setattr(progress, "atomic_write", full)
    kept.put("wiring", "done")
    assert kept.word("wiring") == "done"
    assert "setup cannot be written: No space left on device." in " ".join(
        capfd.readouterr().out.split()
    )


# ---- the keys


class Scripted:
    """A terminal on which each key is pressed at its time, in seconds."""

    def __init__(self, *keys: tuple[str, float]) -> None:
        self._keys = list(keys)
        self.now_s = 0.0
        self.shown: list[str] = []

    def __enter__(self) -> "Scripted":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def wait_for_key(self, prompt: str) -> str:
        key, self.now_s = self._keys.pop(0)
        return key

    def show(self, lines: Sequence[str], status: str) -> None:
        self.shown += lines


def asked(monkeypatch: pytest.MonkeyPatch, *keys: tuple[str, float]) -> tuple[list[str], list[str]]:
    """The keys that act until q, and what is shown."""
    terminal = Scripted(*keys, ("q", 99.0))
    monkeypatch.setattr(menu, "Terminal", lambda: terminal)
    ask = partial(Menu(True, lambda: terminal.now_s).ask, "", ("\n", "s", DOWN))
    acted: list[str] = []
    while (key := ask()) != "q":
        acted.append(key)
    return acted, terminal.shown


@pytest.mark.parametrize(
    ("keys", "acted"),
    [
        ([("s", 1.0), ("s", 1.5), ("s", 1.53), ("s", 2.2)], ["s"]),
        ([("\n", 1.0), ("\n", 1.6), ("\n", 2.4)], ["\n", "\n"]),
        ([("s", 1.0), ("\n", 1.1), ("s", 1.2)], ["s", "\n", "s"]),
        ([(DOWN, 1.0), (DOWN, 1.03)], [DOWN, DOWN]),
    ],
)
def test_key_that_is_held_acts_once(
    monkeypatch: pytest.MonkeyPatch, keys: list[tuple[str, float]], acted: list[str]
) -> None:
    assert asked(monkeypatch, *keys) == (acted, [])


def test_unknown_key_that_is_held_is_refused_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(monkeypatch, (" ", 1.0), (" ", 1.5), (" ", 1.53)) == ([], ["Unknown key."])


@pytest.mark.parametrize("key", ["x", "p"])
def test_key_of_a_simulated_switch_is_said_to_work_within_a_step(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    _, (line,) = asked(monkeypatch, (key, 1.0))
    assert line.startswith(f"{key} operates a simulated switch, and only within a step")
