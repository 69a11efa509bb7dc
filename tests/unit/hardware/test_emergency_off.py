"""`off`: what it asks of the kernel, byte by byte, and whom it kills; with no pin of this machine."""

import argparse
import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from errno import EBUSY, EINVAL
from pathlib import Path

import pytest

from firmware_ctl.cli import client
from firmware_ctl.config import shipped
from firmware_ctl.hardware import emergency_off
from firmware_ctl.timeline.folder import load_mat
from tests.support.process import PATIENCE_S, ROOT, Client, Lines, Mock, command, environment

STRANGER = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")

MAT_PINS = [17, 27, 22, 23, 24, 25, 12, 13]
SCRIPT = ROOT / "firmware_ctl" / "hardware" / "emergency_off.py"


# linux/gpio.h, in the compiler's own layout


class Attribute(ctypes.Structure):
    _fields_ = (
        ("id", ctypes.c_uint32),
        ("padding", ctypes.c_uint32),
        ("values", ctypes.c_uint64),
        ("mask", ctypes.c_uint64),
    )


class LineRequest(ctypes.Structure):
    _fields_ = (
        ("offsets", ctypes.c_uint32 * 64),
        ("consumer", ctypes.c_char * 32),
        ("flags", ctypes.c_uint64),
        ("num_attrs", ctypes.c_uint32),
        ("config_padding", ctypes.c_uint32 * 5),
        ("attrs", Attribute * 10),
        ("num_lines", ctypes.c_uint32),
        ("event_buffer_size", ctypes.c_uint32),
        ("padding", ctypes.c_uint32 * 5),
        ("fd", ctypes.c_int32),
    )


def iowr(direction: int, number: int, size: int) -> int:
    return direction << 30 | size << 16 | 0xB4 << 8 | number


class Kernel:
    """A chip: what was asked of it, and who holds which line."""

    def __init__(self, chip: Path) -> None:
        self.chip = "/dev/gpiochip0"
        self.file = str(chip)
        self.requests: list[list[int]] = []
        self.data: list[bytes] = []
        self.given: list[int] = []
        self.held: dict[int, int] = {}
        """Lines and the processes that hold them; 0: the kernel itself."""
        self.lines = 54
        chip.touch()

    def ioctl(self, fd: int, number: int, data: bytearray) -> None:
        assert os.readlink(f"/proc/self/fd/{fd}") == self.file
        assert number == emergency_off.GET_LINE
        self.data.append(bytes(data))
        request = LineRequest.from_buffer(data)
        pins = list(request.offsets[: request.num_lines])
        self.requests.append(pins)
        if max(pins) >= self.lines:
            raise OSError(EINVAL, "Invalid argument")
        if any(self.is_held(pin) for pin in pins):
            raise OSError(EBUSY, "Device or resource busy")
        request.fd = os.open(os.devnull, os.O_RDWR)
        self.given.append(request.fd)

    def is_held(self, pin: int) -> bool:
        pid = self.held.get(pin)
        return pid is not None and (pid in (0, 1) or os.waitid(os.P_PID, pid, GONE) is None)

    def holders(self, chip: str) -> Iterator[tuple[int, int]]:
        assert chip == self.chip
        return ((pin, pid) for pin, pid in self.held.items() if pid and self.is_held(pin))


GONE = os.WEXITED | os.WNOHANG | os.WNOWAIT


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel(tmp_path / "gpiochip0")
    monkeypatch.setattr(emergency_off, "_ioctl", made.ioctl)
    monkeypatch.setattr(emergency_off, "open_chip", lambda _: os.open(made.file, os.O_RDWR))
    monkeypatch.setattr(emergency_off, "_holders", made.holders)
    return made


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


# --- what is asked of the kernel ---


def test_the_numbers_are_those_of_the_kernels_header() -> None:
    assert emergency_off.LINE_REQUEST.size == ctypes.sizeof(LineRequest) == 592
    assert iowr(3, 0x07, 592) == emergency_off.GET_LINE
    assert emergency_off.CHIP_INFO.size == 68
    assert iowr(2, 0x01, 68) == emergency_off.GET_CHIP


