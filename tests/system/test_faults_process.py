"""Faults of the safety concept's table that need a process, brought about in a real `mock`."""

import os
import random
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from firmware_ctl.config import shipped
from firmware_ctl.limits import DEADMAN_KILL_MS, TICK_LATE_MS
from firmware_ctl.storage.ledger import _sealed
from tests.support.process import (
    PATIENCE_S,
    Client,
    Elapsed,
    Lines,
    Mock,
    Watch,
    call,
    command,
    environment,
    off,
    on,
    waited_ns,
    zones,
)
from tests.support.stop_latency import HOG, measure
from tests.system.test_mock_view import Terminal

GONE_MS = 500
"""A process that hangs or is stopped has to be gone this long after its last checked tick."""
OFF_MS = 100


@pytest.fixture
def watch() -> Iterator[Watch]:
    watch = Watch()
    yield watch
    os.close(watch.fd)


def limits(client: Client) -> dict[str, int]:
    words = client.ask("limits")[-1].split()[1:]
    return {key: int(value) for key, value in (word.split("=") for word in words)}


# --- 2 and 4: a loop that does not come round -------------------------------------------------


def is_ended_in_time(mock: Mock, watch: Watch) -> str:
    """It is killed in time after the last checked tick; what it wrote to stderr."""
    gone_ns, late_ms = mock.wait_for_exit()
    _, errors = mock.process.communicate(timeout=PATIENCE_S)
    assert mock.process.returncode == -signal.SIGKILL
    watch.read_remaining()
    took_ms = (gone_ns - watch.ticks[-1].at_ns) / 1e6
    assert DEADMAN_KILL_MS <= took_ms <= GONE_MS + late_ms
    print(f"gone {took_ms:.1f} ms after the last checked tick (seen {late_ms:.1f} ms late at most)")
    return errors.decode()


def successor_is_idle_and_the_slice_counts(mock: Mock, played_s: float) -> None:
    with Mock(mock.home, speed=1) as second, Client(second.port) as client:
        killed = f"the last run on this state folder was killed (process {mock.process.pid})"
        assert killed in second.log.lines
        status = client.status()
        assert (status["state"], zones(status)) == ("idle", [0, 0, 0])
        assert played_s <= limits(client)["used"] <= played_s + 60
        assert second.end() == (0, "")
    assert second.rows() == []


@pytest.mark.parametrize(("fault", "where"), [("hang", "_cause_hang"), ("gil", "_cause_gil")])
def test_fault_02_a_loop_that_hangs_is_gone_in_time_and_says_where(
    fault: str, where: str, tmp_path: Path, watch: Watch
) -> None:
    with Mock(tmp_path, "--inject", fault, speed=1, watch=watch) as mock, Client(mock.port) as port:
        assert port.start("long") == "ok profile=long left=600"
        errors = is_ended_in_time(mock, watch)
        first, *stacks = errors.splitlines()
        assert first.startswith(f"--inject {fault}: ")
        assert [line for line in stacks if line.startswith("Current thread ")] != []
        assert re.search(rf"simulator/faults.py\", line \d+ in {where}\b", errors)
        successor_is_idle_and_the_slice_counts(mock, 1)


def test_fault_04_a_running_mock_that_is_stopped_is_gone_in_time(
    tmp_path: Path, watch: Watch
) -> None:
    with Mock(tmp_path, speed=1, watch=watch) as mock, Client(mock.port) as client:
        client.start("long")
        watch.until(on)
        mock.process.send_signal(signal.SIGSTOP)
        assert is_ended_in_time(mock, watch) == ""  # it is stopped: it can say nothing
        successor_is_idle_and_the_slice_counts(mock, 0)


def test_fault_04_an_idle_mock_that_is_stopped_goes_on(tmp_path: Path) -> None:
    with Mock(tmp_path, speed=1) as mock, Client(mock.port) as client:
        client.start("long")
        client.status_until(lambda status: any(zones(status)))
        client.ask("stop")
        client.ask("trim 100")  # it is done after a tick, which has disarmed the dead-man
        process = os.pidfd_open(mock.process.pid)
        mock.process.send_signal(signal.SIGSTOP)
        assert not select.select([process], [], [], 2 * DEADMAN_KILL_MS / 1000)[0]
        os.close(process)
        mock.process.send_signal(signal.SIGCONT)
        assert client.status()["state"] == "idle"
        assert client.start("long").startswith("ok")
        assert mock.end() == (0, "")


