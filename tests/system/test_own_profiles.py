"""A mock with profiles of the user's own, and a second mock."""

import shutil
import subprocess
from pathlib import Path

import pytest

from firmware_ctl.config import shipped
from tests.support.process import (
    PATIENCE_S,
    SHORT,
    Client,
    Lines,
    Mock,
    Terminal,
    call,
    command,
    environment,
)

SHIPPED = sorted(path.stem for path in Path(shipped.profiles_dir()).glob("*.yaml"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with the shipped profiles as the folder of `Mock`, and one file of the user's own."""
    shutil.copytree(shipped.profiles_dir(), tmp_path / "home" / "profiles")
    (tmp_path / "mine.yaml").write_text(SHORT.replace("Short", "Mine"))
    return tmp_path / "home"


def names(client: Client) -> list[str]:
    return [line.split()[1] for line in client.ask("profiles")[:-1]]


def test_mock_serves_own_files_beside_the_others_and_selects_the_first(
    home: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.yaml"
    with Mock(home, str(mine), "neck") as mock, Client(mock.port) as client:
        assert names(client) == sorted([*SHIPPED, "mine"])
        assert client.status()["profile"] == "mine"
        mine.write_text(SHORT.replace("Short", "Ours"))
        assert client.ask("reload") == [f"ok count={len(SHIPPED) + 1}"]
        assert any('title="Ours"' in line for line in client.ask("profiles"))
        mine.unlink()
        why = f"{mine}:1:1: the file cannot be read: there is no such file"
        refused = [f'- refused=mine why="{why}"', f"ok count={len(SHIPPED)} refused=1"]
        assert client.ask("reload") == refused
        mock.log.until(lambda line: line == why)
        first = client.status()["profile"]
        message = f"mine is refused; {first} is selected instead"
        mock.log.until(lambda line: line.startswith("event=refused ") and message in line)
        mine.write_text(SHORT)
        assert client.ask("reload") == [f"ok count={len(SHIPPED) + 1}"]
        assert client.status()["profile"] == "mine"


def test_own_file_replaces_a_profile_of_the_same_name(home: Path, tmp_path: Path) -> None:
    own = tmp_path / "neck.yaml"
    own.write_text(SHORT.replace("Short", "Own neck"))
    with Mock(home, str(own)) as mock, Client(mock.port) as client:
        assert names(client) == SHIPPED
        assert any('title="Own neck"' in line for line in client.ask("profiles"))


def test_profiles_are_those_of_the_mock_that_runs(home: Path, tmp_path: Path) -> None:
    with Mock(home, str(tmp_path / "mine.yaml")) as mock:
        listed = call(home, "profiles", "--socket", mock.socket)
        assert listed.returncode == 0
        assert [line.split()[0] for line in listed.stdout.splitlines()] == sorted(
            [*SHIPPED, "mine"]
        )
        assert "mine            0:30 min  Mine  (selected)" in listed.stdout
        described = call(home, "profiles", "mine", "--socket", mock.socket)
        assert described.returncode == 0
        lines = described.stdout.splitlines()
        assert lines[0] == "mine: Mine"
        assert f"  daemon   {mock.socket}" in lines
        assert "           started: firmware-ctl profiles FILE." in lines
        assert listed.stderr.startswith(f"profiles of the daemon at {mock.socket}:\n")


@pytest.mark.parametrize("verb", ["mock", "play"])
@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        ("mine.yaml", SHORT.replace("level: 40%", "levle: 40%"), "mine.yaml:5:"),
        ("mine.yml", SHORT, "mine.yml:1:1: a daemon leaves this file out; rename it"),
        ("none.yaml", "", "firmware-ctl: none.yaml cannot be read: there is no such file"),
        ("nekc", "", "firmware-ctl: there is no profile nekc; there are: "),
    ],
)
def test_own_file_that_cannot_be_played_is_refused_at_the_start(
    verb: str, file: str, text: str, sentence: str, tmp_path: Path
) -> None:
    if text:
        (tmp_path / file).write_text(text)
    done = subprocess.run(
        command(verb, "--no-view", "--socket", "s", file),
        env=environment(tmp_path),
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert "* ready" not in done.stdout


def test_play_starts_the_profile(home: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("play", "--no-view", "--speed", "60", "--socket", "s", str(tmp_path / "mine.yaml")),
        env=environment(tmp_path),
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        log = Lines(process.stdout.fileno())
        log.until(lambda line: line.startswith("event=state state=running profile=mine "))
        log.until(lambda line: line.startswith("event=state state=idle profile=mine "))
    finally:
        process.terminate()
        process.communicate()


def test_play_in_a_terminal_shows_the_running_profile(home: Path, tmp_path: Path) -> None:
    terminal = Terminal(home, "play", str(tmp_path / "mine.yaml"), "--socket", str(home / "s"))
    terminal.see("serial port: /dev/")
    terminal.see("running")
    terminal.see("swell")
    terminal.type("q")
    assert terminal.process.wait(PATIENCE_S) == 0
    terminal.close()


def test_play_that_is_refused_says_so_in_the_view(home: Path, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "ledger").write_text("damaged")
    words = ("play", str(tmp_path / "mine.yaml"), "--state", str(tmp_path / "state"))
    terminal = Terminal(home, *words, "--socket", str(home / "s"))
    terminal.see("Refused: the record of today's running time")
    terminal.type("q")
    assert terminal.process.wait(PATIENCE_S) == 0
    terminal.close()


def test_bad_own_file_in_a_terminal_is_its_mistakes_alone(home: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(SHORT.replace("level: 40%", "levle: 40%"))
    terminal = Terminal(home, "mock", str(tmp_path / "bad.yaml"), "--socket", str(home / "s"))
    terminal.see("bad.yaml:5:")
    assert terminal.process.wait(PATIENCE_S) == 2
    assert b"serial port" not in terminal.shown
    terminal.close()


def test_second_mock_is_refused_in_one_sentence(home: Path) -> None:
    with Mock(home) as mock:
        terminal = Terminal(home, "mock", "--socket", mock.socket)
        terminal.see(f"firmware-ctl: a mock is already running ({mock.socket})")
        assert terminal.process.wait(PATIENCE_S) == 2
        assert b"serial port" not in terminal.shown
        assert b"exit code" not in terminal.shown
        terminal.close()
