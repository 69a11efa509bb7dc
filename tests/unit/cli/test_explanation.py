"""`explain`: the daemon's figures if one runs, else those of the file."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from firmware_ctl.cli.main import main
from firmware_ctl.config import paths

ROW = b"phase=%b zone=hips asked=20 cap=70 trim=50 supply=100 level=10 duty=35 bound=%b\r\n"
ANSWER = (
    b"- "
    + ROW % (b'"knead\\u001b[2J"', b'"trim"')
    + b"- "
    + ROW % (b'"press"', b'"profile"')
    + b'- more="firmware-ctl explain with the file of this profile shows all rows"\r\nok\r\n'
)
TABLE = (
    "phase         zone  asked  cap  trim  supply  limited by  level  duty\n"
    "knead\\x1b[2J  hips    20%  70%   50%    100%  trim          10%   35%\n"
    "press         hips    20%  70%   50%    100%  profile       10%   35%\n"
)


def _run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["explain", *words])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture(autouse=True)
def sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """The control sockets of the service and of a mock. Neither exists."""
    service, mock = str(tmp_path / "service"), str(tmp_path / "mock")
    monkeypatch.setattr(paths, "SERVICE_SOCKET", service)
    monkeypatch.setattr(paths, "mock_socket", lambda: mock)
    return service, mock


@pytest.fixture
def serve(sockets: tuple[str, str]) -> Iterator[Callable[[bytes, bytes], str]]:
    """Starts a mock that expects one request and gives one answer. Returns its socket."""
    threads = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sockets[1])
        listener.listen()

        def start(request: bytes, answer: bytes) -> str:
            def answer_one() -> None:
                client, _ = listener.accept()
                with client:
                    assert client.recv(100) == request
                    client.sendall(answer)

            threads.append(Thread(target=answer_one))
            threads[0].start()
            return sockets[1]

        yield start
        for thread in threads:
            thread.join()


def test_name_is_explained_by_the_daemon_that_runs(
    serve: Callable[[bytes, bytes], str], capsys: pytest.CaptureFixture[str]
) -> None:
    where = serve(b"explain mine\n", ANSWER)
    assert _run("mine") == 0
    assert capsys.readouterr() == (
        TABLE,
        f"as the daemon at {where} plays it:\n"
        "firmware-ctl explain with the file of this profile shows all rows\n",
    )


def test_refusal_of_the_daemon_is_printed(
    serve: Callable[[bytes, bytes], str], capsys: pytest.CaptureFixture[str]
) -> None:
    serve(b"explain nekc\n", b"err unknown-profile there is no profile nekc\r\n")
    assert _run("nekc") == 1
    printed = capsys.readouterr()
    assert printed == ("", "firmware-ctl: unknown-profile: there is no profile nekc\n")


def test_file_is_explained_without_the_daemon(
    serve: Callable[[bytes, bytes], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.yaml").write_text(
        "title: Mine\nphases: [{name: one, for: 1min, play: {hips: 20%}}]\n"
    )
    assert _run(str(tmp_path / "mine.yaml")) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1].split()[:5] == ["one", "hips", "20%", "70%", "100%"]
    assert err == ""


def test_name_without_a_daemon_is_explained_from_its_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _run("neck") == 0
    assert "as no daemon answers" in capsys.readouterr().err


def test_name_beside_a_dead_socket_is_explained_from_its_file(
    sockets: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(sockets[1])
    assert _run("neck") == 0
    out, err = capsys.readouterr()
    assert out.startswith("phase ")
    assert "as no daemon answers" in err


def test_name_for_a_named_daemon_that_does_not_run_exits_3(
    sockets: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("neck", "--socket", sockets[0]) == 3
    assert capsys.readouterr().out == ""