def test_fault_02_under_the_live_view_the_terminal_is_restored_and_the_stacks_shown(
    tmp_path: Path,
) -> None:
    terminal = Terminal(tmp_path, "--inject", "hang")
    try:
        terminal.see("The mat is ready.")
        terminal.type(" ")
        for words in (
            *(
                "running",
                "\x1b[?1049l",
                "--inject hang: ",
                "most recent call first",
                "in _cause_hang",
            ),
            "firmware-ctl: the daemon was killed by signal 9 (SIGKILL) while a session ran, "
            "as its dead-man does when it hangs or is stopped.",
        ):
            terminal.see(words)
        assert terminal.view.wait(PATIENCE_S) == 1
        assert terminal.is_restored()
    finally:
        terminal.close()


# --- 1, 7, 10: what refuses, and what ends in an exception -------------------------------------


def test_fault_01_an_exception_in_a_tick_is_off_and_exit_1(tmp_path: Path, watch: Watch) -> None:
    with Mock(tmp_path, "--inject", "error", speed=1, watch=watch) as mock:
        with Client(mock.port) as client:
            client.start("long")
            watch.until(on)
            watch.until(off)
        _, errors = mock.process.communicate(timeout=PATIENCE_S)
        assert mock.process.returncode == 1
        assert errors.decode().endswith("\nRuntimeError: a fault on purpose\n")


UNPROVEN = """
import sys
from firmware_ctl.cli.main import main
from firmware_ctl.hardware import deadman
sys.modules["firmware_ctl.simulator.faults"] = None  # a plain mock does not load it
deadman.DeadmanTrial.verify = lambda self: "the timer did not kill"
main(sys.argv[1:])
"""


LOCKED = """\
import threading
from firmware_ctl.hardware import deadman
def kib(name):
    return int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith(name)))
before = kib("VmRSS")
deadman.lock_memory()
over = threading.Event()
threads = [threading.Thread(target=over.wait) for _ in range(8)]
for thread in threads:
    thread.start()
print(kib("VmLck"), kib("VmRSS") - before)
over.set()
"""


def test_locked_memory_leaves_out_what_no_thread_touches() -> None:
    locked, more = map(int, subprocess.check_output([sys.executable, "-c", LOCKED]).split())
    if not locked:
        pytest.skip("this user may lock no memory (RLIMIT_MEMLOCK)")
    assert more < 16 * 1024  # eight stacks would be 64 MiB


LIMITED = """\
import os, resource, sys
resource.setrlimit(resource.RLIMIT_MEMLOCK, (1 << 20, 1 << 20))
if os.geteuid() == 0:
    os.setresuid(65534, 65534, 65534)
"""


def test_where_little_memory_may_be_locked_none_is_and_threads_begin() -> None:
    program = LOCKED.replace("deadman.lock", LIMITED + "deadman.lock")
    locked, _ = subprocess.check_output([sys.executable, "-c", program]).split()
    assert locked == b"0"


def test_fault_07_without_a_proven_dead_man_no_session_starts(tmp_path: Path) -> None:
    program = [sys.executable, "-c", UNPROVEN]
    with Mock(tmp_path, speed=1, program=program) as mock, Client(mock.port) as client:
        why = "the dead-man could not be tested: the timer did not kill; no session can start"
        assert why in mock.log.lines
        assert client.ask("start long") == [f"err not-ready {why}"]
        assert client.ask("try hips steady 20") == [f"err not-ready {why}"]
        assert client.ask("stop") == ["ok"]
        assert mock.end() == (0, "")
    assert mock.rows() == []


@pytest.mark.parametrize("name", ["mock", "native"])
def test_fault_10_the_environment_chooses_no_pins_for_run(name: str, tmp_path: Path) -> None:
    found = subprocess.run(
        command("run", "--state", str(tmp_path / "s"), "--socket", str(tmp_path / "c")),
        env={**environment(tmp_path), "GPIOZERO_PIN_FACTORY": name},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.endswith("`firmware-ctl mock` plays the same without pins\n")
    assert found.stderr.count("\n") == 1


# --- 5: signals -------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_fault_05_a_signal_is_off_in_time_and_leaves_the_pins_driven_low(
    number: signal.Signals, tmp_path: Path, watch: Watch
) -> None:
    with Mock(tmp_path, speed=1, watch=watch) as mock, Client(mock.port) as client:
        client.start("long")
        watch.until(on)
        took = watch.off_after(mock, lambda: mock.process.send_signal(number))
        assert took.own_ms <= OFF_MS, took
        _, errors = mock.process.communicate(timeout=PATIENCE_S)
        assert (mock.process.returncode, errors) == (0, b"")
        watch.read_remaining()
        assert off(list(watch.duties.values()))


