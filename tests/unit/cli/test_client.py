"""What the client commands send, and how they report an answer."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from firmware_ctl.cli import client as commands
from firmware_ctl.cli import off
from firmware_ctl.cli.client import AGAIN_S, Client
from firmware_ctl.cli.main import main
from firmware_ctl.config import paths
from firmware_ctl.limits import RESTART_MS


class Stream:
    """Records what is written. Answers every line with `ok`."""

    def __init__(self) -> None:
        self.sent = b""

    def write(self, data: bytes) -> None:
        self.sent += data

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def readline(self) -> bytes:
        return b"ok\r\n"


def test_ask_stop_sends_the_stop_byte_before_the_line() -> None:
    stream = Stream()
    client = Client(stream, "a port", lambda: None)
    assert client.ask("stop") == ["ok"]
    assert client.ask("status") == ["ok"]
    assert stream.sent == b"!stop\nstatus\n"


def test_ask_keeps_the_events_that_come_before_the_answer() -> None:
    lines = ("* stopped\r\n", "* event=state state=idle reason=stop\r\n", "- a line\r\n", "ok\r\n")
    client = Client(Answers(*lines), "a port", lambda: None)
    assert client.ask("profiles") == ["- a line", "ok"]
    assert client.told == ["* event=state state=idle reason=stop"]


NOT_TEXT = "cannot be sent, only printable ASCII can; leave it out"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["select", "neck\nstart"], f"'\\n' {NOT_TEXT}"),
        (["start", "neck\rstart hips"], f"'\\r' {NOT_TEXT}"),
        (["try", "hips", "wave", "30\x03"], f"'\\x03' {NOT_TEXT}"),
        (["send", "ping\nstart neck"], f"'\\n' {NOT_TEXT}"),
        (["send", "sétart"], f"'é' {NOT_TEXT}"),
        (["send", "s\udce9tart"], f"'\\udce9' {NOT_TEXT}"),
        (["send", "select", "n\teck"], f"'\\t' {NOT_TEXT}"),
        (["send", ""], "an empty line gets no answer; try: firmware-ctl send help"),
        (["send", "  "], "an empty line gets no answer; try: firmware-ctl send help"),
        (
            ["send", "sta?rt"],
            "? must be sent on its own: firmware-ctl send '?'",
        ),
        (
            ["start", "neck!"],
            "! must be sent on its own: firmware-ctl send '!'",
        ),
    ],
)
def test_request_that_is_not_one_line_of_text_is_refused_before_connecting(
    words: list[str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(commands, "find", lambda *_: pytest.fail("the client connects"))
    with pytest.raises(SystemExit) as ended:
        main(words)
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (2, "")
    assert printed.err == f"firmware-ctl: {sentence}\n"


@pytest.mark.parametrize(
    ("line", "sent", "answer"),
    [
        ("!", b"!", "* stopped"),
        ("stop!", b"!", "* stopped"),
        ("é\n!start", b"!", "* stopped"),
        ("?", b"?", "* status state=idle"),
    ],
)
def test_send_of_a_byte_that_acts_at_once_sends_only_that_byte(
    line: str,
    sent: bytes,
    answer: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Answer(Stream):
        def readline(self) -> bytes:
            return f"{answer}\r\n".encode()

    stream = Answer()
    monkeypatch.setattr(commands, "find", lambda _: Client(stream, "a port", lambda: None))
    with pytest.raises(SystemExit) as ended:
        main(["send", line])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"{answer}\n")
    assert stream.sent == sent


def test_send_joins_its_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = Stream()
    monkeypatch.setattr(commands, "find", lambda _: Client(stream, "a port", lambda: None))
    for words in (["select", "hips"], ["select hips"]):
        assert _run("send", *words) == 0
    assert stream.sent == b"select hips\n" * 2
    assert capsys.readouterr().out == "ok\nok\n"


def _run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert isinstance(ended.value.code, int)
    return ended.value.code


class Answers(Stream):
    """Answers each request with the next of these lines."""

    def __init__(self, *lines: str) -> None:
        super().__init__()
        self._lines = iter(lines)

    def readline(self) -> bytes:
        return next(self._lines).encode()


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answers]:
    def answer(*lines: str) -> Answers:
        stream = Answers(*lines)
        monkeypatch.setattr(commands, "find", lambda _: Client(stream, "a port", lambda: None))
        return stream

    return answer


@pytest.mark.parametrize("lines", [[""], ["ok prof"], ["- half\r\n", ""]])
def test_request_to_a_daemon_that_ends_before_its_answer_exits_3(
    lines: list[str],
    answering: Callable[..., Answers],
    capsys: pytest.CaptureFixture[str],
) -> None:
    answering(*lines)
    assert _run("select", "neck") == 3
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "firmware-ctl: a port does not answer, or has ended\n"


# --- a start right after a stop ---

STOPPED = "err busy stopped just now; try again in a moment\r\n"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses of the client, in seconds. They take no time."""
    made: list[float] = []
    monkeypatch.setattr(commands, "sleep", made.append)
    return made


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        (["start", "neck"], b"start neck\n"),
        (["try", "hips", "wave", "30%"], b"try hips wave 30%\n"),
    ],
)
def test_start_just_after_a_stop_is_sent_once_more_without_a_message(
    words: list[str],
    sent: bytes,
    answering: Callable[..., Answers],
    pauses: list[float],
    capsys: pytest.CaptureFixture[str],
) -> None:
    stream = answering(STOPPED, "ok profile=neck left=480\r\n")
    assert _run(*words) == 0
    assert stream.sent == sent * 2
    assert capsys.readouterr().out == "ok profile=neck left=480\n"
    assert pauses == [AGAIN_S]
    assert RESTART_MS / 1000 < AGAIN_S < 2 * RESTART_MS / 1000


