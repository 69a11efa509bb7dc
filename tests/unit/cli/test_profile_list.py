"""`profiles`: where the list comes from, and the description of one profile."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from firmware_ctl.cli.main import main
from firmware_ctl.cli.profile_list import WHO_SHOULD_ASK
from firmware_ctl.config import paths, shipped
from tests.support.process import SHORT


def _run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture(autouse=True)
def sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """The control sockets of the service and of a mock. Neither exists."""
    service, mock = str(tmp_path / "service"), str(tmp_path / "mock")
    monkeypatch.setattr(paths, "SERVICE_SOCKET", service)
    monkeypatch.setattr(paths, "mock_socket", lambda: mock)
    return service, mock


ANSWER = (
    b'- mine minutes=12.67 selected=yes title="Mine\\u001b[2J"\r\n'
    b'- neck minutes=8 selected=no title="Neck"\r\n'
    b"ok count=2\r\n"
)


@pytest.fixture
def daemon(sockets: tuple[str, str]) -> Iterator[str]:
    """A mock that answers one request with its profiles."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sockets[1])
        listener.listen()

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                assert client.recv(100) == b"profiles\n"
                client.sendall(ANSWER)

        thread = Thread(target=serve)
        thread.start()
        yield sockets[1]
        thread.join()


