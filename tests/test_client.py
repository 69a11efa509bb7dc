"""What the client commands send, and what they make of an answer."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from firmware_ctl import client as commands
from firmware_ctl import places
from firmware_ctl.cli import main
from firmware_ctl.client import AGAIN_S, Client


class Stream:
    """Keeps what is written; answers every line with ok."""

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


def test_a_stop_stops_behind_a_line_that_someone_has_half_typed() -> None:
    stream = Stream()
    client = Client(stream, "a port", lambda: None)
    assert client.ask("stop") == ["ok"]
    assert client.ask("status") == ["ok"]
    assert stream.sent == b"!stop\nstatus\n"


NO_TEXT = "cannot be sent, only printable ASCII can; leave it out"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["select", "neck\nstart"], f"'\\n' {NO_TEXT}"),
        (["start", "neck\rstart hips"], f"'\\r' {NO_TEXT}"),
        (["try", "hips", "wave", "30\x03"], f"'\\x03' {NO_TEXT}"),
        (["send", "ping\nstart neck"], f"'\\n' {NO_TEXT}"),
        (["send", "sétart"], f"'é' {NO_TEXT}"),
        (["send", "s\udce9tart"], f"'\\udce9' {NO_TEXT}"),
        (["send", ""], "an empty line gets no answer; try: firmware-ctl send help"),
        (["send", "  "], "an empty line gets no answer; try: firmware-ctl send help"),
        (
            ["send", "sta?rt"],
            "? acts at once and is part of no line; send it alone: firmware-ctl send '?'",
        ),
        (
            ["start", "neck!"],
            "! acts at once and is part of no line; send it alone: firmware-ctl send '!'",
        ),
    ],
)
def test_what_is_no_line_of_text_is_refused_before_anyone_is_asked(
    words: list[str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(commands, "find", lambda *_: pytest.fail("it connects"))
    with pytest.raises(SystemExit) as ended:
        main(words)
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (2, "")
    assert said.err == f"firmware-ctl: {sentence}\n"


@pytest.mark.parametrize(
    ("line", "sent", "told"),
    [
        ("!", b"!", "* stopped"),
        ("stop!", b"!", "* stopped"),
        ("é\n!start", b"!", "* stopped"),
        ("?", b"?", "* status state=idle"),
    ],
)
def test_a_byte_that_acts_at_once_is_sent_alone_and_gets_its_own_line(
    line: str,
    sent: bytes,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Told(Stream):
        def readline(self) -> bytes:
            return f"{told}\r\n".encode()

    stream = Told()
    monkeypatch.setattr(commands, "find", lambda _: Client(stream, "a port", lambda: None))
    with pytest.raises(SystemExit) as ended:
        main(["send", line])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"{told}\n")
    assert stream.sent == sent


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


@pytest.mark.parametrize("more", [[], ["--json"], ["--watch"]])
def test_status_answered_err_ends_with_1_on_stderr(
    more: list[str],
    answering: Callable[..., Answers],
    capsys: pytest.CaptureFixture[str],
) -> None:
    answering("err unknown-command selstatus is no command; try help\r\n")
    assert _run("status", *more) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "firmware-ctl: unknown-command: selstatus is no command; try help\n"


@pytest.mark.parametrize("lines", [[""], ["ok prof"], ["- half\r\n", ""]])
def test_request_to_a_daemon_that_ends_meanwhile_ends_with_3(
    lines: list[str],
    answering: Callable[..., Answers],
    capsys: pytest.CaptureFixture[str],
) -> None:
    answering(*lines)
    assert _run("select", "neck") == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "firmware-ctl: a port does not answer, or has ended\n"


def test_status_watch_of_a_daemon_that_ends_says_so_and_ends_with_3(
    answering: Callable[..., Answers], capsys: pytest.CaptureFixture[str]
) -> None:
    answering("ok state=idle\r\n", "ok\r\n", "")
    assert _run("status", "--watch") == 3
    said = capsys.readouterr()
    assert said.out == "state=idle\n"
    assert said.err == "firmware-ctl: a port has ended\n"


# --- a start right after a stop ---

STOPPED = "err busy stopped less than 100 ms ago; start again\r\n"


class Time:
    """The client's clock; sleeping makes it later."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1000.0
        monkeypatch.setattr(commands, "monotonic", lambda: self.now_s)
        monkeypatch.setattr(commands, "sleep", self.sleep)

    def sleep(self, for_s: float) -> None:
        self.now_s += for_s