# --- 14 to 17: ports and clients --------------------------------------------------------------


def a_port(link: Path) -> tuple[int, int]:
    ours, theirs = os.openpty()
    link.unlink(missing_ok=True)
    link.symlink_to(os.ttyname(theirs))
    return ours, theirs


@pytest.mark.parametrize("lease", [False, True])
def test_fault_14_a_port_that_is_unplugged_while_it_runs(
    lease: bool, tmp_path: Path, watch: Watch
) -> None:
    link = tmp_path / "port"
    first = a_port(link)
    with Mock(tmp_path, "--port", str(link), speed=1, watch=watch) as mock:
        with Client(mock.port) as client:
            said = Lines(first[0])
            os.write(first[0], b"lease 60\nstart long\n" if lease else b"start long\n")
            assert said.until(lambda line: "left=600" in line)
            watch.until(on)
            for end in first:
                os.close(end)
            mock.log.until(lambda line: line.startswith(f"{link} is gone; "))
            if lease:
                watch.until(off)
                assert client.status()["state"] == "idle"
                return
            second = a_port(link)
            mock.log.until(lambda line: line == f"{link} is open at 115200 baud")
            os.write(second[0], b"hello\r")
            assert Lines(second[0]).until(lambda line: line.startswith("ok firmware-ctl"))
            status = client.status()
            assert (status["state"], status["fault"]) == ("running", "")
            for end in second:
                os.close(end)
        assert mock.end() == (0, "")


def test_fault_15_17_noise_half_a_line_and_a_client_that_never_reads_delay_no_tick(
    tmp_path: Path, watch: Watch
) -> None:
    noise = random.Random(2).randbytes(1 << 19).translate(None, b"!\x18\x03")
    with Mock(tmp_path, "--listen", "127.0.0.1:0", speed=1, watch=watch) as mock:
        tcp = next(line for line in mock.log.lines if line.startswith("listening on "))
        deaf = f"socket://{tcp.removeprefix('listening on ')}"
        with Client(mock.port) as port, Client(deaf) as client, Client(deaf) as never_reads:
            assert client.start("long").startswith("ok")
            watch.until(on)
            port.port.write(noise)
            never_reads.port.write(b"status\n" * 6_000)
            never_reads.port.write(b"stat")
            status = client.status()
            assert (status["state"], status["fault"]) == ("running", "")
            client.ask("stop")
            assert mock.end() == (0, "")
    watch.read_remaining()
    worst = worst_of(watch.gaps())
    print(f"the longest of {len(watch.ticks)} ticks took {worst}")
    assert worst.own_ms < TICK_LATE_MS


def worst_of(found: list[Elapsed]) -> Elapsed:
    return max(found, key=lambda took: took.own_ms)


def test_fault_16_a_stop_in_a_flood_with_every_core_busy_is_off_in_time(tmp_path: Path) -> None:
    # Nice enough not to starve the tests beside this one, whose dead-man is armed as well.
    stops, repeated = measure(tmp_path, 6, is_flooded=True, nice=10)
    print(f"stops: {', '.join(map(str, stops))}; repeated after: {', '.join(map(str, repeated))}")
    assert worst_of(stops).own_ms <= OFF_MS
    # Only the machine may have made a tick late; then the daemon had to turn the motors off.
    assert [took for took in repeated if took.own_ms >= TICK_LATE_MS] == []


# --- what these measurements forgive, and what they do not --------------------------------------


SLOW_STOP = """\
import sys, time
from firmware_ctl.simulator.board import Board
from tests.support import watched
set_line = Board.set_line
def slowly(board, pin, line, now_ms):
    time.sleep(0.02 if line.duty_pct == 0 else 0)  # eight motors: 0.16 s
    set_line(board, pin, line, now_ms)
Board.set_line = slowly
watched.main()
"""