def test_list_is_the_daemons_if_one_runs(daemon: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("profiles") == 0
    assert capsys.readouterr() == (
        "mine  12:40 min  Mine\\x1b[2J  (selected)\nneck   8:00 min  Neck\n",
        f"profiles of the daemon at {daemon}:\n{WHO_SHOULD_ASK}\n",
    )


def test_list_names_the_length_of_a_very_short_profile(
    tmp_path: Path, answers: dict[bytes, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own").mkdir()
    blink = "title: Short\nphases: [{name: s, for: 50ms, play: {hips: 20%}}]\n"
    (tmp_path / "own" / "blink.yaml").write_text(blink)
    assert _run("profiles", "--profiles", str(tmp_path / "own")) == 0
    assert capsys.readouterr().out == "blink      50 ms  Short\n"
    answers[b"profiles\n"] = b'- blink minutes=0 selected=no title="Short"\r\nok count=1\r\n'
    assert _run("profiles") == 0
    assert capsys.readouterr().out == "blink  under 1 s  Short\n"


def test_list_of_an_empty_folder_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own").mkdir()
    assert _run("profiles", "--profiles", str(tmp_path / "own")) == 0
    sentence = f"none: no profile in {tmp_path}/own; profile files end in .yaml"
    assert capsys.readouterr() == ("", f"{sentence}\n{WHO_SHOULD_ASK}\n")


def test_list_of_a_named_daemon_is_asked_there(
    daemon: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("profiles", "--socket", daemon) == 0
    assert capsys.readouterr().out.startswith("mine ")


def test_list_of_a_named_daemon_that_does_not_run_exits_3(
    sockets: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("profiles", "--socket", sockets[0]) == 3
    assert capsys.readouterr() == (
        "",
        f"firmware-ctl: no daemon runs: there is no {sockets[0]}\n",
    )


def test_list_without_a_daemon_is_said_to_be_the_shipped_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _run("profiles") == 0
    printed = capsys.readouterr()
    names = [line.split()[0] for line in printed.out.splitlines()]
    assert names == sorted(path.stem for path in Path(shipped.profiles_dir()).glob("*.yaml"))
    assert printed.err == f"shipped profiles, as no daemon answers:\n{WHO_SHOULD_ASK}\n"


def test_list_beside_the_dead_socket_of_a_daemon_is_the_shipped_one(
    sockets: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(sockets[1])
    assert _run("profiles") == 0
    assert "shipped profiles, as no daemon answers:\n" in capsys.readouterr().err


def test_list_with_the_services_own_folder_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own").mkdir()
    monkeypatch.setattr(paths, "SERVICE_PROFILES", str(tmp_path / "own"))
    assert _run("profiles") == 0
    heading = capsys.readouterr().err.splitlines()[0]
    assert heading == f"shipped profiles and those of {tmp_path}/own, as no daemon answers:"


MINE = """\
title: Mine
about: One line of text that is written for the person who lies on the mat, to be read before it.
phases:
  - name: knead
    points: [BL23]
    for: 10s
    repeat: 3
    play: {lower_back: {pattern: alternate, level: {from: 10%, to: 30%}, period: 2s}, hips: 20%}
  - name: hand
    cue: LI4
    for: 45s
"""


def test_description_shows_each_phase_once_below_the_groups_that_repeat_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.yaml"
    inner = "{repeat: 2, phases: [{name: b, for: 2s, play: {hips: 20%}}]}"
    path.write_text(
        "title: T\nphases:\n- {name: a, for: 9s, play: {hips: 20%}}\n"
        f"- {{repeat: 3, phases: [rest: 1s, {inner}]}}\n"
        f"- {inner}\n"
    )
    assert _run("profiles", str(path)) == 0
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("  phases")
    assert lines[at + 1 : at + 8] == [
        "     0:09 min  a: hips steady 20%",
        "               3 times:",
        "     0:01 min    rest",
        "                 2 times:",
        "     0:02 min      b: hips steady 20%",
        "               2 times:",
        "     0:02 min    b: hips steady 20%",
    ]


def test_description_has_title_about_points_phases_and_warnings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(MINE)
    assert _run("profiles", str(path)) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert (lines[0], printed.err) == ("mine: Mine", "")
    assert lines[1].startswith("  about    One line of text")
    assert lines[2].startswith("           ")
    assert "  length   1:15 min" in lines
    at = lines.index("  phases")
    assert lines[at - 4].startswith("  point    BL23, Bladder 23: lower back, about two finger")
    assert lines[at + 1 : at + 3] == [
        "     0:30 min  knead, 3 times, BL23: lower_back alternate 10% to 30%, hips steady 20%",
        "     0:45 min  hand, by hand: LI4",
    ]
    assert "  warning  LI4: Traditionally avoided in pregnancy." in lines
    assert any(
        line.startswith("  note     line ") and "hand: nothing plays, so its" in line
        for line in lines
    )
    assert lines[-2].startswith("  warning  Not for use while asleep")


@pytest.fixture
def answers(sockets: tuple[str, str]) -> Iterator[dict[bytes, bytes]]:
    """A mock that answers these requests, one a connection, until the test ends."""
    table: dict[bytes, bytes] = {}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sockets[1])
        listener.listen()

        def serve() -> None:
            while True:
                client, _ = listener.accept()
                with client:
                    request = client.recv(100)
                    if not request:
                        return
                    client.sendall(table[request])

        thread = Thread(target=serve)
        thread.start()
        yield table
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(sockets[1])
        thread.join()


ROWS = (
    b'- phase="a" zone=hips asked=40 bound=""\r\n- phase="a" zone=neck asked=20 bound=""\r\n'
    b'- phase="b" zone=hips asked=10 bound=""\r\n- more="see the file"\r\nok\r\n'
)


@pytest.mark.parametrize("name", ["mine", "neck"])
def test_description_of_a_profile_that_only_the_daemon_has_is_what_the_daemon_tells(
    name: str,
    answers: dict[bytes, bytes],
    sockets: tuple[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also where a shipped profile has the name, and another title and length."""
    answers[b"profiles\n"] = ANSWER
    answers[f"explain {name}\n".encode()] = ROWS
    assert _run("profiles", name) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    title, length = ("Mine\\x1b[2J", "12:40 min") if name == "mine" else ("Neck", "8:00 min")
    assert lines[:6] == [
        f"{name}: {title}",
        f"  daemon   {sockets[1]}",
        f"  length   {length}",
        "  phases",
        "    a: hips 40%, neck 20%",
        "    b: hips 10%",
    ]
    assert "firmware-ctl profiles FILE." in printed.out
    assert printed.err == ""


def test_description_of_a_shipped_profile_that_the_daemon_serves_is_its_file(
    answers: dict[bytes, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    answers[b"profiles\n"] = (
        b'- neck minutes=8 selected=no title="Neck and upper back"\r\nok count=1\r\n'
    )
    assert _run("profiles", "neck") == 0
    assert f"  file     {shipped.profiles_dir()}/neck.yaml" in capsys.readouterr().out


def test_description_of_every_shipped_profile_fits_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for path in sorted(Path(shipped.profiles_dir()).glob("*.yaml")):
        assert _run("profiles", path.stem) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith(f"{path.stem}: ")
        assert f"{path}" in " ".join(lines)


def test_description_of_an_invalid_profile_is_its_mistakes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(SHORT.replace("level: 40%", "levle: 40%"))
    assert _run("profiles", str(path)) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"{path}:5:")


def test_description_of_an_unknown_profile_proposes_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("profiles", "nekc") == 2
    assert capsys.readouterr().err.endswith("; did you mean neck?\n")


def test_description_in_a_folder_of_profiles(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "neck.yaml").write_text(MINE)
    assert _run("profiles", "neck", "--profiles", str(tmp_path)) == 0
    assert f"  file     {os.path.join(tmp_path, 'neck.yaml')}" in capsys.readouterr().out
