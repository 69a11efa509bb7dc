"""Every motor pin low by the kernel's own GPIO interface, whatever became of the daemon.

One file of the standard library alone, so that the service can run it without site and package
the moment its daemon has died: `python3 -I -S off.py STATE SOCKET`. It knows no mat file: the
daemon leaves the chip and the pins that it takes in its state folder. Nothing here raises, all of
it may be repeated, and what happened is told after the pins are low.
"""

import _socket as socket  # the module around it takes as long to load as Python's own start
import fcntl
import os
import struct
import sys
from errno import EBUSY
from time import monotonic, sleep

TYPE_CHECKING = False  # as in typing, whose import alone takes as long as Python's start
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

IDLE_WITHIN_S = 0.2
FREED_WITHIN_S = 0.5
"""The kernel frees a killed process's lines; a few milliseconds, more on a starved machine."""

AGAIN_S = 0.005
ABOVE_ALL = 512
"""A descriptor's number that no other reaches; the usual limit is 1024."""

SIGKILL = 9

# struct gpio_v2_line_request of linux/gpio.h: the offsets, who asks, flags, one attribute (what
# it is, the values, for which lines) and nine unused, the number of lines, the descriptor given.
MOST_LINES = 64
LINE_REQUEST = struct.Struct("=64I32sQI20xIIQQ216xII20xi")
GET_LINE = 0xC250B407
"""GPIO_V2_GET_LINE_IOCTL: _IOWR(0xB4, 0x07, struct gpio_v2_line_request)."""
BUTTON_NAME = b"firmware-ctl button"
"""Who asks for the start button's lines: `contacts` does, and `doctor` knows it by this."""
OUTPUT_FLAG = 1 << 3
OUTPUT_VALUES = 2

# struct gpiochip_info: the name, the label, the number of lines.
CHIP_INFO = struct.Struct("=32s32sI")
GET_CHIP = 0x8044B401
"""GPIO_GET_CHIPINFO_IOCTL: _IOR(0xB4, 0x01, struct gpiochip_info)."""
HEADER_LABELS = (b"pinctrl-bcm2835", b"pinctrl-bcm2711", b"pinctrl-rp1")


# ---- which lines