@pytest.mark.parametrize(
    ("words", "sent"),
    [(["start", "neck"], b"start neck\n"), (["try", "hips", "wave", "30"], b"try hips wave 30\n")],
)
def test_start_just_after_a_stop_is_sent_again_in_silence(
    words: list[str],
    sent: bytes,
    answering: Callable[..., Answers],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    time = Time(monkeypatch)
    stream = answering(STOPPED, STOPPED, "ok profile=neck left=480\r\n")
    assert _run(*words) == 0
    assert stream.sent == sent * 3
    assert capsys.readouterr() == ("ok profile=neck left=480\n", "")
    assert time.now_s > 1000.0


def test_start_that_stays_refused_is_given_up_soon(
    answering: Callable[..., Answers],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    time = Time(monkeypatch)
    stream = answering(*[STOPPED] * 99)
    assert _run("start") == 1
    assert 1 < stream.sent.count(b"start\n") < 20
    assert time.now_s - 1000 < AGAIN_S + 0.1
    said = capsys.readouterr().err
    assert said == "firmware-ctl: busy: stopped less than 100 ms ago; start again\n"


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["start"], "err busy a stop overtook this start; send it again\r\n"),
        (["start"], "err busy long is running; stop it first\r\n"),
        (["send", "start"], STOPPED),
        (["resume"], STOPPED),
    ],
)
def test_request_that_a_stop_overtook_or_that_is_no_start_is_sent_once(
    words: list[str],
    answer: str,
    answering: Callable[..., Answers],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(commands, "sleep", lambda _: pytest.fail("it waits"))
    stream = answering(answer, answer)
    assert _run(*words) == 1
    assert stream.sent.count(b"\n") == 1


# --- the stop, which goes to all ---


class Daemons:
    """The service's and the mock's control socket, in a folder of the test."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.service, self.mock = str(folder / "service"), str(folder / "mock")
        monkeypatch.setattr(places, "SERVICE_SOCKET", self.service)
        monkeypatch.setattr(places, "mock_socket", lambda: self.mock)
        self.open: list[socket.socket] = []
        self.heard: dict[str, bytes] = {}
        self.threads: list[Thread] = []

    def listen(self, path: str, backlog: int = 8) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(path)
        sock.listen(backlog)
        self.open.append(sock)
        return sock

    def answer(self, path: str, line: bytes) -> None:
        """A daemon that answers the first bytes that it gets with a line."""
        sock = self.listen(path)

        def serve() -> None:
            client, _ = sock.accept()
            with client:
                self.heard[path] = client.recv(100)
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


def test_stop_is_the_byte_alone_and_goes_to_every_daemon(
    daemons: Daemons, capsys: pytest.CaptureFixture[str]
) -> None:
    daemons.answer(daemons.service, b"* stopped\r\n")
    daemons.answer(daemons.mock, b"* ready\r\n* stopped\r\n")
    assert _run("stop") == 0
    assert daemons.heard == {daemons.service: b"!", daemons.mock: b"!"}
    said = capsys.readouterr()
    assert said.err == ""
    assert sorted(said.out.splitlines()) == [
        f"{daemons.mock}: all motors are off",
        f"{daemons.service}: all motors are off",
    ]


def test_stop_waits_for_no_daemon_that_hangs_and_then_says_which_did(
    daemons: Daemons, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first one's queue is full, so that a connect waits, and nobody takes from it."""
    monkeypatch.setattr(commands, "ANSWER_S", 0.2)
    daemons.listen(daemons.service, backlog=0)
    waiting = socket.socket(socket.AF_UNIX)
    waiting.connect(daemons.service)
    daemons.answer(daemons.mock, b"* stopped\r\n")
    assert _run("stop") == 3
    waiting.close()
    assert daemons.heard == {daemons.mock: b"!"}
    said = capsys.readouterr()
    assert said.out == f"{daemons.mock}: all motors are off\n"
    assert said.err.startswith(f"firmware-ctl: {daemons.service} does not answer: ")
    assert "`firmware-ctl off`" in said.err


def test_stop_reaches_one_daemon_before_it_waits_for_the_answer_of_another(
    daemons: Daemons, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service answers only when the mock has heard its stop."""
    heard = daemons.listen(daemons.service), daemons.listen(daemons.mock)

    def serve() -> None:
        clients = [sock.accept()[0] for sock in reversed(heard)]  # the mock first
        for client in clients:
            assert client.recv(100) == b"!"
        for client in clients:
            client.sendall(b"* stopped\r\n")
            client.close()

    daemons.threads.append(Thread(target=serve))
    daemons.threads[-1].start()
    assert _run("stop") == 0


def test_stop_of_a_daemon_that_may_not_be_asked_stops_the_other_and_fails(
    daemons: Daemons, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> str:
        raise commands.DeviceError("/tmp/x belongs to another user")

    monkeypatch.setattr(places, "mock_socket", refuse)
    daemons.answer(daemons.service, b"* stopped\r\n")
    assert _run("stop") == 3
    assert daemons.heard == {daemons.service: b"!"}
    assert "/tmp/x belongs to another user" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["stop"], ["start"], ["status"]])
@pytest.mark.parametrize("left", ["nothing", "dead sockets"])
def test_without_a_daemon_a_command_ends_with_3_and_says_what_to_do(
    words: list[str], left: str, daemons: Daemons, capsys: pytest.CaptureFixture[str]
) -> None:
    if left == "dead sockets":
        daemons.listen(daemons.service).close()
        daemons.listen(daemons.mock).close()
    assert _run(*words) == 3
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"firmware-ctl: {commands.NOT_FOUND}\n")


def test_stop_of_a_named_socket_asks_no_other(
    daemons: Daemons, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemons.listen(daemons.service)
    path = str(tmp_path / "other")
    assert _run("stop", "--socket", path) == 3
    assert capsys.readouterr().err == f"firmware-ctl: no daemon runs: there is no {path}\n"


@pytest.mark.parametrize("port", ["/dev/null", "socket://localhost:999999", "none://", "PATH"])
def test_port_that_cannot_be_opened_is_one_sentence_and_3(
    port: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = port.replace("PATH", str(tmp_path / "none"))
    for words in (["stop"], ["status"]):
        assert _run(*words, "--port", port) == 3
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith(f"firmware-ctl: {port} cannot be opened: ")
        assert said.err.count("\n") == 1


def test_client_that_finds_no_daemon_keeps_no_socket_open(daemons: Daemons) -> None:
    before = os.listdir("/proc/self/fd")
    assert _run("status") == 3
    assert os.listdir("/proc/self/fd") == before
