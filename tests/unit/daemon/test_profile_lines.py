"""The lines of a child: a catalogue is taken only if every value has its type and range."""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from errno import EMFILE
from io import BytesIO
from typing import Any

import pytest

from firmware_ctl.config import shipped
from firmware_ctl.daemon import profile_reader
from firmware_ctl.errors import CallerError
from firmware_ctl.timeline.catalogue import Catalogue
from firmware_ctl.timeline.folder import read_catalogue
from firmware_ctl.timeline.model import MotorCourse, Segment
from tests.system.test_profile_reader import (
    MAT,
    MOST_S,
    Loop,
)


def lines_of(catalogue: Catalogue) -> list[dict[str, Any]]:
    """The lines of a child, as JSON makes them."""
    return [json.loads(json.dumps(line)) for line in profile_reader._lines(catalogue)]


def result(lines: Sequence[object]) -> Catalogue | str:
    return profile_reader._result(
        BytesIO(b"".join(json.dumps(line).encode() + b"\n" for line in lines)), MAT
    )


NECK = Catalogue(
    tuple(e for e in read_catalogue([shipped.profiles_dir()], MAT).entries if e.name == "neck")
)

OTHER_VERSION = (
    "the profiles could not be read: another version of the program has read them; "
    "restart the daemon"
)


def paths(value: object, to: tuple[int | str, ...] = ()) -> Iterator[tuple[int | str, ...]]:
    """To every value within, first of the lists alike."""
    yield to
    if isinstance(value, dict):
        for key in value:
            yield from paths(value[key], (*to, key))
    elif isinstance(value, list):
        for place, item in enumerate(value[:2] if to[-1:] != ("entry",) else value):
            yield from paths(item, (*to, place))


def test_result_is_refused_wherever_one_value_has_another_type() -> None:
    lines = lines_of(NECK)
    assert result(lines) == NECK
    for place, line in enumerate(lines[:-1]):
        for path in paths(line):
            for wrong in ({"a": 1}, -7, 1.5, "x", [None, None, None, None], None, True):
                changed = copy.deepcopy(lines)
                *inner, last = (place, *path)
                holder: Any = changed
                for step in inner:
                    holder = holder[step]
                old, holder[last] = holder[last], wrong
                catalogue = result(changed)
                if not isinstance(catalogue, str):
                    # What is only shown may be any text, and some may be missing.
                    assert type(old) is type(wrong) or None in (old, wrong) or is_number(old, wrong)


def is_number(old: object, new: object) -> bool:
    return isinstance(old, float) and isinstance(new, int | float)


@pytest.mark.parametrize(
    "change",
    [
        {"begin_ms": 1},
        {"pass_ms": 0},
        {"repeat": 0},
        {"repeat": 10**9},
        {"pass_ms": 1 << 60},
        {"courses": []},
        {"course_of": []},
        {"course_of": [99] * 8},
        {"course_of": [-2] * 8},
        {"high_pct": [101] * 8},
        {"high_pct": [50]},
        {"courses": {0: {"cap_pct": 101}}},
        {"courses": {0: {"pieces": []}}},
        {"courses": {0: {"pieces": [[0, 1.0, 1.0, False]]}}},
        {"courses": {0: {"pieces": [[1000, 1.5, 1.0, False]]}}},
        {"courses": {0: {"later": [[0, [[1000, 1.0, 1.0, False]]]]}}},
        {"courses": {0: {"later": [[5000, []]]}}},
        {"courses": {0: {"later": [[5000, [[1000, 1.5, 1.0, False]]]]}}},
        {"courses": {0: {"ramp": [[], [], 1000]}}},
        {"courses": {0: {"ramp": [[0], [101], 1000]}}},
        {"courses": {0: {"ramp": [[0, 5], [10], 1000]}}},
        {"courses": {0: {"ramp": [[0], [10], 0]}}},
    ],
)
def test_result_is_refused_where_a_timeline_could_not_be_played(change: dict[str, Any]) -> None:
    lines = lines_of(NECK)
    segment = lines[0]["segment"]
    for name, value in change.items():
        place = Segment._fields.index(name)
        if isinstance(value, dict):
            for course, fields in value.items():
                for field, new in fields.items():
                    segment[place][course][MotorCourse._fields.index(field)] = new
        else:
            segment[place] = value
    assert result(lines) == OTHER_VERSION


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "9" * 400, "[" * 5000, "3", "{}", '{"a": 1, "b": 2}']
)
def test_result_of_a_line_that_is_not_a_message_reports_it(text: str) -> None:
    catalogue = profile_reader._result(BytesIO(text.encode() + b"\n"), MAT)
    assert isinstance(catalogue, str)
    assert catalogue.startswith(f"the profiles could not be read: {text[:100]}")


def test_result_without_its_last_line_is_a_failure() -> None:
    assert result(lines_of(NECK)[:-1]) == "the profiles could not be read"
    assert result([{"end": 0}]) == Catalogue()
    assert result(lines_of(NECK)[1:]) == OTHER_VERSION


def test_child_whose_daemon_has_ended_writes_nothing() -> None:
    child = subprocess.run(
        [sys.executable, "-P", "-m", "firmware_ctl.daemon.profile_reader"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=MOST_S,
    )
    assert (child.returncode, child.stdout, child.stderr) == (0, b"", b"")


def test_reader_without_a_free_thread_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: object) -> None:
        raise RuntimeError("can't start new thread")

    pipes = [os.pipe()]
    with monkeypatch.context() as patched:
        patched.setattr("threading.Thread.start", start)
        patched.setattr(os, "pipe", lambda: pipes[0])
        with pytest.raises(CallerError, match="no process can be started: can't start") as refused:
            Loop()
    assert refused.value.code == "not-ready"
    for fd in pipes[0]:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
    assert isinstance(Loop([shipped.profiles_dir()]).wait_for_result(), Catalogue)


def test_reader_without_a_free_pipe_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def pipe() -> tuple[int, int]:
        raise OSError(EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pipe", pipe)
        with pytest.raises(CallerError, match="no process can be started: Too many") as refused:
            Loop()
    assert refused.value.code == "not-ready"
    assert isinstance(Loop([shipped.profiles_dir()]).wait_for_result(), Catalogue)
