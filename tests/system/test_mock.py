"""End to end: the real process, a real pyserial client on its port, its button and its trace."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import serial

from firmware_ctl.cli.main import main
from firmware_ctl.config import shipped
from firmware_ctl.timeline.folder import load_mat, read_catalogue
from firmware_ctl.timeline.playback import Playback
from tests.support.process import (
    PATIENCE_S,
    ROOT,
    SHORT,
    Client,
    Lines,
    Mock,
    call,
    command,
    environment,
    zones,
)

OFF = [0] * 8


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mock]:
    """One process for all tests that leave it idle; its clock is that of the wall."""
    with Mock(tmp_path_factory.mktemp("shared"), "--listen", "127.0.0.1:0", speed=1) as mock:
        yield mock


@pytest.fixture
def client(shared: Mock) -> Iterator[Client]:
    with Client(shared.port) as client:
        client.port.write(b"!\n")
        client.told_until("* stopped")
        client.ask("ping")  # the empty line is greeted where nobody has asked anything before
        yield client
        client.port.write(b"!\n")
        client.told_until("* stopped")


# --- the main job ---


def test_a_session_from_a_script(tmp_path: Path) -> None:
    with Mock(tmp_path, "--profiles", shipped.profiles_dir()) as mock, Client(mock.port) as client:
        hello = client.ask("hello")[-1]
        assert hello.startswith('ok firmware-ctl 0.1.0 protocol=1 mat="Reference mat" zones=neck,')
        profiles = client.ask("profiles")
        assert profiles[-1] == "ok count=6"
        assert [line.split()[1] for line in profiles[:-1] if "selected=yes" in line] == [
            "first-time"
        ]
        assert client.ask("select neck") == ["ok profile=neck"]
        assert client.ask("start") == ["ok profile=neck left=480"]
        status = client.status_until(lambda status: any(zones(status)))
        assert (status["state"], status["profile"]) == ("running", "neck")
        assert zones(status)[0] > 0
        assert client.ask("trim 50") == ["ok trim=50"]
        assert client.ask("pause") == ["ok"]
        status = client.status()
        assert (status["state"], zones(status), status["trim"]) == ("paused", [0, 0, 0], "50")
        assert client.ask("resume") == ["ok"]
        assert client.status()["state"] == "running"
        client.port.write(b"!")
        assert client.told_until("stopped") == "* stopped"
        status = client.status()
        assert (status["state"], zones(status)) == ("idle", [0, 0, 0])
        assert mock.end() == (0, "")
    rows = mock.rows()
    assert [row["state"] for row in rows if row["state"] != "running"] == ["paused", "idle"]
    assert [row["level"] for row in rows if row["state"] != "running"] == [OFF, OFF]


def test_a_whole_session_is_its_timeline_row_by_row_and_ends_at_zero(tmp_path: Path) -> None:
    with Mock(tmp_path) as mock, Client(mock.port) as client:
        assert client.ask("events on") == ["ok"]
        assert client.start("short") == "ok profile=short left=30"
        client.told_until("state=idle")
        assert zones(client.status()) == [0, 0, 0]
        assert client.ask("limits") == ["ok session=900 daily=1800 used=30 left=1770"]
        assert mock.end() == (0, "")
    mat = load_mat(shipped.mat_file())
    timeline = read_catalogue([str(tmp_path / "profiles")], mat).valid("short").timeline
    *running, last = mock.rows()
    assert {row["state"] for row in running} == {"running"}
    at_ms = [row["at_ms"] for row in running]
    assert at_ms == sorted(at_ms)
    playback = Playback(timeline)
    assert [row["level"] for row in running] == [list(playback.levels(t)) for t in at_ms]
    assert len(running) > 20
    assert (last["state"], last["level"], last["duty"]) == ("idle", OFF, OFF)
    assert timeline.end_ms <= last["at_ms"]


def test_the_button_starts_and_stops(tmp_path: Path) -> None:
    with Mock(tmp_path, speed=1) as mock, Client(mock.port) as client:
        # A program's start takes longer than the button must be seen released.
        assert call(tmp_path, "select", "long", "--socket", mock.socket).returncode == 0
        client.ask("events on")
        assert client.ask("press") == ["ok"]
        assert client.told_until("state=running").startswith(
            "* event=state state=running profile=long"
        )
        client.status_until(lambda status: any(zones(status)))
        assert client.ask("press long") == ["ok"]
        assert client.told_until("state=idle").startswith("* event=state state=idle profile=long")
        status = client.status()
        assert (status["state"], zones(status)) == ("idle", [0, 0, 0])


def test_ten_presses_in_a_row_leave_it_off(tmp_path: Path) -> None:
    with Mock(tmp_path, speed=1) as mock, Client(mock.port) as client:
        client.start("long")
        presses = 0
        while presses < 10:
            presses += client.ask("press") == ["ok"]
        while client.ask("press 0.01") != ["ok"]:
            pass
        assert client.status()["state"] == "idle"
        mock.end()
    assert [row["state"] for row in mock.rows() if row["state"] != "running"] == ["idle"]


# --- a person at a terminal ---


def read_exactly(client: Client, expected: bytes) -> None:
    assert client.port.read(len(expected)) == expected


def test_typing_one_character_at_a_time(client: Client) -> None:
    assert client.ask("echo on") == ["ok"]
    for typed, shown in [
        *((bytes([c]), bytes([c])) for c in b"pinx"),
        (b"\x7f", b"\b \b"),
        (b"x", b"x"),
        (b"\x08", b"\b \b"),
        (b"g", b"g"),
        (b"\r", b"\r\nok\r\n"),
        (b"\n", b""),
    ]:
        client.port.write(typed)
        read_exactly(client, shown)
    client.start("long")
    client.port.write(b"sta\x03")
    assert client.told_until("* stopped")
    assert client.status()["state"] == "idle"
    client.ask("echo off")


def test_a_status_byte_in_the_middle_of_a_line(client: Client) -> None:
    client.port.write(b"start?\rping\r")
    assert client.line().startswith("* status state=idle")
    assert client.line() == "ok"
    assert "state=idle" in client.ask("status")[-1]


def readme_script(folder: Path, port: str) -> "subprocess.CompletedProcess[str]":
    readme = (ROOT / "README.md").read_text()
    script = readme[readme.index("```python\n") + len("```python\n") :]
    (folder / "mat.py").write_text(script[: script.index("```")])
    return subprocess.run(
        [sys.executable, str(folder / "mat.py"), port],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def test_the_readmes_script_gets_its_own_answers_whatever_an_earlier_client_left(
    tmp_path: Path,
) -> None:
    """Events that are on, a lease, answers that nobody read, and half a line."""
    shutil.copytree(shipped.profiles_dir(), tmp_path / "home" / "profiles")
    with Mock(tmp_path / "home", speed=1) as mock:
        with serial.Serial(mock.port, 115200, timeout=5) as earlier:
            earlier.write(b"events on\necho on\nlease 1\n" + b"profiles\n" * 20 + b"sta")
            earlier.read_until(b"ok count=")
        found = readme_script(tmp_path, mock.port)
        with Client(mock.port) as client:
            assert client.ask("stop") == ["ok"]
    assert (found.stderr, found.returncode) == ("", 0)
    hello, start, status = found.stdout.splitlines()
    assert hello.startswith("hello → ok firmware-ctl ")
    assert start == "start lower-back → ok profile=lower-back left=720"
    assert status.startswith("status → ok state=running profile=lower-back ")


def test_the_readmes_script_and_start_say_that_another_profile_runs(tmp_path: Path) -> None:
    shutil.copytree(shipped.profiles_dir(), tmp_path / "home" / "profiles")
    with Mock(tmp_path / "home", speed=1) as mock, Client(mock.port) as client:
        assert client.ask("start hips")[-1].startswith("ok profile=hips ")
        found = readme_script(tmp_path, mock.port)
        assert "start lower-back → err busy hips is running; stop it first" in found.stdout
        assert client.ask("select lower-back")[-1] == "ok profile=lower-back"
        started = call(mock.home, "start", "--socket", mock.socket)
        assert client.ask("stop") == ["ok"]
    assert (started.returncode, started.stdout) == (1, "")
    assert started.stderr == (
        "firmware-ctl: hips is running already; stop it first to start lower-back\n"
    )


@pytest.mark.parametrize("port", ["/dev/nope", "/dev/null"])
def test_the_readmes_script_on_a_port_without_a_mat_ends_with_one_sentence(
    port: str, tmp_path: Path
) -> None:
    found = readme_script(tmp_path, port)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.startswith(f"no mat on {port}; a mock prints its port (")
    assert found.stderr.count("\n") == 1


# --- hostile clients ---


def test_a_megabyte_of_noise_moves_nothing_and_is_survived(tmp_path: Path) -> None:
    with Mock(tmp_path, speed=1) as mock, Client(mock.port) as client:
        client.ask("hello")
        before_kb = mock.memory_kb()
        noise = random.Random(1).randbytes(1 << 20)
        ended = threading.Event()

        def drain() -> None:
            reader = Lines(client.port.fileno())
            reader.until(lambda line: line.startswith("ok firmware-ctl"))
            ended.set()

        reader = threading.Thread(target=drain)
        reader.start()
        client.port.write(noise)
        while not ended.wait(0.2):  # an answer may fall among those that are dropped
            client.port.write(b"\nhello\n")
        reader.join()
        assert mock.memory_kb() - before_kb < 4_000
        assert client.port.is_open
        mock.end()
    assert mock.rows() == []


def test_a_flood_that_is_never_read_does_not_hold_up_a_stop(tmp_path: Path) -> None:
    with Mock(tmp_path, speed=1) as mock, Client(mock.port) as client:
        client.start("long")
        client.port.write(b"status\n" * 6_000 + b"!")
        mock.log.until(lambda line: "state=idle" in line)
        answer = call(tmp_path, "send", "status", "--socket", mock.socket)
        assert answer.stdout.startswith("ok state=idle ")
        assert mock.memory_kb() < 100_000


def test_many_clients_at_once(shared: Mock) -> None:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(40)]
        for number, sock in enumerate(sockets):
            sock.connect(shared.socket)  # waits where too many others do
            sock.settimeout(PATIENCE_S)
            sock.sendall(b"ping\nhello\n" if number % 2 else b"half a line")
        for sock in sockets[1::2]:
            lines = stack.enter_context(sock.makefile("rb"))
            assert lines.readline() == b"ok\r\n"
            assert lines.readline().startswith(b"ok firmware-ctl")


def test_over_tcp_as_pyserial_opens_it(shared: Mock) -> None:
    said = next(line for line in shared.log.lines if line.startswith("listening on "))
    with Client(f"socket://{said.removeprefix('listening on ')}") as client:
        assert client.ask("ping") == ["ok"]
        assert client.ask("start nonsense")[-1].startswith("err unknown-profile ")


def test_a_lease_ends_with_its_connection(shared: Mock, client: Client) -> None:
    client.ask("events on")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(shared.socket)
        said = sock.makefile("rb")
        sock.sendall(b"lease 60\n")
        assert said.readline() == b"ok lease=60\r\n"
        while True:
            sock.sendall(b"start long\n")
            if said.readline().startswith(b"ok"):
                break
        said.close()
    client.told_until("state=running")
    client.told_until("state=idle")


# --- beginnings and ends ---


def test_one_daemon_at_a_time_on_a_state_folder_and_on_a_socket(
    shared: Mock, tmp_path: Path
) -> None:
    state = str(shared.home / "state")
    other = str(tmp_path / "other.sock")
    second = call(tmp_path, "mock", "--no-view", "--state", state, "--socket", other)
    assert second.returncode == 2
    assert second.stderr == (
        f"firmware-ctl: another daemon (process {shared.process.pid}) uses the state folder "
        f"{state}; stop it first, or name another folder with --state\n"
    )
    third = call(tmp_path, "mock", "--no-view", "--socket", shared.socket)
    assert third.returncode == 2
    assert third.stderr == (
        f"firmware-ctl: a mock is already running ({shared.socket}); quit it, or start this one "
        "with --socket PATH\n"
    )
    assert third.stdout == ""


def test_a_killed_run_is_told_and_its_socket_replaced(tmp_path: Path) -> None:
    with Mock(tmp_path) as first:
        assert "was killed" not in "\n".join(first.log.lines)
        first.process.kill()
        first.process.wait()
        assert os.path.exists(first.socket)
        with Mock(tmp_path) as second:
            sentence = f"the last run on this state folder was killed (process {first.process.pid})"
            assert sentence in second.log.lines
            asked = call(tmp_path, "send", "hello", "--socket", second.socket)
            assert asked.stdout.startswith("ok firmware-ctl")
            assert second.end() == (0, "")
        assert not os.path.exists(second.socket)
        with Mock(tmp_path) as third:
            assert "was killed" not in "\n".join(third.log.lines)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_while_running_is_an_orderly_end(tmp_path: Path, number: signal.Signals) -> None:
    with Mock(tmp_path, speed=1) as mock, Client(mock.port) as client:
        client.start("long")
        client.status_until(lambda status: all(zones(status)))
        mock.process.send_signal(number)
        _, errors = mock.process.communicate(timeout=PATIENCE_S)
        assert (mock.process.returncode, errors) == (0, b"")
    last = mock.rows()[-1]
    assert (last["state"], last["level"], last["duty"]) == ("idle", OFF, OFF)


def test_a_bad_profile_among_good_ones(tmp_path: Path) -> None:
    profiles = tmp_path / "mine"
    profiles.mkdir()
    (profiles / "good.yaml").write_text(SHORT)
    (profiles / "bad.yaml").write_text(SHORT.replace("level: 40%", "levle: 40%"))
    with Mock(tmp_path, "--profiles", str(profiles)) as mock, Client(mock.port) as client:
        mistakes = [line for line in mock.log.lines if "bad.yaml" in line]
        assert any(line.startswith(f"{profiles}/bad.yaml:5:") for line in mistakes)
        assert client.ask("profiles")[-1] == "ok count=1"
        refusal = client.ask("select bad")[-1]
        assert refusal.startswith(f"err invalid-profile {profiles}/bad.yaml:5:")
        assert client.ask("start bad")[-1].startswith("err invalid-profile ")
        assert client.status()["state"] == "idle"
        (profiles / "bad.yaml").write_text(SHORT)
        assert client.ask("reload") == ["ok count=2"]
        assert client.ask("select bad") == ["ok profile=bad"]
        mine = profiles.rename(tmp_path / "gone")
        assert client.ask("reload")[-1].startswith("err not-ready ")
        assert client.ask("profiles")[-1] == "ok count=2"
        mine.rename(profiles)


@pytest.mark.parametrize("word", ["stop", "off"])
def test_plain_stop_finds_a_mock_with_a_socket_of_its_own(word: str, tmp_path: Path) -> None:
    with Mock(tmp_path) as mock, Client(mock.port) as client:
        assert client.ask("start long")[-1].startswith("ok")
        found = call(tmp_path, word)
        assert (found.returncode, found.stderr) == (0, "")
        pid = mock.process.pid
        assert found.stdout == (
            f"{mock.socket}: all motors are off\n"
            if word == "stop"
            else f"firmware-ctl: the mock (process {pid}) is stopped; all motors are off\n"
        )
        assert client.ask("status")[-1].startswith("ok state=idle ")
        mock.end()
    assert not [*tmp_path.glob("firmware-ctl-mock-*")]


def test_the_link_is_made_and_taken_away(tmp_path: Path) -> None:
    link = tmp_path / "mat"
    with Mock(tmp_path, "--link", str(link)) as mock:
        assert os.readlink(link) == mock.port
        with Client(str(link)) as client:
            assert client.ask("ping") == ["ok"]
        mock.end()
    assert not link.is_symlink()


def test_a_second_port_is_opened_as_soon_as_it_is_there(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    port = tmp_path / "port"
    port.symlink_to(os.ttyname(theirs))
    with Mock(tmp_path, "--port", str(port)):
        os.write(ours, b"hello\r")
        found = Lines(ours)
        assert found.until(lambda line: line.startswith("ok firmware-ctl"))
    os.close(ours)
    os.close(theirs)


BAD_MAT = "name: x\npwm_hz: 2\n"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--speed", "0"], "0 is not a speed from 0.1 to 1000"),
        (["--speed", "fast"], "fast is not a speed from 0.1 to 1000"),
        (["--listen", "7000"], "7000 is not HOST:PORT, such as 127.0.0.1:7000"),
        (["--listen", "192.0.2.1:7000"], "other machines reach 192.0.2.1, and "),
        (["--mat", "missing.yaml"], "the mat file missing.yaml cannot be read: "),
        (["--mat", "bad.yaml"], "bad.yaml:2:9: pwm_hz: "),
        (["--profiles", "missing"], "cannot be read: "),
        (["--trace", "missing/t.jsonl"], "the trace missing/t.jsonl cannot be written: "),
        (["--trace", "bad.yaml"], "bad.yaml: a trace ends in .jsonl"),
        (["--state", "bad.yaml"], "the state folder bad.yaml cannot be used: "),
        (["--socket", "bad.yaml"], "bad.yaml is in the way and is not a socket; name another with"),
        (["--link", "missing/link"], "the link missing/link cannot be made: "),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
    ],
)
def test_a_bad_option_is_one_sentence(options: list[str], sentence: str, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(BAD_MAT)
    found = subprocess.run(
        command("mock", "--no-view", "--socket", "s", *options),
        env=environment(tmp_path),
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert found.returncode == 2
    assert sentence in found.stderr
    assert "Traceback" not in found.stderr
    assert "* ready" not in found.stdout
    assert "serial port" not in found.stdout
    assert (tmp_path / "bad.yaml").read_text() == BAD_MAT


def test_run_without_pins_says_that_mock_exists(tmp_path: Path) -> None:
    found = call(tmp_path, "run", "--state", str(tmp_path / "s"), "--socket", str(tmp_path / "c"))
    assert found.returncode == 2
    assert "`firmware-ctl mock` plays the same without pins" in found.stderr
    assert found.stderr.count("\n") == 1


# --- the client commands ---


def test_commands_and_their_exit_codes(shared: Mock, client: Client) -> None:
    def ask(*words: str) -> tuple[int, str, str]:
        found = call(shared.home, *words, "--socket", shared.socket)
        return found.returncode, found.stdout, found.stderr

    assert ask("select", "long") == (0, "ok profile=long\n", "")
    assert ask("start") == (0, "ok profile=long left=600\n", "")
    code, out, err = ask("start", "short")
    assert (code, out) == (1, "")
    assert err == "firmware-ctl: busy: long is running; stop it first\n"
    assert ask("pause")[0] == 0
    code, out, err = ask("status", "--json")
    status = json.loads(out)
    assert (code, err) == (0, "")
    assert list(status) == [
        *("state", "profile", "cert", "phase", "t", "left", "trim"),
        *("zones", "signal", "fault"),
    ]
    assert (status["state"], status["phase"]) == ("paused", "hum")
    assert status["zones"] == {"neck": 0, "lower_back": 0, "hips": 0}
    assert ask("status")[1].startswith("paused  long, hum  0:0")
    assert ask("resume")[0] == 0
    assert ask("trim", "80") == (0, "ok trim=80\n", "")
    assert ask("trim", "101")[0] == 1
    assert ask("stop")[0] == 0
    assert ask("status") == (0, "idle  long is selected  trim 80%\n", "")
    assert ask("status", "--raw")[1].startswith("state=idle profile=long ")
    assert ask("send", "ping") == (0, "ok\n", "")
    assert ask("send", "!") == (0, "* stopped\n", "")
    assert ask("send", "?")[1].startswith("* status state=idle ")
    assert ask("send", "nonsense") == (
        1,
        "err unknown-command unknown command nonsense; try help\n",
        "",
    )
    for level in ("30%", "40%"):
        line = f"in a profile: hips: {{pattern: wave, level: {level}, period: 1s}}\n"
        assert ask("try", "hips", "wave", level, "period=1s") == (0, "ok left=10\n", line)
    assert ask("try", "hips", "wave", "130%", "period=1s")[0] == 1
    assert ask("send", "try", "hips", "wave", "30", "period=1") == (0, "ok left=10\n", "")
    assert ask("status", "--raw")[1].startswith("state=running profile=try ")
    assert ask("send", "help", "stop")[1].startswith("- stop")
    assert ask("trim", "100")[0] == 0


def test_start_right_after_a_stop_starts(
    shared: Mock, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process, so that next to nothing but the answers lies between the two."""
    for words in (["stop"], ["start", "long"], ["stop"], ["start", "short"], ["stop"]):
        # Of what came in the same millisecond as a stop nobody can say whether it came after it.
        later_ns = time.monotonic_ns() + 2_000_000
        while time.monotonic_ns() < later_ns:
            pass
        with pytest.raises(SystemExit) as ended:
            main([*words, "--socket", shared.socket])
        assert ended.value.code == 0
    assert capsys.readouterr() == (
        f"{shared.socket}: all motors are off\nok profile=long left=600\n"
        f"{shared.socket}: all motors are off\nok profile=short left=30\n"
        f"{shared.socket}: all motors are off\n",
        "",
    )