def test_a_program_that_stops_slowly_is_found_by_every_stop(tmp_path: Path) -> None:
    program = [sys.executable, "-c", SLOW_STOP]
    for folder in ("1", "2", "3"):
        watch = Watch()
        with (
            Mock(
                tmp_path / folder, speed=1, watch=watch, program=[*program, str(watch.write_fd)]
            ) as mock,
            Client(mock.port) as client,
        ):
            client.start("long")
            watch.until(on)
            took = watch.off_after(mock, lambda client=client: client.port.write(b"!"))
        os.close(watch.fd)
        assert took.own_ms > OFF_MS, took


SLOW_TICK = """\
import time
from firmware_ctl.hardware.deadman import KernelDeadman
from tests.support import watched
arm, ticks = KernelDeadman.arm, []
def slowly(deadman):
    ticks.append(time.sleep(0.15 if len(ticks) == 20 else 0))
    arm(deadman)
KernelDeadman.arm = slowly
watched.main()
"""


def test_a_tick_that_the_program_makes_late_is_found(tmp_path: Path, watch: Watch) -> None:
    program = [sys.executable, "-c", SLOW_TICK, str(watch.write_fd)]
    with (
        Mock(tmp_path, speed=1, watch=watch, program=program) as mock,
        Client(mock.port) as client,
    ):
        client.start("long")
        while len(watch.ticks) < 30:
            watch.until(lambda _: True)
        assert mock.end()[0] == 0
    assert worst_of(watch.gaps()).own_ms >= 150


def test_time_without_a_processor_is_told_apart() -> None:
    """Four programs on one processor: each can run all the time and gets a quarter of it."""
    begin_s = time.monotonic()
    processor = min(os.sched_getaffinity(0))
    busy = [
        subprocess.Popen(["taskset", "-c", str(processor), sys.executable, "-c", HOG])
        for _ in range(4)
    ]
    try:
        while (waited_s := waited_ns(busy[0].pid) / 1e9) < 0.5:
            assert time.monotonic() < begin_s + PATIENCE_S
            select.select([], [], [], 0.01)
        assert waited_s < time.monotonic() - begin_s
    finally:
        for process in busy:
            process.kill()
            process.wait()


# --- 22: disks that do not take the ledger ----------------------------------------------------


