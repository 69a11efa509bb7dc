"""Every motor pin low by the kernel's own GPIO interface, whatever became of the daemon.

One file of the standard library alone, so that the service can run it without site and package
the moment its daemon has died: `python3 -I -S off.py STATE SOCKET`. It knows no mat file: the
daemon leaves the chip and the pins that it takes in its state folder. Nothing here raises, all of
it may be repeated, and what happened is told after the pins are low.
"""

import _socket as socket  # the module around it takes as long to load as Python's own start
import fcntl
import os
import stat
import struct
import sys
from errno import EBUSY, EINVAL
from time import monotonic, sleep

TYPE_CHECKING = False  # as in typing, whose import alone takes as long as Python's start
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Collection, Iterator, Sequence
else:
    import _signal as signal

IDLE_WITHIN_S = 0.2
FREED_WITHIN_S = 0.5
"""The kernel frees a killed process's lines; a few milliseconds, more on a starved machine."""

AGAIN_S = 0.005

LISTENS = 1 << 16
"""A flag in /proc/net/unix: __SO_ACCEPTCON of linux/net.h."""

MOST_BYTES = 4096
"""The longest `lines` file that is read."""

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
    # Whoever owns the folder may have put links there, and root must not write through them. This
    # is not `storage.files.atomic_write`: this file runs without the package (`python3 -I -S`).
    there = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if "lines.part" in os.listdir(there):
            os.unlink("lines.part", dir_fd=there)
        fd = os.open(
            "lines.part", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=there
        )
        try:
            os.fchmod(fd, 0o644)
            os.write(fd, f"{chip} {' '.join(map(str, pins))}\n".encode())
        finally:
            os.close(fd)
        os.replace("lines.part", "lines", src_dir_fd=there, dst_dir_fd=there)
    finally:
        os.close(there)


def read_lines(folder: str) -> tuple[str, list[int]]:
    """The chip and the pins that a daemon on this state folder last took; no pins: none ever did.

    Raises OSError or ValueError where that cannot be known.
    """
    path = os.path.join(folder, "lines")
    try:
        # A link may lead anywhere, and to open a FIFO would wait for whoever writes to it.
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return "", []
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(EINVAL, f"{path} is not a regular file")
        chip, *pins = os.read(fd, MOST_BYTES).decode("ascii", "replace").split() or [""]
    finally:
        os.close(fd)
    are_pins = 0 < len(pins) <= MOST_LINES and all(pin.isdecimal() and len(pin) < 4 for pin in pins)
    if not _is_chip(chip) or not are_pins:
        raise ValueError(f"{path} does not name a chip and its pins; start the daemon once")
    return chip, [int(pin) for pin in pins]


def _is_chip(path: str) -> bool:
    number = path.removeprefix("/dev/gpiochip")
    return number != path and number.isdecimal() and number.isascii()