def test_without_a_daemon_they_say_so(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    for words in (["stop"], ["status"], ["start", "--socket", missing], ["send", "ping"]):
        found = call(tmp_path, *words)
        assert (found.returncode, found.stdout) == (3, "")
        sentence = (
            "nothing is running; `firmware-ctl off`" if words == ["stop"] else "no daemon runs"
        )
        assert found.stderr.startswith(f"firmware-ctl: {sentence}")
        assert found.stderr.count("\n") == 1
    found = call(tmp_path, "status", "--port", missing)
    assert found.returncode == 3
    assert found.stderr == f"firmware-ctl: there is no {missing}; a mock prints its port\n"


def test_over_a_port(shared: Mock, client: Client) -> None:
    found = call(shared.home, "status", "--port", shared.port)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.startswith("idle  ")


def test_watching_shows_every_change(shared: Mock, client: Client) -> None:
    watch = subprocess.Popen(
        command("status", "--watch", "--raw", "--socket", shared.socket),
        env=environment(shared.home),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # A shell's background job ignores SIGINT, and so would all that it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        assert watch.stdout is not None
        shown = Lines(watch.stdout.fileno())
        shown.until(lambda line: line.startswith("state=idle"))
        assert client.ask("trim 90") == ["ok trim=90"]
        shown.until(lambda line: "trim=90" in line)
        assert client.ask("trim 100") == ["ok trim=100"]
        shown.until(lambda line: "trim=100" in line)
        watch.send_signal(signal.SIGINT)
        assert watch.wait(PATIENCE_S) == 0
    finally:
        watch.kill()
        watch.communicate()


def test_a_port_is_not_shared_by_two_programs_that_both_ask_for_it_alone(shared: Mock) -> None:
    with serial.Serial(shared.port, exclusive=True) as first:
        assert first.is_open
        with pytest.raises(serial.SerialException):
            serial.Serial(shared.port, exclusive=True)


SIGNALLED_WHILE_IT_STARTS = """\
import signal, sys
from firmware_ctl.cli import mock
from firmware_ctl.cli.main import main
make = mock.make_daemon
def make_daemon(*parts):
    signal.raise_signal(signal.SIGTERM)
    return make(*parts)
mock.make_daemon = make_daemon
main(sys.argv[1:])
"""


def test_signal_while_the_pins_are_taken_ends_the_mock_in_good_order(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SIGNALLED_WHILE_IT_STARTS, "mock", "--no-view"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("SIGTERM: all motors are off; the daemon ends\n")
