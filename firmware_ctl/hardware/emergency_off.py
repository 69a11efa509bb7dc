"""Drives every motor pin low through the kernel's GPIO interface, whatever became of the daemon.

The service runs this file by itself the moment its daemon has died:
`python3 -I -S emergency_off.py STATE_FOLDER CONTROL_SOCKET`. So it uses the standard library alone,
and of that only what loads fast. It knows GPIO lines, processes and one socket. It never knows the
mat file: the daemon leaves the chip and its pins in the state folder. `drive_low` and `stop_daemon`
never raise and may be repeated, and nothing is printed before the pins are low.
"""

import _socket as socket  # `socket` itself takes as long to load as all of Python.
import fcntl
import os
import stat
import struct
import sys
from errno import EBUSY, EINVAL
from time import monotonic, sleep

TYPE_CHECKING = False  # Type checkers know this name. `typing` itself loads too slowly.
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Collection, Iterator, Sequence
else:
    import _signal as signal

IDLE_WITHIN_S = 0.2
"""A daemon that does not report idle within this time is killed."""

FREED_WITHIN_S = 0.5
"""How long to wait until the kernel has freed a killed process's lines. A few ms are usual."""

AGAIN_S = 0.005  # the pause between two attempts

ABSENT = "no daemon"
"""How the sentence of `stop_daemon` begins if there is none."""

LISTENS = 1 << 16
"""A flag in /proc/net/unix: __SO_ACCEPTCON of linux/net.h."""

MOST_BYTES = 4096
"""The longest `lines` file that is read."""

# struct gpio_v2_line_request of linux/gpio.h: line offsets, consumer, flags, number of attributes;
# one attribute (id, values, mask of lines) and nine unused ones; number of lines, size of the event
# queue, and the descriptor that the kernel gives.
MOST_LINES = 64
LINE_REQUEST = struct.Struct("=64I32sQI20xIIQQ216xII20xi")
GET_LINE = 0xC250B407
"""GPIO_V2_GET_LINE_IOCTL: _IOWR(0xB4, 0x07, struct gpio_v2_line_request)."""
BUTTON_NAME = b"firmware-ctl button"
"""The consumer of the start button's lines. `button_lines` sets it, `doctor` recognises it."""
OUTPUT_FLAG = 1 << 3  # GPIO_V2_LINE_FLAG_OUTPUT
OUTPUT_VALUES = 2  # GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES

# struct gpiochip_info: the name, the label, the number of lines.
CHIP_INFO = struct.Struct("=32s32sI")
GET_CHIP = 0x8044B401
"""GPIO_GET_CHIPINFO_IOCTL: _IOR(0xB4, 0x01, struct gpiochip_info)."""
HEADER_LABELS = (b"pinctrl-bcm2835", b"pinctrl-bcm2711", b"pinctrl-rp1")


# ---- the lines of the daemon