def test_start_after_which_someone_stops_again_is_not_sent_a_third_time(
    answering: Callable[..., Answers], pauses: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    stream = answering(*[STOPPED] * 99)
    assert _run("start") == 1
    assert stream.sent == b"start\n" * 2
    error = capsys.readouterr().err
    assert error == "firmware-ctl: busy: stopped just now; try again in a moment\n"


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["start"], "err busy a stop overtook this start; send it again\r\n"),
        (["start"], "err busy long is running; stop it first\r\n"),
        (["try", "hips", "wave", "30%"], "err busy long is running; stop it first\r\n"),
        (["send", "start"], STOPPED),
        (["resume"], STOPPED),
    ],
)
def test_request_that_a_stop_overtook_or_that_is_not_a_start_is_sent_once(
    words: list[str],
    answer: str,
    answering: Callable[..., Answers],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(commands, "sleep", lambda _: pytest.fail("the client waits"))
    stream = answering(answer, answer)
    assert _run(*words) == 1
    assert stream.sent.count(b"\n") == 1


# --- the stop, which goes to all ---


class Daemons:
    """The control sockets of the service and of a mock, in a folder of the test."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.service, self.mock = str(folder / "service"), str(folder / "mock")
        monkeypatch.setattr(paths, "SERVICE_SOCKET", self.service)
        monkeypatch.setattr(paths, "mock_socket", lambda: self.mock)
        self.open: list[socket.socket] = []
        self.received: dict[str, bytes] = {}
        self.threads: list[Thread] = []

    def listen(self, path: str, backlog: int = 8) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(path)
        sock.listen(backlog)
        self.open.append(sock)
        return sock

    def answer(self, path: str, line: bytes) -> None:
        """A daemon that answers the first bytes that it receives with a line."""
        sock = self.listen(path)
        sock.settimeout(10)  # a daemon that is never asked fails its test, instead of hanging

        def serve() -> None:
            client, _ = sock.accept()
            with client:
                self.received[path] = client.recv(100)
                client.sendall(line)

        self.threads.append(Thread(target=serve))
        self.threads[-1].start()

    def close(self) -> None:
        for thread in self.threads:
            thread.join()
        for sock in self.open:
            sock.close()


@pytest.fixture
def daemons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemons]:
    made = Daemons(tmp_path, monkeypatch)
    yield made
    made.close()


def test_stop_sends_the_stop_byte_to_every_daemon(
    daemons: Daemons, capsys: pytest.CaptureFixture[str]
) -> None:
    daemons.answer(daemons.service, b"* stopped\r\n")
    daemons.answer(daemons.mock, b"* ready\r\n* stopped\r\n")
    assert _run("stop") == 0
    assert daemons.received == {daemons.service: b"!", daemons.mock: b"!"}
    printed = capsys.readouterr()
    assert printed.err == ""
    assert sorted(printed.out.splitlines()) == [
        f"{daemons.mock}: all motors are off",
        f"{daemons.service}: all motors are off",
    ]


def test_stop_with_one_daemon_that_hangs_stops_the_other_and_names_the_hanging_one(
    daemons: Daemons, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The queue of the first daemon is full and nobody accepts from it, so a connect waits."""
    monkeypatch.setattr(commands, "ANSWER_S", 0.2)
    daemons.listen(daemons.service, backlog=0)
    waiting = socket.socket(socket.AF_UNIX)
    waiting.connect(daemons.service)
    daemons.answer(daemons.mock, b"* stopped\r\n")
    assert _run("stop") == 3
    waiting.close()
    assert daemons.received == {daemons.mock: b"!"}
    printed = capsys.readouterr()
    assert printed.out == f"{daemons.mock}: all motors are off\n"
    assert printed.err.startswith(f"firmware-ctl: {daemons.service} does not answer: ")
    assert "`firmware-ctl off`" in printed.err


def test_stop_is_sent_to_all_daemons_before_any_answer_is_awaited(
    daemons: Daemons, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service answers only after the mock has received its stop."""
    sockets = daemons.listen(daemons.service), daemons.listen(daemons.mock)

    def serve() -> None:
        clients = [sock.accept()[0] for sock in reversed(sockets)]  # the mock first
        for client in clients:
            assert client.recv(100) == b"!"
        for client in clients:
            client.sendall(b"* stopped\r\n")
            client.close()

    daemons.threads.append(Thread(target=serve))
    daemons.threads[-1].start()
    assert _run("stop") == 0


def test_stop_without_permission_for_one_daemon_stops_the_other_and_exits_3(
    daemons: Daemons, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> str:
        raise commands.DeviceError("/tmp/x belongs to another user")

    monkeypatch.setattr(paths, "mock_socket", refuse)
    daemons.answer(daemons.service, b"* stopped\r\n")
    assert _run("stop") == 3
    assert daemons.received == {daemons.service: b"!"}
    assert "/tmp/x belongs to another user" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["stop"], ["start"], ["status"]])
@pytest.mark.parametrize("left", ["no socket", "dead sockets"])
def test_command_without_a_daemon_exits_3_and_proposes_a_command(
    words: list[str], left: str, daemons: Daemons, capsys: pytest.CaptureFixture[str]
) -> None:
    if left == "dead sockets":
        daemons.listen(daemons.service).close()
        daemons.listen(daemons.mock).close()
    assert _run(*words) == 3
    printed = capsys.readouterr()
    sentence = commands.NOTHING_TO_STOP if words == ["stop"] else commands.NOT_FOUND
    assert (printed.out, printed.err) == ("", f"firmware-ctl: {sentence}\n")


@pytest.mark.parametrize(
    ("line", "warnings"),
    [
        ("stop now", ["stop ignored 'now'; see `firmware-ctl stop --help`"]),
        ("stop all please", ["stop ignored 'all please'; see `firmware-ctl stop --help`"]),
        ("stop --now", ["stop ignored '--now'; see `firmware-ctl stop --help`"]),
        ("stop --socket", ["stop ignored '--socket'; see `firmware-ctl stop --help`"]),
        ("Stop", []),
        ("STOP", []),
        *(
            (word, [f"unknown command '{word}' was taken as stop"])
            for word in [
                "halt",
                "abort",
                "stpo",
                "sttop",
                "sto",
                "stop!",
                "--stop",
                "stop-now",
                "Halt",
            ]
        ),
        (
            "HALT now",
            [
                "unknown command 'HALT' was taken as stop",
                "stop ignored 'now'; see `firmware-ctl stop --help`",
            ],
        ),
    ],
)
def test_command_line_that_begins_with_stop_stops_and_then_says_what_it_ignored(
    line: str, warnings: list[str], daemons: Daemons, capsys: pytest.CaptureFixture[str]
) -> None:
    daemons.answer(daemons.mock, b"* stopped\r\n")
    assert _run(*line.split()) == 0
    assert daemons.received == {daemons.mock: b"!"}
    assert capsys.readouterr() == (
        f"{daemons.mock}: all motors are off\n",
        "".join(f"firmware-ctl: {warning}\n" for warning in warnings),
    )


def test_stop_with_a_shortened_option_and_more_words_asks_the_named_daemon(
    daemons: Daemons, tmp_path: Path
) -> None:
    path = str(tmp_path / "other")
    daemons.answer(path, b"* stopped\r\n")
    assert _run("stop", "now", "--sock", path) == 0
    assert daemons.received == {path: b"!"}


def test_stop_follows_the_link_of_a_mock_with_a_socket_of_its_own(
    daemons: Daemons, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = str(tmp_path / "own")
    daemons.answer(daemons.mock, b"* stopped\r\n")
    daemons.answer(own, b"* stopped\r\n")
    (tmp_path / "mock-1234.sock").symlink_to(own)
    (tmp_path / "mock-dead.sock").symlink_to(tmp_path / "gone")
    assert _run("stop") == 0
    assert daemons.received == {daemons.mock: b"!", own: b"!"}
    assert sorted(capsys.readouterr().out.splitlines()) == [
        f"{daemons.mock}: all motors are off",
        f"{own}: all motors are off",
    ]


def test_stop_with_a_link_that_vanishes_follows_the_others(
    daemons: Daemons, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = str(tmp_path / "own")
    daemons.answer(own, b"* stopped\r\n")
    (tmp_path / "mock-1234.sock").symlink_to(own)
    (tmp_path / "mock-5678.sock").symlink_to(tmp_path / "other")
    readlink = os.readlink

    def vanishing(path: str) -> str:
        if path.endswith("5678.sock"):
            os.unlink(path)
        return readlink(path)

    monkeypatch.setattr(os, "readlink", vanishing)
    assert _run("stop") == 0
    assert daemons.received == {own: b"!"}


def test_off_with_further_words_acts_and_then_says_that_it_ignored_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    acted: list[str] = []
    monkeypatch.setattr(off, "all_low", lambda args: acted.append("off") or 0)
    assert _run("off", "now") == 0
    assert acted == ["off"]
    assert capsys.readouterr().err.startswith("firmware-ctl: off ignored 'now'; see ")


def test_stop_with_a_linked_socket_of_another_user_asks_it_nothing(
    daemons: Daemons,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    own = str(tmp_path / "own")
    listener = daemons.listen(own)
    (tmp_path / "mock-1234.sock").symlink_to(own)
    monkeypatch.setattr(commands.struct, "unpack", lambda *_: (1, 54_321, 1))
    assert _run("stop") == 3
    client, _ = listener.accept()
    with client:
        assert client.recv(100) == b""
    assert "belongs to another user (uid 54321)" in capsys.readouterr().err


def test_stop_with_socket_asks_only_that_daemon(
    daemons: Daemons, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemons.listen(daemons.service)
    path = str(tmp_path / "other")
    assert _run("stop", "--socket", path) == 3
    assert capsys.readouterr().err == f"firmware-ctl: no daemon runs: there is no {path}\n"


@pytest.mark.parametrize(
    ("port", "sentence"),
    [
        ("/dev/null", "/dev/null is not a serial port; a mock prints its port"),
        ("/etc/passwd", "/etc/passwd is not a serial port; a mock prints its port"),
        ("/etc", "/etc is not a serial port; a mock prints its port"),
        ("/dev/nope", "there is no /dev/nope; a mock prints its port"),
        ("socket://localhost:999999", "socket://localhost:999999 cannot be opened: "),
        ("none://", "none:// cannot be opened: "),
    ],
)
def test_port_that_cannot_be_opened_is_one_sentence_and_exits_3(
    port: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["stop"], ["status"]):
        assert _run(*words, "--port", port) == 3
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith(f"firmware-ctl: {sentence}")
        assert printed.err.count("\n") == 1


def test_client_that_finds_no_daemon_closes_its_sockets(daemons: Daemons) -> None:
    before = os.listdir("/proc/self/fd")
    assert _run("status") == 3
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize("threads_left", [0, 1])
def test_stop_without_a_thread_left_is_sent_to_every_daemon_in_turn(
    threads_left: int,
    daemons: Daemons,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The first daemon takes no client, so the turn of the second comes after a time-out."""
    left = threads_left

    class Scarce(Thread):
        def start(self) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise RuntimeError("can't start new thread")
            super().start()

    monkeypatch.setattr(commands, "Thread", Scarce)
    monkeypatch.setattr(commands, "ANSWER_S", 0.2)
    daemons.listen(daemons.service, backlog=0)
    waiting = socket.socket(socket.AF_UNIX)
    waiting.connect(daemons.service)
    daemons.answer(daemons.mock, b"* stopped\r\n")
    assert _run("stop") == 3
    waiting.close()
    assert daemons.received == {daemons.mock: b"!"}
    printed = capsys.readouterr()
    assert printed.out == f"{daemons.mock}: all motors are off\n"
    assert printed.err.startswith(f"firmware-ctl: {daemons.service} does not answer: ")


def test_stop_reports_the_daemons_that_stopped_although_another_one_never_answers(
    daemons: Daemons, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file system that hangs holds up a connection for ever."""
    has_printed = Event()
    open_socket = commands.open_socket

    def open_or_hang(path: str, is_named: bool = True) -> Client:
        if path == daemons.service:
            has_printed.wait()
        return open_socket(path, is_named)

    monkeypatch.setattr(commands, "open_socket", open_or_hang)
    monkeypatch.setattr(commands, "STOP_WITHIN_S", 0.5)
    daemons.answer(daemons.mock, b"* stopped\r\n")
    assert _run("stop") == 3
    has_printed.set()
    printed = capsys.readouterr()
    assert printed.out == f"{daemons.mock}: all motors are off\n"
    assert printed.err.startswith("firmware-ctl: a daemon did not answer within 0 s; ")
