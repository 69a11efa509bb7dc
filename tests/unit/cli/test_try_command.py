"""`try` of the command line: the grammar of a profile, and the line to copy into one."""

import argparse

import pytest

from firmware_ctl.cli import try_command
from firmware_ctl.cli.client import NoDaemonError
from firmware_ctl.cli.try_command import try_line
from firmware_ctl.config.mat import read_mat
from firmware_ctl.config.profile import read_profile
from firmware_ctl.errors import CallerError
from tests.support.process import ROOT


class Daemon:
    """A client of a daemon that has two zones, or of none."""

    def __init__(self, args: argparse.Namespace) -> None:
        if not args.has_daemon:
            raise NoDaemonError("no daemon runs")

    def __enter__(self) -> "Daemon":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def ask(self, request: str) -> list[str]:
        assert request == "caps"
        return ['- {"zones":["hips","neck"]}', "ok"]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requests to play that were sent. A daemon accepts each of them."""
    lines: list[str] = []
    monkeypatch.setattr(try_command, "find", Daemon)

    def ask(_: argparse.Namespace, request: str) -> int:
        lines.append(request)
        return 0

    monkeypatch.setattr(try_command, "ask", ask)
    return lines


def words(
    target: str, pattern: str, level: str, *keys: str, has_daemon: bool = True
) -> argparse.Namespace:
    return argparse.Namespace(
        target=target, pattern=pattern, level=level, keys=list(keys), has_daemon=has_daemon
    )


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (("hips", "wave", "40", "period=4s"), "level: 40 has no unit; write 40%"),
        (("hips", "wave", "0.4", "period=4s"), "level: 0.4 has no unit; did you mean 40%?"),
        (("hips", "wave", "40%", "period=4"), "period: 4 has no unit; write 4s or 4min or 4ms"),
        (
            ("hips", "tap", "40", "taps=3", "rest=1.5"),
            "level: 40 has no unit; write 40%; rest: 1.5 has no unit; write 1.5s or 1.5min or 1.5ms",
        ),
    ],
)
def test_try_without_units_is_refused_in_the_words_of_check(
    line: tuple[str, ...], sentence: str, sent: list[str]
) -> None:
    with pytest.raises(CallerError) as refused:
        try_line(words(*line))
    assert str(refused.value) == sentence
    assert sent == []


HIPS = "target: the mat has no zone, row or side hisp; did you mean hips?"
PULSE = "pattern: unknown pattern pulze; did you mean pulse?"
LEVEL = "level: 30 has no unit; write 30%"


@pytest.mark.parametrize(
    ("line", "has_daemon", "sentences"),
    [
        (("hisp", "pulse", "30"), True, [HIPS, LEVEL]),
        (("hips", "pulze", "30"), True, [PULSE, LEVEL]),
        (("hisp", "pulze", "30"), True, [PULSE, HIPS, LEVEL]),
        (("hips.left", "keyframes", "30"), True, [LEVEL]),
        (("all", "pulse", "30"), True, [LEVEL]),
        (("hisp", "pulze", "30"), False, [PULSE, LEVEL]),
    ],
)
def test_try_tells_all_mistakes_of_a_line_at_once(
    line: tuple[str, ...], has_daemon: bool, sentences: list[str], sent: list[str]
) -> None:
    with pytest.raises(CallerError) as refused:
        try_line(words(*line, has_daemon=has_daemon))
    assert str(refused.value) == "; ".join(sentences)
    assert sent == []


@pytest.mark.parametrize(
    ("line", "copied"),
    [
        (("hips", "steady", "20%"), "hips: 20%"),
        (
            ("hips.left", "tap", "40%", "taps=3", "rest=1500ms"),
            "hips.left: {pattern: tap, level: 40%, taps: 3, rest: 1500ms}",
        ),
        (
            ("all", "steady", "20%", "after=1s"),
            "all: {pattern: steady, level: 20%, after: 1s}",
        ),
    ],
)
def test_try_prints_the_line_for_a_profile_that_takes_it(
    line: tuple[str, ...], copied: str, sent: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert try_line(words(*line)) == 0
    assert sent == [" ".join(("try", *line))]
    assert capsys.readouterr() == ("", f"in a profile: {copied}\n")
    text = f"title: T\nphases:\n  - name: a\n    for: 1min\n    play:\n      {copied}\n"
    mat = read_mat((ROOT / "hw/mat.yaml").read_bytes(), "mat.yaml")
    assert read_profile(text.encode(), "mine.yaml", mat).phases[0].play[0].target == line[0]