BAD_DISK = """\
import errno, os, sys, threading
from firmware_ctl.cli.main import main

def full(fd):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

def hangs(fd):
    threading.Event().wait()

if sys.argv[1] != "broken":
    os.fsync = {"full": full, "hangs": hangs}[sys.argv[1]]
main(sys.argv[2:])
"""


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("full", "STATE/ledger cannot be written: No space left on device; no session can start"),
        ("broken", "STATE/ledger cannot be written: Is a directory; no session can start"),
        (
            "hangs",
            "the disk does not take the record of today's running time; see whether it is full "
            "or failing",
        ),
    ],
)
def test_fault_22_no_session_starts_where_the_ledger_cannot_be_written(
    how: str, why: str, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    if how == "broken":
        (state / "ledger.part").mkdir()  # what the ledger writes first, and moves over the old one
    program = [sys.executable, "-c", BAD_DISK, how]
    with Mock(tmp_path, speed=1, program=program) as mock, Client(mock.port) as client:
        assert client.ask("start long") == [f"err not-ready {why.replace('STATE', str(state))}"]
        assert client.ask("stop") == ["ok"]
        assert client.ask("limits") == ["ok session=900 daily=1800 used=0 left=1800"]
        assert client.status()["fault"] == ""
    assert mock.rows() == []


# --- 25: nobody takes the log -----------------------------------------------------------------


@pytest.mark.parametrize("how", ["blocked", "closed"])
def test_fault_25_off_never_waits_for_a_log(how: str, tmp_path: Path, watch: Watch) -> None:
    with Mock(tmp_path, speed=1, watch=watch) as mock, Client(mock.port) as client:
        assert mock.process.stdout is not None
        if how == "blocked":
            # A description of its own, so that the daemon's end does not become non-blocking.
            fd = os.open(f"/proc/{mock.process.pid}/fd/1", os.O_WRONLY | os.O_NONBLOCK)
            with suppress(BlockingIOError):
                while os.write(fd, b"x" * 512):
                    pass
            os.close(fd)
        else:
            mock.process.stdout.close()
        client.start("long")
        watch.until(on)
        took = watch.off_after(mock, lambda: client.port.write(b"!"))
        assert took.own_ms <= OFF_MS, took
        client.status_until(lambda status: status["state"] == "idle")
        mock.process.send_signal(signal.SIGTERM)
        assert mock.process.wait(PATIENCE_S) == 0


# --- 30: the view and its terminal ------------------------------------------------------------


def test_fault_30_a_terminal_that_closes_is_off_and_the_daemon_gone(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    terminal.see("The mat is ready.")
    terminal.type(" ")
    terminal.see("running")
    daemon = os.pidfd_open(terminal.daemon)
    try:
        os.close(terminal.slave)
        os.close(terminal.master)
        assert select.select([daemon], [], [], PATIENCE_S)[0]
        terminal.view.wait(PATIENCE_S)
    finally:
        os.close(daemon)
        terminal.view.kill()
        terminal.view.wait()
    last = (tmp_path / "trace.jsonl").read_text().splitlines()[-1]
    assert '"state":"idle","level":[0,0,0,0,0,0,0,0]' in last


# --- a kill at any moment ---------------------------------------------------------------------


def kill_and_look(home: Path, seed: int, kills: int) -> None:
    """Kills mocks on one state folder; none may give anything of the day back."""
    chance, speed = random.Random(seed), 60
    least_s = most_s = 0.0
    for number in range(kills + 1):
        with Mock(home, speed=speed) as mock, Client(mock.port) as client:
            used_s = limits(client)["used"]
            assert least_s <= used_s <= most_s, (number, least_s, used_s, most_s)
            assert [line for line in mock.log.lines if "ledger" in line] == []
            assert client.status()["state"] == "idle"
            least_s, at_s = used_s, time.monotonic()
            how = chance.choice(["starting", "running", "stopping"])
            if how == "starting":
                client.port.write(b"start long\n")
            else:
                assert client.start("long").startswith("ok")
                select.select([], [], [], chance.random() * 0.7)
                least_s += int(float(client.status()["t"]))
            if how == "stopping":
                client.port.write(b"!")
            select.select([], [], [], chance.random() * 0.02)
            mock.process.kill()
            mock.process.wait()
            # What could have been played, a slice more, and each rounded up.
            most_s = used_s + (time.monotonic() - at_s) * speed + 62


def test_fault_23_a_killed_daemon_gives_nothing_of_the_day_back(tmp_path: Path) -> None:
    kill_and_look(tmp_path, seed=1, kills=3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_fault_23_sixty_killed_daemons_give_nothing_of_the_day_back(
    seed: int, tmp_path: Path
) -> None:
    kill_and_look(tmp_path, seed, kills=6)


# --- what was put into its folder or its mat file ----------------------------------------------


def test_a_ledger_of_another_version_is_told_at_once_and_refuses(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "ledger").write_bytes(_sealed({"ledger": 3}))
    with Mock(tmp_path, speed=1) as mock, Client(mock.port) as client:
        why = (
            f"the record of today's running time, {tmp_path}/state/ledger, has format 3 and this "
            "program knows 2; hold the start button for 5 s to begin a new day"
        )
        assert why in mock.log.lines
        assert client.ask("start long") == [f"err allowance - {why}"]
        assert client.ask("stop") == ["ok"]
        assert limits(client) == {"session": 900, "daily": 1800, "used": 1800, "left": 0}
        assert mock.end() == (0, "")
    assert mock.rows() == []


def test_a_mat_that_asks_for_more_than_the_code_allows_starts_no_daemon(tmp_path: Path) -> None:
    text = Path(shipped.mat_file()).read_text()
    asked = {"session": "31min", "daily": "61min", "duty": "91%", "rise": "51%/s"}
    for name, more in asked.items():
        text = re.sub(rf"^  {name}: \S+", f"  {name}: {more}", text, flags=re.MULTILINE)
    mat = tmp_path / "mat.yaml"
    mat.write_text(text)
    found = call(tmp_path, "mock", "--no-view", "--mat", str(mat), "--socket", str(tmp_path / "s"))
    assert found.returncode == 2
    assert "* ready" not in found.stdout
    sentences = [line for line in found.stderr.splitlines() if line.startswith(f"{mat}:")]
    lines = [line.split(": ", 2) for line in sentences]
    assert [(name, sentence) for _, name, sentence in lines] == [
        ("session", "31min is above the code's own limit of 30min; write 30min or less"),
        ("daily", "61min is above the code's own limit of 60min; write 60min or less"),
        ("duty", "91% is above the code's own limit of 90%; write 90% or less"),
        ("rise", "51%/s is above the code's own limit of 50%/s; write 50%/s or less"),
    ]