def open_chip(path: str) -> int:
    """A GPIO character device, nothing else: the state folder's owner may have named any path."""
    if not _is_chip(path):
        raise OSError(EINVAL, "is not a GPIO chip")
    fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISCHR(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(EINVAL, "is not a GPIO chip")
    return fd


def find_chip() -> str:
    """The chip of this Pi's header, as the kernel labels it; empty where there is none."""
    for name in sorted(os.listdir("/dev")):
        if name.startswith("gpiochip"):
            try:
                fd = open_chip(f"/dev/{name}")
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


def stop_daemon(path: str) -> tuple[int, str, bool]:
    """Stops the daemon on this control socket; one that is not idle within 0.2 s is killed.

    Gives back the process that is idle now, 0 where there is none, a sentence for people, and
    whether it is certain that no daemon on this socket plays.
    """
    idle_at = monotonic() + IDLE_WITHIN_S
    pid, answer = 0, b""
    try:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    except OSError as error:
        return 0, f"no socket can be made: {error.strerror}", False
    try:
        sock.settimeout(IDLE_WITHIN_S)
        _connect(sock, path, idle_at)
        # Who called listen, told by the kernel; 0 where it lives in another PID namespace.
        peer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        pid, uid, _ = struct.unpack("3i", peer)
        if uid not in _owners(path):
            return 0, f"{path} belongs to another user (uid {uid}); it is not asked", False
        sock.send(b"!?")
        while (left := idle_at - monotonic()) > 0:
            sock.settimeout(left)
            chunk = sock.recv(4096)
            answer += chunk
            if b"* status state=idle " in answer:
                return pid, f"the daemon (process {pid}) is idle", True
            if not chunk:
                break
    except FileNotFoundError:
        return 0, f"no daemon runs: there is no {path}", True
    except ConnectionRefusedError:
        return 0, f"no daemon answers on {path}", True
    except PermissionError:
        return 0, f"{path} is not yours to use; try it with sudo", False
    except OSError:  # it hangs, or ends right now
        pass
    finally:
        sock.close()
    is_known, sentence = _end(path, pid)
    return 0, f"the daemon on {path} was not idle within {IDLE_WITHIN_S} s: {sentence}", is_known


def _connect(sock: socket.socket, path: str, until: float) -> None:
    """A daemon that hangs may have a full queue of new clients: the kernel then refuses at once."""
    while True:
        try:
            return sock.connect(path)
        except BlockingIOError:
            if monotonic() > until:
                raise
            sleep(AGAIN_S)


def _owners(path: str) -> tuple[int, ...]:
    """Who may answer on a socket: root, this user, and whoever owns the folder."""
    return 0, os.geteuid(), os.stat(os.path.dirname(path) or ".").st_uid


def _end(path: str, pid: int) -> tuple[bool, str]:
    """Kills whoever listens on the socket; whether that is done, and a sentence.

    The number that the kernel told may be another process's by now: a socket outlives the process
    that called listen, where a child has inherited it.
    """

    def is_listener(number: int) -> bool:
        return _listens(number, path)

    found = [pid] if pid and is_listener(pid) else [*filter(is_listener, _processes())]
    ends = [_kill(number, is_listener) for number in found]
    sentence = ", ".join(sentence for _, sentence in ends)
    return (
        bool(ends) and all(is_ended for is_ended, _ in ends),
        sentence or "its process cannot be found from here",
    )


def _processes() -> "list[int]":
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _listens(pid: int, path: str) -> bool:
    """Whether a process of the socket's owners listens on it, as far as that may be seen.

    The table of sockets is that of the process's own network namespace.
    """
    path = os.path.realpath(path)
    base = os.path.basename(path)
    sockets = set()
    try:
        if os.stat(f"/proc/{pid}").st_uid not in _owners(path):
            return False
        with open(f"/proc/{pid}/net/unix", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                # Address, references, protocol, flags, type, state, number of the socket, path.
                facts = line.rstrip("\n").split(None, 7)
                if len(facts) < 8 or not facts[7].endswith(base):
                    continue
                if int(facts[3], 16) & LISTENS and os.path.realpath(facts[7]) == path:
                    sockets.add(f"socket:[{facts[6]}]")
        fds = os.listdir(f"/proc/{pid}/fd") if sockets else []
    except OSError:
        return False
    return any(_target(f"/proc/{pid}/fd/{fd}") in sockets for fd in fds)


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""


def _kill(pid: int, is_it: "Callable[[int], bool]") -> tuple[bool, str]:
    """Kills a process that is still the one that is meant; whether it is gone, and a sentence."""
    if pid <= 1 or pid == os.getpid():
        return False, "its process cannot be found from here"
    try:
        # From here on the number cannot become another process's.
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True, f"process {pid} has ended"
    except OSError as error:
        return False, f"process {pid} cannot be killed ({error.strerror})"
    try:
        if not is_it(pid):
            return False, f"process {pid} is another one by now and was not killed"
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        return True, f"process {pid} has ended"
    except OSError as error:
        return False, f"process {pid} cannot be killed ({error.strerror}; try it with sudo)"
    finally:
        os.close(handle)
    return True, f"process {pid} was killed"


# ---- the pins


def drive_low(chip: str, pins: "Sequence[int]", idle: int = 0) -> tuple[dict[int, str], list[str]]:
    """Makes every pin an output at 0 and lets it go: the kernel keeps it low, or makes it an input
    whose pull-down does.

    A process that holds a pin is killed, unless it is the one that is `idle` and keeps it low.
    Gives back the pins that could not be taken with the reason, and sentences for people.
    """
    pins = list(dict.fromkeys(pins))
    try:
        fd = open_chip(chip)
    except OSError as error:
        hint = "; try it with sudo" if isinstance(error, PermissionError) else ""
        return dict.fromkeys(pins, f"{chip}: {error.strerror}{hint}"), []
    try:
        failed: dict[int, int] = {}
        for first in range(0, len(pins), MOST_LINES):
            some = pins[first : first + MOST_LINES]
            if request_low(fd, some):
                failed.update((pin, code) for pin in some if (code := request_low(fd, [pin])))
        if not failed:
            return {}, []
        busy = [pin for pin in failed if failed[pin] == EBUSY]
        held = {pin: pid for pin, pid in _holders(chip) if pin in busy}
        said = []

        def is_holder(pid: int) -> bool:
            return any(holder == pid and pin in pins for pin, holder in _holders(chip))

        for pid in sorted({*held.values()} - {idle, os.getpid()}):
            of = _words(pin for pin in held if held[pin] == pid)
            said.append(f"GPIO {of} held by another: {_kill(pid, is_holder)[1]}")
        # Who holds a line may be hidden, by rights or by an old kernel: then it is the idle daemon.
        for pin in busy:
            if idle and held.get(pin, idle) == idle:
                del failed[pin]
        freed_at = monotonic() + FREED_WITHIN_S
        while (left := [pin for pin in busy if pin in failed]) and monotonic() < freed_at:
            for pin in left:
                failed[pin] = request_low(fd, [pin])
                if not failed[pin]:
                    del failed[pin]
            sleep(AGAIN_S)
        return {pin: os.strerror(code) for pin, code in failed.items()}, said
    finally:
        os.close(fd)


def request_low(fd: int, pins: "Sequence[int]") -> int:
    """Takes up to `MOST_LINES` lines as outputs at 0 and gives them back.

    0, or the error's number.
    """
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
    for pid in _processes():
        try:
            fds = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for fd in fds:
            if _target(f"/proc/{pid}/fd/{fd}") != "anon_inode:gpio-line":
                continue
            try:
                with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as file:
                    facts = [line.split() for line in file]
            except OSError:
                continue
            if ["gpio-chip:", name] in facts:
                for fact in facts:
                    if fact[:1] == ["gpio-line:"]:
                        yield int(fact[1]), pid


def _words(pins: "Iterator[int] | Sequence[int]") -> str:
    return ", ".join(map(str, sorted({*pins})))


def describe(pins: "Sequence[int]", failed: dict[int, str]) -> list[str]:
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
    idle, sentence, is_known = stop_daemon(path)
    code = 0 if is_known else 1
    try:
        chip, pins = read_lines(state)
    except (OSError, ValueError) as error:
        said, code = [str(error)], 1
    else:
        if pins:
            failed, said = drive_low(chip, pins, idle)
            said += describe(pins, failed)
            code = 1 if failed else code
        else:
            said = [f"no daemon on {state} ever took a pin"]
    try:
        print("\n".join(f"firmware-ctl off: {line}" for line in (sentence, *said)), flush=True)
    except OSError:  # no one listens
        sys.stdout = None  # else its last flush would end in exit 120
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