def write_lines(folder: str, chip: str, pins: "Collection[int]") -> None:
    """Writes down which pins to drive low after a crash. Call it before a pin is taken.

    The file `lines` in the state folder has one line: the chip's path, then the pins. Raises
    OSError.
    """
    # The folder's owner may have put links into it, and root must not write through them. This is
    # not `storage.files.atomic_write`, because this file runs without the package.
    folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if "lines.part" in os.listdir(folder_fd):
            os.unlink("lines.part", dir_fd=folder_fd)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        fd = os.open("lines.part", flags, 0o644, dir_fd=folder_fd)
        try:
            os.fchmod(fd, 0o644)
            os.write(fd, f"{chip} {' '.join(map(str, pins))}\n".encode())
        finally:
            os.close(fd)
        os.replace("lines.part", "lines", src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
    finally:
        os.close(folder_fd)


def read_lines(folder: str) -> tuple[str, list[int]]:
    """The chip and the pins that a daemon of this state folder last took. No pins: none ever did.

    Raises OSError or ValueError if the file cannot be read, or does not name a chip and pins.
    """
    path = os.path.join(folder, "lines")
    try:
        # O_NOFOLLOW, because a link may lead anywhere. O_NONBLOCK, because opening a FIFO would
        # wait for a writer.
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
    """Opens a GPIO character device. Raises OSError for any other path.

    The path comes from a file whose owner may have written anything, and root opens it.
    """
    if not _is_chip(path):
        raise OSError(EINVAL, "is not a GPIO chip")
    fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISCHR(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(EINVAL, "is not a GPIO chip")
    return fd


def find_chip() -> str:
    """The path of the chip that drives this Pi's header, by its label. Empty: there is none."""
    for name in sorted(os.listdir("/dev")):
        if name.startswith("gpiochip"):
            try:
                fd = open_chip(f"/dev/{name}")
            except OSError:
                continue
            info = bytearray(CHIP_INFO.size)
            try:
                fcntl.ioctl(fd, GET_CHIP, info)
            except OSError:
                continue
            finally:
                os.close(fd)
            if CHIP_INFO.unpack(info)[1].rstrip(b"\0") in HEADER_LABELS:
                return f"/dev/{name}"
    return ""


# ---- the daemon


def stop_daemon(path: str) -> tuple[int, str, bool]:
    """Stops the daemon behind a control socket. A daemon that is not idle in 0.2 s is killed.

    Returns the id of a daemon that is idle now (else 0), a sentence for people, and whether it is
    certain that no daemon on this socket runs a motor.
    """
    give_up_at = monotonic() + IDLE_WITHIN_S
    pid, answer = 0, b""
    try:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    except OSError as error:
        return 0, f"no socket can be made: {error.strerror}", False
    try:
        sock.settimeout(IDLE_WITHIN_S)
        _connect(sock, path, give_up_at)
        # The process that called listen, or 0 if it lives in another PID namespace.
        peer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        pid, uid, _ = struct.unpack("3i", peer)
        if uid not in _trusted_users(path):
            return 0, f"{path} belongs to another user (uid {uid}); it is not asked", False
        sock.send(b"!?")  # Both bytes act at once: stop, then report the status.
        while (left_s := give_up_at - monotonic()) > 0:
            sock.settimeout(left_s)
            chunk = sock.recv(4096)
            answer += chunk
            if b"* status state=idle " in answer:
                return pid, f"the daemon (process {pid}) is idle", True
            if not chunk:
                break
    except FileNotFoundError:
        return 0, f"{ABSENT} runs: there is no {path}", True
    except ConnectionRefusedError:
        return 0, f"{ABSENT} answers on {path}", True
    except PermissionError:
        return 0, f"no permission to use {path}; try it with sudo", False
    except OSError:
        pass  # A timeout or a broken connection: the daemon hangs, or is just ending.
    finally:
        sock.close()
    is_certain, sentence = _kill_listeners(path, pid)
    return 0, f"the daemon on {path} was not idle within {IDLE_WITHIN_S} s: {sentence}", is_certain


def _connect(sock: socket.socket, path: str, give_up_at: float) -> None:
    """Connects; tries again while the queue of new clients is full, as that of a hung daemon is."""
    while True:
        try:
            return sock.connect(path)
        except BlockingIOError:
            if monotonic() > give_up_at:
                raise
            sleep(AGAIN_S)


def _trusted_users(path: str) -> tuple[int, ...]:
    """The users who may answer on a socket: root, this user, and the owner of its folder."""
    return 0, os.geteuid(), os.stat(os.path.dirname(path) or ".").st_uid


def _kill_listeners(path: str, pid: int) -> tuple[bool, str]:
    """Kills every process that listens on the socket. Returns whether all are gone; a sentence.

    `pid`: the process that called listen, or 0. It may have ended by now, with another process
    under its number: a socket outlives its process if a child has inherited it. So a process is
    killed only if it does listen.
    """

    def is_listener(number: int) -> bool:
        return _listens(number, path)

    listeners = [pid] if pid and is_listener(pid) else [*filter(is_listener, _processes())]
    outcomes = [_kill(number, is_listener) for number in listeners]
    sentence = ", ".join(sentence for _, sentence in outcomes)
    return (
        bool(outcomes) and all(has_ended for has_ended, _ in outcomes),
        sentence or "its process cannot be found from here",
    )


def _processes() -> "list[int]":
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _listens(pid: int, path: str) -> bool:
    """Whether the process listens on the socket, and belongs to one of its trusted users.

    False also for a process that this user may not look into.
    """
    path = os.path.realpath(path)
    base = os.path.basename(path)
    sockets = set()
    try:
        if os.stat(f"/proc/{pid}").st_uid not in _trusted_users(path):
            return False
        # The process's own table, because it may live in another network namespace.
        with open(f"/proc/{pid}/net/unix", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                # Address, references, protocol, flags, type, state, number of the socket, path.
                fields = line.rstrip("\n").split(None, 7)
                if len(fields) < 8 or not fields[7].endswith(base):
                    continue
                if int(fields[3], 16) & LISTENS and os.path.realpath(fields[7]) == path:
                    sockets.add(f"socket:[{fields[6]}]")
        fds = os.listdir(f"/proc/{pid}/fd") if sockets else []
    except OSError:
        return False
    return any(_target(f"/proc/{pid}/fd/{fd}") in sockets for fd in fds)


def _target(link: str) -> str:
    """What a link points to. Empty if it cannot be read."""
    try:
        return os.readlink(link)
    except OSError:
        return ""


def _kill(pid: int, is_meant: "Callable[[int], bool]") -> tuple[bool, str]:
    """Kills a process if `is_meant` still holds for it. Returns whether it is gone; a sentence."""
    if pid <= 1 or pid == os.getpid():
        return False, "its process cannot be found from here"
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True, f"process {pid} has ended"
    except OSError as error:
        return False, f"process {pid} cannot be killed ({error.strerror})"
    try:
        # The handle always means the same process. So this check, unlike one before pidfd_open,
        # is about the very process that is then killed.
        if not is_meant(pid):
            return False, f"the number {pid} now belongs to another process, which was not killed"
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
    """Makes every pin an output at 0 and releases it. Never raises.

    After the release the kernel keeps the pin low, or makes it an input, which its pull-down keeps
    low. A process that holds a pin is killed, except the process `idle`, which keeps its pins low
    itself. Returns each pin that could not be driven low with the reason, and sentences for people.
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
            batch = pins[first : first + MOST_LINES]
            # One busy line fails the whole request, so each line is then tried alone.
            if request_low(fd, batch):
                failed.update((pin, code) for pin in batch if (code := request_low(fd, [pin])))
        if not failed:
            return {}, []
        busy = [pin for pin in failed if failed[pin] == EBUSY]
        holders = {pin: pid for pin, pid in _holders(chip) if pin in busy}
        sentences = _kill_holders(chip, pins, holders, idle)
        for pin in busy:
            # Access rights or an old kernel may hide a holder: it then counts as the idle daemon.
            if idle and holders.get(pin, idle) == idle:
                del failed[pin]
        give_up_at = monotonic() + FREED_WITHIN_S
        while (left := [pin for pin in busy if pin in failed]) and monotonic() < give_up_at:
            for pin in left:
                failed[pin] = request_low(fd, [pin])
                if not failed[pin]:
                    del failed[pin]
            sleep(AGAIN_S)
        return {pin: os.strerror(code) for pin, code in failed.items()}, sentences
    finally:
        os.close(fd)


def _kill_holders(
    chip: str, pins: "Sequence[int]", holders: dict[int, int], idle: int
) -> list[str]:
    """Kills the processes that hold pins, but neither the idle daemon nor this process."""

    def is_holder(pid: int) -> bool:
        return any(holder == pid and pin in pins for pin, holder in _holders(chip))

    sentences = []
    for pid in sorted({*holders.values()} - {idle, os.getpid()}):
        held_pins = _joined(pin for pin in holders if holders[pin] == pid)
        sentences.append(f"GPIO {held_pins} held by another program: {_kill(pid, is_holder)[1]}")
    return sentences


def request_low(fd: int, pins: "Sequence[int]") -> int:
    """Takes up to `MOST_LINES` lines as outputs at 0 and releases them.

    Returns 0, or the number of the error. It either takes all lines or none.
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
        fcntl.ioctl(fd, GET_LINE, request)
    except OSError as error:
        return error.errno or -1
    os.close(LINE_REQUEST.unpack(request)[-1])
    return 0


def _holders(chip: str) -> "Iterator[tuple[int, int]]":
    """The held lines of a chip: (line, process id). Linux names them since 6.1.

    Processes that this user may not look into are left out.
    """
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
                    fields = [line.split() for line in file]
            except OSError:
                continue
            if ["gpio-chip:", name] in fields:
                for field in fields:
                    if field[:1] == ["gpio-line:"]:
                        yield int(field[1]), pid


def _joined(pins: "Iterator[int] | Sequence[int]") -> str:
    return ", ".join(map(str, sorted({*pins})))


def describe(pins: "Sequence[int]", failed: dict[int, str]) -> list[str]:
    """The outcome of `drive_low` in words: the pins that are low, then a sentence per reason."""
    low = [pin for pin in pins if pin not in failed]
    sentences = [f"GPIO {_joined(low)} low"] if low else []
    for reason in dict.fromkeys(failed.values()):
        failed_pins = _joined(pin for pin in failed if failed[pin] == reason)
        sentences.append(f"GPIO {failed_pins} cannot be driven low: {reason}")
    return sentences


def main(arguments: "Sequence[str]") -> int:
    """Exit code 0: no daemon runs a motor and every pin is low; 1: not certain; 2: wrong usage."""
    if len(arguments) != 2:
        print("usage: python3 -I -S emergency_off.py STATE_FOLDER CONTROL_SOCKET", file=sys.stderr)
        return 2
    state_folder, path = arguments
    idle, sentence, is_certain = stop_daemon(path)
    code = 0 if is_certain else 1
    try:
        chip, pins = read_lines(state_folder)
    except (OSError, ValueError) as error:
        sentences, code = [str(error)], 1
    else:
        if pins:
            failed, sentences = drive_low(chip, pins, idle)
            sentences += describe(pins, failed)
            code = 1 if failed else code
        else:
            sentences = [f"no daemon on {state_folder} ever took a pin"]
    try:
        lines = [f"firmware-ctl off: {line}" for line in (sentence, *sentences)]
        print("\n".join(lines), flush=True)
    except OSError:
        # Nobody reads the output any more. Python would flush it once more, and exit with 120.
        sys.stdout = None
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