def test_one_request_takes_all_lines_as_outputs_at_0_and_gives_them_back(kernel: Kernel) -> None:
    assert emergency_off.drive_low(kernel.chip, [17, 27, 17, 22]) == ({}, [])
    expected = LineRequest(
        consumer=b"firmware-ctl off", flags=1 << 3, num_attrs=1, num_lines=3
    )  # all that is not named is 0
    expected.offsets[:3] = [17, 27, 22]
    expected.attrs[0] = Attribute(id=2, values=0, mask=0b111)
    assert kernel.data == [bytes(expected)]
    for fd in kernel.given:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


def test_drive_low_of_more_lines_than_one_request_takes_asks_again_for_the_rest(
    kernel: Kernel,
) -> None:
    pins = list(range(70))
    kernel.lines = len(pins)
    assert emergency_off.drive_low(kernel.chip, pins) == ({}, [])
    assert kernel.requests == [pins[:64], pins[64:]]


def test_drive_low_of_many_lines_with_a_busy_one_drives_all_others(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emergency_off, "FREED_WITHIN_S", 0)
    pins = list(range(70))
    kernel.lines = len(pins)
    kernel.held = {3: 0}
    assert emergency_off.drive_low(kernel.chip, pins) == ({3: "Device or resource busy"}, [])
    assert kernel.requests == [pins[:64], *([pin] for pin in pins[:64]), pins[64:]]


def test_beside_a_busy_line_each_other_line_is_driven(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emergency_off, "FREED_WITHIN_S", 0)
    kernel.held = {27: 0}
    kernel.lines = 24
    assert emergency_off.drive_low(kernel.chip, [17, 27, 22, 25]) == (
        {25: "Invalid argument", 27: "Invalid argument"},
        [],
    )
    kernel.lines = 54
    kernel.requests.clear()
    failed, said = emergency_off.drive_low(kernel.chip, [17, 27, 22])
    assert kernel.requests == [[17, 27, 22], [17], [27], [22]]
    assert (failed, said) == ({27: "Device or resource busy"}, [])
    assert emergency_off.describe([17, 27, 22], failed) == [
        "GPIO 17, 22 low",
        "GPIO 27 cannot be driven low: Device or resource busy",
    ]


def test_who_holds_a_line_is_killed_and_the_line_driven(
    kernel: Kernel, child: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emergency_off, "FREED_WITHIN_S", PATIENCE_S)
    kernel.held = {17: child.pid, 22: child.pid, 5: 1}
    assert emergency_off.drive_low(kernel.chip, [17, 27, 22]) == (
        {},
        [f"GPIO 17, 22 held by another: process {child.pid} was killed"],
    )
    assert child.wait() == -signal.SIGKILL
    assert {17, 27, 22} <= {pin for pins in kernel.requests for pin in pins}


def test_the_idle_daemon_keeps_its_lines_and_its_life(
    kernel: Kernel, child: "subprocess.Popen[bytes]"
) -> None:
    kernel.held = dict.fromkeys([17, 27], child.pid)
    assert emergency_off.drive_low(kernel.chip, [17, 27, 22, 60], idle=child.pid) == (
        {60: "Invalid argument"},
        [],
    )
    assert kernel.requests == [[17, 27, 22, 60], [17], [27], [22], [60]]
    assert child.poll() is None


def test_it_never_kills_itself(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emergency_off, "FREED_WITHIN_S", 0)
    monkeypatch.setattr(emergency_off, "_holders", lambda chip: iter([(17, os.getpid())]))
    kernel.held = {17: 0}
    assert emergency_off.drive_low(kernel.chip, [17]) == ({17: "Device or resource busy"}, [])


def test_a_chip_that_is_not_there_or_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chip = "/dev/gpiochip999"
    assert emergency_off.drive_low(chip, [17, 27]) == (
        dict.fromkeys([17, 27], f"{chip}: No such file or directory"),
        [],
    )

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert emergency_off.drive_low(chip, [17]) == (
        {17: f"{chip}: Permission denied; try it with sudo"},
        [],
    )


# --- the file that the daemon leaves ---


FIRST_PIN = """\
import argparse, sys
from firmware_ctl.cli import main
from firmware_ctl.hardware import gpio
gpio.lgpio_factory = lambda: argparse.Namespace(chip=4)
gpio.GpioLed = lambda pin, factory: sys.exit(open(sys.argv[2] + "/lines").read())
main.main(sys.argv[1:2] + ["--state"] + sys.argv[2:])
"""