def write_lines(folder: str, chip: str, pins: "Collection[int]") -> None:
    """Leaves word, before a pin is taken, of what has to be driven low after a death.

    The file `lines` in the state folder is one line: the chip's path, then the pins. Raises
    OSError.
    """
    path = os.path.join(folder, "lines")
    fd = os.open(f"{path}.part", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        os.fchmod(fd, 0o644)
        os.write(fd, f"{chip} {' '.join(map(str, pins))}\n".encode())
    finally:
        os.close(fd)
    os.replace(f"{path}.part", path)


def read_lines(folder: str) -> tuple[str, list[int]]:
    """The chip and the pins that a daemon on this state folder last took; no pins: none ever did.

    Raises OSError or ValueError where that cannot be known.
    """
    path = os.path.join(folder, "lines")
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            chip, *pins = file.read().split() or [""]
    except FileNotFoundError:
        return "", []
    are_pins = 0 < len(pins) <= MOST_LINES and all(pin.isdecimal() and len(pin) < 4 for pin in pins)
    if not chip.startswith("/") or not are_pins:
        raise ValueError(f"{path} does not name a chip and its pins; start the daemon once")
    return chip, [int(pin) for pin in pins]


def find_chip() -> str:
    """The chip of this Pi's header, as the kernel labels it; empty where there is none."""
    for name in sorted(os.listdir("/dev")):
        if name.startswith("gpiochip"):
            try:
                fd = os.open(f"/dev/{name}", os.O_RDWR | os.O_CLOEXEC)
            except OSError:
                continue
            info = bytearray(CHIP_INFO.size)
            try:
                _ioctl(fd, GET_CHIP, info)
            except OSError:
                continue
            finally:
                os.close(fd)
            if CHIP_INFO.unpack(info)[1].rstrip(b"\0") in HEADER_LABELS:
                return f"/dev/{name}"
    return ""


# ---- the daemon


def silence(path: str) -> tuple[int, str]:
    """Stops the daemon on this control socket; one that is not idle within 0.2 s is killed.

    Gives back the process that is idle now, 0 where there is none, and a sentence for people.
    """
    idle_at = monotonic() + IDLE_WITHIN_S
    pid, answer = 0, b""
    try:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    except OSError as error:
        return 0, f"no socket can be made: {error.strerror}"
    try:
        sock.settimeout(IDLE_WITHIN_S)
        sock.connect(path)
        # Who listens, told by the kernel; 0 where it lives in another PID namespace.
        peer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        (pid,) = struct.unpack_from("i", peer)
        sock.send(b"!?")
        while (left := idle_at - monotonic()) > 0:
            sock.settimeout(left)
            chunk = sock.recv(4096)
            answer += chunk
            if b"* status state=idle " in answer:
                return pid, f"the daemon (process {pid}) is idle"
            if not chunk:
                break
    except FileNotFoundError:
        return 0, f"no daemon runs: there is no {path}"
    except ConnectionRefusedError:
        return 0, f"no daemon answers on {path}"
    except PermissionError:
        return 0, f"{path} is not yours to use"
    except OSError:  # it hangs, or ends right now
        pass
    finally:
        sock.close()
    return 0, f"the daemon on {path} was not idle within {IDLE_WITHIN_S} s: {_kill(pid)}"


def _kill(pid: int) -> str:
    if pid <= 1 or pid == os.getpid():
        return "its process cannot be found from here"
    try:
        os.kill(pid, SIGKILL)
    except ProcessLookupError:
        return f"process {pid} has ended"
    except OSError as error:
        return f"process {pid} cannot be killed ({error.strerror}; try it with sudo)"
    return f"process {pid} was killed"


# ---- the pins


def drive_low(chip: str, pins: "Sequence[int]", idle: int = 0) -> tuple[dict[int, str], list[str]]:
    """Makes every pin an output at 0 and lets it go: the kernel keeps it low, or makes it an input
    whose pull-down does.

    A process that holds a pin is killed, unless it is the one that is `idle` and keeps it low.
    Gives back the pins that could not be taken with the reason, and sentences for people.
    """
    pins = list(dict.fromkeys(pins))
    try:
        fd = os.open(chip, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        hint = "; try it with sudo" if isinstance(error, PermissionError) else ""
        return dict.fromkeys(pins, f"{chip}: {error.strerror}{hint}"), []
    try:
        if not _request(fd, pins):
            return {}, []
        failed = {pin: code for pin in pins if (code := _request(fd, [pin]))}
        busy = [pin for pin in failed if failed[pin] == EBUSY]
        held = {pin: pid for pin, pid in _holders(chip) if pin in busy}
        said = []
        for pid in sorted({*held.values()} - {idle, os.getpid()}):
            of = _words(pin for pin in held if held[pin] == pid)
            said.append(f"GPIO {of} held by another: {_kill(pid)}")
        # Who holds a line may be hidden, by rights or by an old kernel: then it is the idle daemon.
        for pin in busy:
            if idle and held.get(pin, idle) == idle:
                del failed[pin]
        freed_at = monotonic() + FREED_WITHIN_S
        while (left := [pin for pin in busy if pin in failed]) and monotonic() < freed_at:
            for pin in left:
                failed[pin] = _request(fd, [pin])
                if not failed[pin]:
                    del failed[pin]
            sleep(AGAIN_S)
        return {pin: os.strerror(code) for pin, code in failed.items()}, said
    finally:
        os.close(fd)


def guard(folder: str) -> None:
    """Forks a child that makes the pins low the moment this process has died, however it died.

    It is there already when `ExecStopPost=` has yet to be started, and does the first part of it:
    the lines that the daemon named in its state folder. Who holds one when the process has ended is
    left alone. To be called before any thread is started.
    """
    import select
    import signal

    try:
        death = os.pidfd_open(os.getpid())
    except (AttributeError, OSError):
        return  # a kernel before 5.3
    closing, ours = os.pipe()
    if os.fork():
        os.close(closing)
        os.close(death)
        # The kernel closes from the highest number down: this end goes before lines and ports.
        try:
            fcntl.fcntl(ours, fcntl.F_DUPFD_CLOEXEC, ABOVE_ALL)
        except OSError:
            return  # fewer are allowed: it stays where it is, and the death is what wakes the guard
        os.close(ours)
        return
    os.close(ours)
    try:
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        select.select([death, closing], [], [])
        chip, pins = read_lines(folder)
        fd = os.open(chip, os.O_RDWR | os.O_CLOEXEC)
        # A process has not ended before its serial ports have sent what they hold, for which the
        # kernel waits up to 30 s. Its lines may be free long before that.
        while (failed := _request(fd, pins)) and not select.select([death], [], [], AGAIN_S)[0]:
            pass
        if failed:
            for pin in pins:
                _request(fd, [pin])
    finally:
        os._exit(0)


def _request(fd: int, pins: "Sequence[int]") -> int:
    """Takes the lines as outputs at 0 and gives them back. 0, or the error's number."""
    offsets = [*pins, *[0] * (MOST_LINES - len(pins))]
    mask = (1 << len(pins)) - 1
    request = bytearray(
        LINE_REQUEST.pack(
            *offsets, b"firmware-ctl off", OUTPUT_FLAG,
            1, OUTPUT_VALUES, 0, 0, mask,
            len(pins), 0, 0,
        )
    )  # fmt: skip
    try:
        _ioctl(fd, GET_LINE, request)
    except OSError as error:
        return error.errno or -1
    os.close(LINE_REQUEST.unpack(request)[-1])
    return 0


def _ioctl(fd: int, number: int, data: bytearray) -> None:
    fcntl.ioctl(fd, number, data)


def _holders(chip: str) -> "Iterator[tuple[int, int]]":
    """Which process holds which line of the chip (Linux 6.1), as far as it may be seen."""
    name = os.path.basename(os.path.realpath(chip))
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            fds = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for fd in fds:
            try:
                if os.readlink(f"/proc/{pid}/fd/{fd}") != "anon_inode:gpio-line":
                    continue
                with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as file:
                    facts = [line.split() for line in file]
            except OSError:
                continue
            if ["gpio-chip:", name] in facts:
                for fact in facts:
                    if fact[:1] == ["gpio-line:"]:
                        yield int(fact[1]), int(pid)


def _words(pins: "Iterator[int] | Sequence[int]") -> str:
    return ", ".join(map(str, sorted({*pins})))


def told(pins: "Sequence[int]", failed: dict[int, str]) -> list[str]:
    """What came of the pins, a sentence for each reason."""
    low = [pin for pin in pins if pin not in failed]
    lines = [f"GPIO {_words(low)} low"] if low else []
    for why in dict.fromkeys(failed.values()):
        of = _words(pin for pin in failed if failed[pin] == why)
        lines.append(f"GPIO {of} cannot be driven low: {why}")
    return lines


def main(arguments: "Sequence[str]") -> int:
    if len(arguments) != 2:
        print("usage: python3 -I -S off.py STATE_FOLDER CONTROL_SOCKET", file=sys.stderr)
        return 2
    state, path = arguments
    idle, sentence = silence(path)
    code = 0
    try:
        chip, pins = read_lines(state)
    except (OSError, ValueError) as error:
        said, code = [str(error)], 1
    else:
        if pins:
            failed, said = drive_low(chip, pins, idle)
            said += told(pins, failed)
            code = 1 if failed else 0
        else:
            said = [f"no daemon on {state} ever took a pin"]
    try:
        print("\n".join(f"firmware-ctl off: {line}" for line in (sentence, *said)), flush=True)
    except OSError:  # no one listens
        sys.stdout = None  # else its last flush would end in exit 120
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
