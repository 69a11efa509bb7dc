"""`explain`: of the daemon that runs, and of files."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from firmware_ctl.cli.main import main
from firmware_ctl.config import paths
from tests.support.process import SHORT

HEADS = "phase  zone  asked  cap  trim  supply  limited by  level  duty"


def run(*words: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main(words)
    return ended.value.code


@pytest.fixture
def mock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The control socket of a mock. It does not exist, and no service has one."""
    path = str(tmp_path / "mock")
    monkeypatch.setattr(paths, "SERVICE_SOCKET", str(tmp_path / "service"))
    monkeypatch.setattr(paths, "mock_socket", lambda: path)
    monkeypatch.chdir(tmp_path)
    return path


@contextmanager
def answering(path: str, request: bytes, answer: bytes) -> Iterator[None]:
    """A daemon that answers one request."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        listener.settimeout(5)  # a command that asks nothing fails the test, and does not hang it

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                assert client.recv(100) == request
                client.sendall(answer)

        thread = Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            thread.join()


ROW = (
    b'- phase="a b\\u001b[2J" zone=hips asked=40 cap=70 trim=50 supply=100 level=20 duty=39 '
    b'bound="trim"\r\n'
)


def test_explain_of_a_name_is_the_daemons_at_its_trim(
    mock: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(mock, b"explain mine\n", ROW + b'- more="see the file"\r\nok\r\n'):
        assert run("explain", "mine") == 0
    printed = capsys.readouterr()
    heads, row = printed.out.splitlines()
    assert heads.split() == HEADS.split()
    assert row.split() == [
        "a",
        "b\\x1b[2J",
        "hips",
        "40%",
        "70%",
        "50%",
        "100%",
        "trim",
        "20%",
        "39%",
    ]
    assert printed.err == (
        f"mine as the daemon at {mock} plays it now:\nfirmware-ctl: note: see the file\n"
    )


def test_explain_of_a_profile_that_changed_while_it_plays_says_that_the_session_keeps_its_own(
    mock: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(mock, b"explain mine\n", ROW + b"ok running=older\r\n"):
        assert run("explain", "mine") == 0
    assert capsys.readouterr().err == (
        f"mine as the next start will play it on the daemon at {mock}; "
        "the running session keeps the version it was started with:\n"
    )


def test_explain_of_a_profile_that_the_daemon_does_not_serve_is_of_the_files(
    mock: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(mock, b"explain neck\n", b"err unknown-profile there is no profile neck\r\n"):
        assert run("explain", "neck") == 0
    printed = capsys.readouterr()
    assert printed.err == "firmware-ctl: unknown-profile: there is no profile neck\n"
    assert printed.out.startswith("phase ")


def test_explain_of_a_profile_that_is_invalid_in_the_daemon_says_so(
    mock: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(mock, b"explain neck\n", b"err invalid-profile neck.yaml:3:7: level: \r\n"):
        assert run("explain", "neck") == 1
    assert capsys.readouterr() == ("", "firmware-ctl: invalid-profile: neck.yaml:3:7: level: \n")


@pytest.mark.parametrize("words", [["mine.yaml"], ["neck", "--profiles", "."]])
def test_explain_of_a_file_or_a_folder_asks_no_daemon(
    words: list[str], mock: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("mine", "neck"):
        (tmp_path / f"{name}.yaml").write_text(SHORT)
    Path(mock).touch()  # a socket that nothing listens on would make a sentence
    assert run("explain", *words) == 0
    assert capsys.readouterr().err == ""


def test_explain_of_a_named_daemon_that_does_not_run_exits_3(
    mock: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("explain", "neck", "--socket", mock) == 3
    assert capsys.readouterr() == ("", f"firmware-ctl: no daemon runs: there is no {mock}\n")