def test_the_daemon_leaves_word_before_it_takes_a_pin(tmp_path: Path) -> None:
    words = ["run", str(tmp_path / "state"), "--mat", shipped.mat_file()]
    done = subprocess.run(
        [sys.executable, "-c", FIRST_PIN, *words],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.stderr == "/dev/gpiochip4 17 27 22 23 24 25 12 13\n\n"


def test_the_gates_heartbeat_is_a_line_to_drive(tmp_path: Path) -> None:
    path = tmp_path / "mat.yaml"
    text = Path(shipped.mat_file()).read_text()
    path.write_text(text.replace("#   gate: {", "gate: {"))
    assert load_mat(str(path)).power_pins == (*MAT_PINS, 26)


def test_lines_are_read_as_they_were_written(tmp_path: Path) -> None:
    folder = str(tmp_path)
    assert emergency_off.read_lines(folder) == ("", [])
    before = os.umask(0o077)
    emergency_off.write_lines(folder, "/dev/gpiochip0", (17, 27))
    os.umask(before)
    assert emergency_off.read_lines(folder) == ("/dev/gpiochip0", [17, 27])
    assert [(path.name, path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == [
        ("lines", 0o644)
    ]
    for chip_and in ("", " 17 -1", " 17 99999", " 1" * 65, " \u00b2", "\0" * 99):
        (tmp_path / "lines").write_text(f"/dev/gpiochip0{chip_and}")
        with pytest.raises(ValueError, match="does not name a chip and its pins"):
            emergency_off.read_lines(folder)
    for text in ("", "17 27"):
        (tmp_path / "lines").write_text(text)
        with pytest.raises(ValueError, match="does not name a chip and its pins"):
            emergency_off.read_lines(folder)


@pytest.mark.parametrize("name", ["lines", "lines.part"])
def test_write_lines_goes_through_no_link_and_waits_for_no_fifo(name: str, tmp_path: Path) -> None:
    """The folder is the service's, and root writes there: `sudo firmware-ctl wiring`."""
    roots, folder = tmp_path / "roots", tmp_path / "state"
    folder.mkdir()
    for kind in ("link", "hard link", "FIFO"):
        roots.write_text("root's own")
        if kind == "link":
            (folder / name).symlink_to(roots)
        elif kind == "hard link":
            (folder / name).hardlink_to(roots)
        else:
            os.mkfifo(folder / name)
        emergency_off.write_lines(str(folder), "/dev/gpiochip0", (17,))
        assert roots.read_text() == "root's own"
        assert emergency_off.read_lines(str(folder)) == ("/dev/gpiochip0", [17])
        assert os.listdir(folder) == ["lines"]
        (folder / "lines").unlink()


@pytest.mark.alone
def test_read_lines_of_what_is_not_a_regular_file_refuses_at_once(tmp_path: Path) -> None:
    lines, folder = tmp_path / "lines", str(tmp_path)
    os.mkfifo(lines)
    with pytest.raises(OSError, match="is not a regular file"):
        emergency_off.read_lines(folder)
    lines.unlink()
    (tmp_path / "other").write_text("/dev/gpiochip0 17\n")
    lines.symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        emergency_off.read_lines(folder)
    done = script(folder, str(tmp_path / "s"))
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize(
    "path",
    ["/dev/null", "/dev/gpiochip", "/dev/gpiochip0/../null", "/dev/gpiochip\u0660", "/etc/passwd"],
)
def test_lines_that_name_something_else_than_a_chip_are_refused(path: str, tmp_path: Path) -> None:
    (tmp_path / "lines").write_text(f"{path} 17\n")
    with pytest.raises(ValueError, match="does not name a chip and its pins"):
        emergency_off.read_lines(str(tmp_path))
    assert emergency_off.drive_low(path, [17]) == ({17: f"{path}: is not a GPIO chip"}, [])


def test_open_chip_opens_character_devices_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emergency_off, "_is_chip", lambda path: True)
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").touch()
    os.close(emergency_off.open_chip(os.devnull))
    before = os.listdir("/proc/self/fd")
    for name in ("fifo", "file"):
        with pytest.raises(OSError, match="is not a GPIO chip"):
            emergency_off.open_chip(str(tmp_path / name))
    assert os.listdir("/proc/self/fd") == before


# --- the guard ---

GUARDED = """\
import os, signal, sys
from firmware_ctl.hardware import emergency_off, pin_guard
emergency_off.write_lines(sys.argv[1], "/dev/gpiochip0", [17, 27])
emergency_off.open_chip = lambda path: os.open(os.devnull, os.O_RDWR)
emergency_off.request_low = lambda fd, pins: print("low:", *pins, flush=True) or len(pins) - 1
pin_guard.fork_pin_guard(sys.argv[1])
print("plays", flush=True)
os.kill(os.getpid(), getattr(signal, sys.argv[2]))
"""


@pytest.mark.parametrize("how", ["SIGKILL", "SIGABRT", "SIGTERM"])
def test_a_death_makes_the_pins_low_at_once(how: str, tmp_path: Path) -> None:
    """The output ends when the guard has ended too."""
    done = subprocess.run(
        [sys.executable, "-c", GUARDED, str(tmp_path), how],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    first, *tried, one, other = done.stdout.splitlines()
    assert (first, one, other) == ("plays", "low: 17", "low: 27")
    assert set(tried) == {"low: 17 27"}


SIGNALLED = """\
import os, signal, sys, time
from pathlib import Path
from firmware_ctl.hardware import emergency_off, pin_guard
emergency_off.write_lines(sys.argv[1], "/dev/gpiochip0", [17])
emergency_off.open_chip = lambda path: os.open(os.devnull, os.O_RDWR)
emergency_off.request_low = lambda fd, pins: os.write(1, b"low\\n") and 0
pin_guard.fork_pin_guard(sys.argv[1])
guard = int(Path(f"/proc/self/task/{os.getpid()}/children").read_text())
numbers = signal.SIGTERM, signal.SIGINT, signal.SIGHUP
mask = sum(1 << number - 1 for number in numbers)
until_s = time.monotonic() + 5
ignored = 0
while ignored & mask != mask and time.monotonic() < until_s:  # it has only just been forked
    status = Path(f"/proc/{guard}/status").read_text()
    ignored = int(status.partition("SigIgn:")[2].split()[0], 16)
for number in numbers:
    os.kill(guard, number)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_guard_outlives_the_signals_that_end_a_whole_service_or_terminal(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SIGNALLED, str(tmp_path)],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGKILL, "low\n", "")


ENDING = """\
import os, sys
from firmware_ctl.hardware import emergency_off, pin_guard
emergency_off.write_lines(sys.argv[1], "/dev/gpiochip0", [17, 27])
emergency_off.open_chip = lambda path: os.open(os.devnull, os.O_RDWR)
emergency_off.request_low = lambda fd, pins: os.write(1, b"low\\n") and 0
pin_guard.fork_pin_guard(sys.argv[1])
os.close(pin_guard.ABOVE_ALL)
sys.stdin.read()
"""


def test_pins_are_low_while_a_port_holds_up_the_end_of_the_process(tmp_path: Path) -> None:
    """The kernel has closed what was opened last, and waits until a port has sent all."""
    with subprocess.Popen(
        [sys.executable, "-c", ENDING, str(tmp_path)],
        env=environment(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert Lines(process.stdout.fileno()).until(bool) == "low"
        assert process.poll() is None
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0


# --- the daemon ---


def test_a_daemon_that_answers_is_idle_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emergency_off, "IDLE_WITHIN_S", 10 * PATIENCE_S)  # a wait would be seen
    with Mock(tmp_path) as mock, Client(mock.port) as port:
        port.start("long")
        for _ in range(2):
            pid = mock.process.pid
            assert emergency_off.stop_daemon(mock.socket) == (
                pid,
                f"the daemon (process {pid}) is idle",
                True,
            )
        assert port.status()["state"] == "idle"
        assert mock.end() == (0, "")


def test_a_daemon_that_hangs_is_killed(tmp_path: Path) -> None:
    with Mock(tmp_path) as mock, Client(mock.port) as port:
        port.start("long")
        mock.process.send_signal(signal.SIGSTOP)
        os.waitpid(mock.process.pid, os.WUNTRACED)
        assert emergency_off.stop_daemon(mock.socket) == (
            0,
            f"the daemon on {mock.socket} was not idle within 0.2 s: "
            f"process {mock.process.pid} was killed",
            True,
        )
        assert mock.process.wait(PATIENCE_S) == -signal.SIGKILL
    assert emergency_off.stop_daemon(mock.socket) == (
        0,
        f"no daemon answers on {mock.socket}",
        True,
    )


@needs_root
def test_silence_kills_a_daemon_that_hangs_in_a_network_of_its_own(tmp_path: Path) -> None:
    """As the service does, by PrivateNetwork=: its sockets are in another table than ours."""
    with Mock(tmp_path, program=["unshare", "--net", *command()]) as mock:
        mock.process.send_signal(signal.SIGSTOP)
        os.waitpid(mock.process.pid, os.WUNTRACED)
        _, sentence, is_known = emergency_off.stop_daemon(mock.socket)
        assert is_known, sentence
        assert mock.process.wait(PATIENCE_S) == -signal.SIGKILL


def test_where_no_daemon_is_nothing_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emergency_off, "IDLE_WITHIN_S", 10 * PATIENCE_S)
    path = str(tmp_path / "control.sock")
    assert emergency_off.stop_daemon(path) == (0, f"no daemon runs: there is no {path}", True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
    assert emergency_off.stop_daemon(path) == (0, f"no daemon answers on {path}", True)
    too_long = str(tmp_path / ("x" * 200))
    assert (emergency_off.stop_daemon(too_long)[0], emergency_off.stop_daemon(too_long)[2]) == (
        0,
        False,
    )


@pytest.mark.parametrize("answer", [b"* status state=fault profile= \r\n", b"", b"* status state="])
def test_only_idle_is_idle(tmp_path: Path, answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = []
    monkeypatch.setattr(
        emergency_off, "_kill", lambda pid, is_it: (killed.append(pid) or is_it(pid), "done")
    )
    path = str(tmp_path / "control.sock")
    asked = []

    def serve_one() -> None:
        there, _ = listener.accept()
        with there:
            asked.append(there.recv(64))
            there.sendall(answer)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        thread = threading.Thread(target=serve_one)
        thread.start()
        assert emergency_off.stop_daemon(path) == (
            0,
            f"the daemon on {path} was not idle within 0.2 s: done",
            True,
        )
        thread.join()
    assert (asked, killed) == ([b"!?"], [os.getpid()])


def test_nobody_is_killed_by_mistake() -> None:
    assert [emergency_off._kill(pid, bool) for pid in (0, 1, -1, os.getpid())] == [
        (False, "its process cannot be found from here")
    ] * 4
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert emergency_off._kill(ended.pid, bool) == (True, f"process {ended.pid} has ended")


def test_kill_of_a_number_that_another_process_has_by_now_kills_nobody(
    child: "subprocess.Popen[bytes]",
) -> None:
    assert emergency_off._kill(child.pid, lambda pid: False) == (
        False,
        f"process {child.pid} is another one by now and was not killed",
    )
    assert child.poll() is None


INHERITED = """\
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
child = os.fork()
if child == 0:
    listener.listen(int(sys.argv[2]))
    os._exit(0)
os.waitpid(child, 0)
print(child, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("queue", [9, 0])
def test_silence_kills_who_listens_though_the_kernel_names_another(
    queue: int, tmp_path: Path, child: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that called listen has ended; its number may be anyone's. With a full queue the
    kernel does not even name it.
    """
    path = str(tmp_path / "s")
    with subprocess.Popen(
        [sys.executable, "-c", INHERITED, path, str(queue)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        ended = int(holder.stdout.readline())
        unpack = emergency_off.struct.unpack
        monkeypatch.setattr(
            emergency_off.struct, "unpack", lambda form, data: (child.pid, *unpack(form, data)[1:])
        )
        with socket.socket(socket.AF_UNIX) as waiting:
            waiting.connect(path)
            assert emergency_off.stop_daemon(path) == (
                0,
                f"the daemon on {path} was not idle within 0.2 s: process {holder.pid} was killed",
                True,
            )
        assert holder.wait() == -signal.SIGKILL
    assert child.poll() is None
    assert ended != holder.pid


def test_silence_of_a_hanging_daemon_that_cannot_be_found_is_told_as_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in another PID namespace."""
    path = str(tmp_path / "s")
    monkeypatch.setattr(emergency_off, "_processes", list)
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as waiting:
        listener.bind(path)
        listener.listen(0)
        waiting.connect(path)
        sentence = (
            f"the daemon on {path} was not idle within 0.2 s: its process cannot be found from here"
        )
        assert emergency_off.stop_daemon(path) == (0, sentence, False)
        assert emergency_off.main([str(tmp_path), path]) == 1


@needs_root
def test_silence_does_not_ask_a_strangers_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        os.seteuid(STRANGER)
        try:
            listener.listen()
        finally:
            os.seteuid(0)
        sentence = f"{path} belongs to another user (uid {STRANGER}); it is not asked"
        assert emergency_off.stop_daemon(path) == (0, sentence, False)
        asker, _ = listener.accept()
        with asker:
            assert asker.recv(9) == b""


@needs_root
def test_who_listens_is_of_the_sockets_owners(tmp_path: Path) -> None:
    """A stranger may have sent a listening socket to a process of its choice."""
    path = str(tmp_path / "s")
    assert not emergency_off._listens(os.getpid(), path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        assert not emergency_off._listens(os.getpid(), path)
        listener.listen()
        assert emergency_off._listens(os.getpid(), path)
        assert not emergency_off._listens(os.getpid(), str(tmp_path / "other"))
        number = listener.fileno()
        with subprocess.Popen(["sleep", "600"], pass_fds=[number], user=STRANGER) as stranger:
            links = [f"/proc/{stranger.pid}/fd/{number}", f"/proc/self/fd/{number}"]
            assert os.readlink(links[0]) == os.readlink(links[1])
            listens = emergency_off._listens(stranger.pid, path)
            stranger.kill()
        assert not listens


# --- as the unit runs it ---


def script(*words: str, options: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *options, "-I", "-S", str(SCRIPT), *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


@pytest.mark.alone
def test_the_file_runs_alone_and_loads_next_to_nothing(tmp_path: Path) -> None:
    done = script(str(tmp_path), str(tmp_path / "s"), options=("-X", "importtime"))
    assert (done.returncode, done.stdout) == (
        0,
        f"firmware-ctl off: no daemon runs: there is no {tmp_path}/s\n"
        f"firmware-ctl off: no daemon on {tmp_path} ever took a pin\n",
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert {"_socket", "fcntl", "_struct"} <= loaded
    assert not loaded & {"site", "socket", "enum", "re", "typing", "signal", "firmware_ctl"}


@pytest.mark.alone
def test_the_script_names_each_pin_that_it_cannot_take(tmp_path: Path) -> None:
    emergency_off.write_lines(str(tmp_path), "/dev/gpiochip999", (17, 27))
    done = script(str(tmp_path), str(tmp_path / "s"))
    assert done.returncode == 1
    assert done.stdout.splitlines()[1:] == [
        "firmware-ctl off: GPIO 17, 27 cannot be driven low: "
        "/dev/gpiochip999: No such file or directory"
    ]
    (tmp_path / "lines").write_text("rubbish")
    done = script(str(tmp_path), str(tmp_path / "s"))
    assert (done.returncode, done.stderr) == (1, "")
    assert script().returncode == 2


@pytest.mark.alone
def test_the_script_needs_no_one_to_listen(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    words = [sys.executable, "-I", "-S", str(SCRIPT), str(tmp_path), str(tmp_path / "s")]
    done = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, timeout=PATIENCE_S)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


# --- the command ---


def by_hand(
    capsys: pytest.CaptureFixture[str], path: str, state: Path, mat: str | None = None
) -> tuple[int, list[str]]:
    mat = mat or shipped.mat_file()
    code = client.all_low(argparse.Namespace(socket=path, state=str(state), mat=mat))
    return code, capsys.readouterr().out.splitlines()


def test_by_hand_the_pins_are_the_mats_and_those_of_the_last_daemon(
    tmp_path: Path,
    kernel: Kernel,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = str(tmp_path / "s")
    nobody = f"firmware-ctl: no daemon runs: there is no {path}"
    low = "firmware-ctl: GPIO 12, 13, 17, 22, 23, 24, 25, 27 low"
    monkeypatch.setattr(emergency_off, "find_chip", lambda: kernel.chip)
    assert by_hand(capsys, path, tmp_path) == (0, [nobody, low])
    emergency_off.write_lines(str(tmp_path), kernel.chip, (9, 17))
    monkeypatch.setattr(emergency_off, "find_chip", lambda: "")
    assert by_hand(capsys, path, tmp_path) == (0, [nobody, low.replace("12", "9, 12", 1)])
    assert kernel.requests == [MAT_PINS, [9, 17, *MAT_PINS[1:]]]
    code, said = by_hand(capsys, path, tmp_path, str(tmp_path / "none.yaml"))
    assert (code, said[-1]) == (0, "firmware-ctl: GPIO 9, 17 low")
    assert "none.yaml cannot be read" in said[1]


def test_by_hand_without_pins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emergency_off, "find_chip", lambda: "")
    monkeypatch.setattr(emergency_off, "IDLE_WITHIN_S", PATIENCE_S)
    with Mock(tmp_path / "mock") as mock:
        pid = mock.process.pid
        assert by_hand(capsys, mock.socket, tmp_path) == (
            0,
            [
                f"firmware-ctl: the daemon (process {pid}) is idle",
                "firmware-ctl: no GPIO chip of a Pi can be opened here, so there are no pins to drive",
            ],
        )
    path = str(tmp_path / "s")
    assert by_hand(capsys, path, tmp_path) == (
        1,
        [
            f"firmware-ctl: no daemon runs: there is no {path}",
            "firmware-ctl: GPIO 12, 13, 17, 22, 23, 24, 25, 27 cannot be driven low: "
            "no GPIO chip of a Pi can be opened here",
        ],
    )


def test_the_chip_of_the_header_is_known_by_its_label(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = {"/dev/gpiochip0": b"gpio-brcmstb", "/dev/gpiochip4": b"pinctrl-rp1"}
    opened: dict[int, str] = {}

    def ioctl(fd: int, number: int, data: bytearray) -> None:
        assert number == emergency_off.GET_CHIP
        data[:] = emergency_off.CHIP_INFO.pack(b"", labels[opened[fd]], 54)

    def open_chip(path: str, flags: int) -> int:
        if path not in labels:
            raise PermissionError(13, "Permission denied")
        fd = real_open(os.devnull, flags)
        opened[fd] = path
        return fd

    real_open = os.open
    names = ["tty", "gpiochip4", "gpiochip0", "gpiochip1"]
    monkeypatch.setattr(os, "listdir", lambda _: names)
    monkeypatch.setattr(os, "open", open_chip)
    monkeypatch.setattr(emergency_off, "_ioctl", ioctl)
    assert emergency_off.find_chip() == "/dev/gpiochip4"
    names.remove("gpiochip4")
    assert emergency_off.find_chip() == ""


def test_holders_are_found_by_what_the_kernel_says_of_a_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text is that of linereq_show_fdinfo in drivers/gpio/gpiolib-cdev.c."""
    facts = {
        "/proc/12/fdinfo/3": "pos:\t0\nflags:\t02\ngpio-chip:\tgpiochip0\ngpio-line:\t17\ngpio-line:\t27\n",
        "/proc/12/fdinfo/4": "pos:\t0\nflags:\t02\ngpio-chip:\tgpiochip1\ngpio-line:\t22\n",
        "/proc/13/fdinfo/3": "pos:\t0\nflags:\t02\n",
    }
    folders = {
        "/proc": ["12", "13", "14", "self"],
        "/proc/12/fd": ["0", "3", "4"],
        "/proc/13/fd": ["3"],
    }

    def listdir(path: str) -> list[str]:
        if path not in folders:
            raise PermissionError(13, "Permission denied")
        return folders[path]

    def readlink(path: str) -> str:
        return "anon_inode:gpio-line" if path.endswith(("/3", "/4")) else "/dev/null"

    def opened(path: str, **_: object) -> object:
        (tmp_path / "facts").write_text(facts[path])
        return open(tmp_path / "facts")

    monkeypatch.setattr(os, "listdir", listdir)
    monkeypatch.setattr(os, "readlink", readlink)
    monkeypatch.setattr(emergency_off, "open", opened, raising=False)
    assert list(emergency_off._holders("/dev/gpiochip0")) == [(17, 12), (27, 12)]


@pytest.mark.alone
def test_the_script_is_free_of_the_package_and_runs_without_it() -> None:
    imports = re.findall(r"^\s*(?:import|from) (\S+)", SCRIPT.read_text(), re.MULTILINE)
    assert imports == [
        "_socket",
        "fcntl",
        "os",
        "stat",
        "struct",
        "sys",
        "errno",
        "time",
        "signal",
        "collections.abc",
        "_signal",
    ]
