"""What `status` prints for people, as JSON and as the line of the protocol."""

import json
from collections.abc import Callable

import pytest

from firmware_ctl.cli import status as command
from firmware_ctl.cli.client import Client
from firmware_ctl.cli.main import main
from firmware_ctl.cli.status import for_people
from firmware_ctl.protocol.answers import parse_fields

LINE = (
    'state=running profile=lower-back cert=6941712ae862 phase="arrive" t=2.9 left=717.1 trim=80 '
    "neck=0 lower_back=40 hips=20 signal= fault="
)
IDLE = (
    'state=idle profile=neck cert=f1 phase="" t=0.0 left=0.0 trim=100 neck=0 lower_back=0 hips=0 '
    "signal= fault="
)


RESET = "the daemon has closed the connection with unread bytes"


class Answers:
    """Answers each request with the next of these lines."""

    def __init__(self, *lines: str) -> None:
        self._lines = iter(lines)

    def write(self, _: bytes) -> None:
        pass

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def readline(self) -> bytes:
        line = next(self._lines)
        if line == RESET:
            raise ConnectionResetError(104, "Connection reset by peer")
        return f"{line}\r\n".encode() if line else b""


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def answer(*lines: str) -> None:
        client = Client(Answers(*lines), "a port", lambda: None)
        monkeypatch.setattr(command, "find", lambda _: client)

    return answer


def _run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["status", *words])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (LINE, "running  lower-back, arrive  0:02 of 12:00  trim 80%"),
        (
            LINE.replace("running", "paused").replace("signal=", "signal=cue-begin"),
            "paused  lower-back, arrive  0:02 of 12:00  trim 80%  signal cue-begin",
        ),
        (
            LINE.replace("lower-back", "try").replace("arrive", "try"),
            "running  try  0:02 of 12:00  trim 80%",
        ),
        (IDLE, "idle  neck is selected  trim 100%"),
        (IDLE.replace("profile=neck", "profile="), "idle  trim 100%"),
        (
            IDLE.replace("idle", "fault").replace("fault=", "fault=suspend"),
            "fault  neck is selected  trim 100%  fault suspend: the machine was suspended",
        ),
        (
            LINE.replace("arrive", r"\u001b[2J"),
            r"running  lower-back, \x1b[2J  0:02 of 12:00  trim 80%",
        ),
    ],
)
def test_status_for_people_is_one_line(line: str, shown: str) -> None:
    assert for_people(parse_fields(line)) == shown


def test_status_raw_prints_the_line_of_the_protocol(
    answering: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    answering(f"ok {LINE}")
    assert _run("--raw") == 0
    assert capsys.readouterr() == (f"{LINE}\n", "")


def test_status_json_and_raw_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("--raw", "--json") == 2
    assert "not allowed with argument" in capsys.readouterr().err


@pytest.mark.parametrize("options", [[], ["--json"], ["--raw"], ["--watch"]])
def test_status_answered_err_prints_it_on_stderr_and_exits_1(
    options: list[str], answering: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    answering("err unknown-command unknown command selstatus; try help")
    assert _run(*options) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "firmware-ctl: unknown-command: unknown command selstatus; try help\n"


def test_status_watch_prints_changes_and_refusals_until_the_daemon_ends(
    answering: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    refused = '* event=refused code=allowance message="used up"'
    unchanged = f"ok {IDLE}"
    answering(unchanged, "ok", refused, unchanged, "* event=state state=running", f"ok {LINE}", "")
    assert _run("--watch") == 3
    assert capsys.readouterr() == (
        "idle  neck is selected  trim 100%\n"
        "refused  allowance: used up\n"
        "running  lower-back, arrive  0:02 of 12:00  trim 80%\n",
        "firmware-ctl: the daemon has ended (a port)\n",
    )


@pytest.mark.parametrize("answers", [(RESET,), ("* event=state state=idle", RESET)])
def test_status_watch_of_a_daemon_that_ends_while_it_is_asked_says_so(
    answers: tuple[str, ...],
    answering: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    answering(f"ok {IDLE}", "ok", *answers)
    assert _run("--watch") == 3
    assert capsys.readouterr().err == "firmware-ctl: the daemon has ended (a port)\n"


def test_status_watch_json_prints_an_object_for_each_event(
    answering: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    answering(f"ok {IDLE}", "ok", "* event=refused code=busy", f"ok {IDLE}", "")
    assert _run("--watch", "--json") == 3
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["state"] for line in lines] == ["idle", "idle"]
