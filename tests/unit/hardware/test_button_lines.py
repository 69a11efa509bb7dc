"""The start button's contacts on a fake kernel: its requests, and the events it sends."""

import errno
import fcntl
import os
from struct import Struct

import pytest

from firmware_ctl.config.mat import ButtonPins
from firmware_ctl.errors import CallerError, DeviceError
from firmware_ctl.hardware import button_lines, emergency_off
from firmware_ctl.hardware.button_lines import MOST_EDGES, KernelContacts
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import Contacts
from tests.support.gpio_chip import LineRequest, ioctl_number

RISING, FALLING = 1, 2
INPUT_BOTH_EDGES_PULL_UP = 0b1_0011_0100
CHIP = os.devnull
EVENT = Struct("=QII32x")
MS = 1_000_000
ORIGIN_NS = 777 * MS
"""The loop's time 0."""
R, P, NEITHER, BOTH = Contact
AT_RELEASED, AT_PRESSED, AT_NEITHER, AT_BOTH = 0b01, 0b10, 0b11, 0b00
"""Levels of a change-over contact: pin 5 is the first bit, and a closed contact reads 0."""


class Kernel:
    """Answers a request for lines with a pipe of events. `levels`: those of the last request."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.busy_pin: int | None = None
        self.levels = AT_RELEASED
        self.lines = 0
        self.line_fd = self.event_fd = -1
        self.now_ms = 0.0

    def now_ns(self) -> int:
        return ORIGIN_NS + int(self.now_ms * MS)

    def ioctl(self, fd: int, number: int, data: bytes | bytearray) -> bytes:
        if number != emergency_off.GET_LINE:
            assert (fd, number) == (self.line_fd, ioctl_number(3, 0x0E, 16))
            levels, mask = Struct("=QQ").unpack(data)
            assert (levels, mask) == (0, (1 << self.lines) - 1)
            return Struct("=QQ").pack(self.levels & mask, mask)
        assert isinstance(data, bytearray)
        assert os.readlink(f"/proc/self/fd/{fd}") == CHIP
        self.requests.append(bytes(data))
        request = LineRequest.from_buffer(data)
        self.lines = request.num_lines
        if self.busy_pin in request.offsets[: self.lines]:
            raise OSError(errno.EBUSY, "Device or resource busy")
        self.line_fd, self.event_fd = os.pipe()
        request.fd = self.line_fd
        return b""

    def send(self, *edges: tuple[float, int, int]) -> None:
        """Queues events of (ms, edge, pin), in this order."""
        for at_ms, edge, pin in edges:
            os.write(self.event_fd, EVENT.pack(ORIGIN_NS + int(at_ms * MS), edge, pin))


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(fcntl, "ioctl", made.ioctl)
    monkeypatch.setattr(button_lines, "monotonic_ns", made.now_ns)
    return made


def test_both_lines_are_requested_together_with_edges_and_pull_ups(kernel: Kernel) -> None:
    KernelContacts(CHIP, ButtonPins(5, 6), 0)
    expected = []
    for pins in ([5], [6], [5, 6]):
        request = LineRequest(
            consumer=b"firmware-ctl button",
            flags=INPUT_BOTH_EDGES_PULL_UP,
            num_lines=len(pins),
            event_buffer_size=MOST_EDGES,
        )  # ctypes sets all other fields to 0
        request.offsets[: len(pins)] = pins
        expected.append(bytes(request))
    assert kernel.requests == expected


def test_chip_that_cannot_be_opened_is_named() -> None:
    with pytest.raises(DeviceError) as error:
        KernelContacts("/dev/gpiochip999", ButtonPins(5, 6), 0)
    assert str(error.value) == "/dev/gpiochip999 cannot be opened: No such file or directory"


@pytest.fixture
def button(kernel: Kernel) -> KernelContacts:
    """A change-over contact that rests on released and was read once."""
    made = KernelContacts(CHIP, ButtonPins(5, 6), ORIGIN_NS)
    assert made.read() == Contacts(R, ())
    kernel.now_ms = 100
    return made


PRESS = [(90.0, RISING, 6), (92.5, FALLING, 5)]
RELEASE = [(190.0, RISING, 5), (193.9, FALLING, 6)]


def test_read_with_the_edges_of_a_press_gives_one_spell(
    kernel: Kernel, button: KernelContacts
) -> None:
    kernel.send(*PRESS)
    kernel.levels = AT_PRESSED
    assert button.read() == Contacts(P, ((90, 92, P),))
    assert button.read() == Contacts(P, ())


def test_read_of_a_plain_contact_gives_a_tap_that_is_over(kernel: Kernel) -> None:
    kernel.levels = 0b1
    button = KernelContacts(CHIP, ButtonPins(5, None), ORIGIN_NS)
    kernel.now_ms = 100
    kernel.send((90, FALLING, 5), (90.4, RISING, 5))
    assert button.read() == Contacts(R, ((90, 90, R),))


def test_read_after_a_delay_gives_a_whole_press(kernel: Kernel, button: KernelContacts) -> None:
    kernel.now_ms = 400
    kernel.send(*PRESS, *RELEASE)
    assert button.read() == Contacts(R, ((90, 92, P), (190, 193, R)))


def test_read_of_many_edges_in_a_row_gives_one_spell(
    kernel: Kernel, button: KernelContacts
) -> None:
    kernel.send(*[(50 + n / 2, (RISING, FALLING)[n % 2], 6) for n in range(MOST_EDGES - 2)])
    assert button.read() == Contacts(R, ((50, 80, R),))


def test_read_of_a_level_without_its_edge_gives_a_movement_of_now(
    kernel: Kernel, button: KernelContacts
) -> None:
    kernel.levels = AT_PRESSED
    assert button.read() == Contacts(P, ((100, 100, P),))
    kernel.send((110, FALLING, 5))
    kernel.now_ms, kernel.levels = 120, AT_BOTH
    assert button.read() == Contacts(BOTH, ((110, 120, BOTH),))


def test_read_of_a_late_edge_gives_its_own_time(kernel: Kernel, button: KernelContacts) -> None:
    """An earlier read has reported the level, and the level in the event may be an old one."""
    kernel.send(*PRESS)
    kernel.levels = AT_PRESSED
    button.read()
    kernel.now_ms, kernel.levels = 200, AT_RELEASED
    assert button.read() == Contacts(R, ((200, 200, R),))
    kernel.now_ms = 300
    kernel.send(*RELEASE, (195, RISING, 6), (196, FALLING, 6))
    assert button.read() == Contacts(R, ((190, 196, R),))
    kernel.send((299, FALLING, 6))
    assert button.read() == Contacts(R, ((299, 299, R),))


@pytest.mark.parametrize("edge", [RISING, FALLING])
def test_read_of_an_edge_to_any_level_gives_a_movement(
    kernel: Kernel, button: KernelContacts, edge: int
) -> None:
    """The kernel reads the level late, so the event of a very short pulse has the level after it."""
    kernel.send((99, edge, 6))
    if edge == FALLING:
        assert button.read() == Contacts(R, ((99, 99, R),))
    else:
        assert button.read() == Contacts(R, ((99, 100, R),))


def test_read_of_a_full_queue_gives_a_spell_since_the_last_read(
    kernel: Kernel, button: KernelContacts
) -> None:
    """The kernel has dropped earlier edges, so the contact may never have rested."""
    button.read()
    kernel.now_ms = 900
    kernel.send(*[(890 + n / 10, (FALLING, RISING)[n % 2], 5) for n in range(MOST_EDGES)])
    assert button.read() == Contacts(R, ((100, 896, R),))
    kernel.send((899, FALLING, 5), (899, RISING, 5))
    assert button.read() == Contacts(R, ((899, 899, R),))


def test_first_read_of_a_full_queue_gives_a_spell_since_the_lines_were_taken(
    kernel: Kernel,
) -> None:
    kernel.now_ms = 20
    button = KernelContacts(CHIP, ButtonPins(5, 6), ORIGIN_NS)
    kernel.now_ms = 900
    kernel.send(*[(890 + n / 10, (FALLING, RISING)[n % 2], 5) for n in range(MOST_EDGES)])
    assert button.read() == Contacts(R, ((20, 896, R),))


@pytest.mark.parametrize("pin", [5, 6])
def test_line_held_by_another_program_is_named(kernel: Kernel, pin: int) -> None:
    kernel.busy_pin = pin
    with pytest.raises(DeviceError) as error:
        KernelContacts(CHIP, ButtonPins(5, 6), 0)
    assert str(error.value) == (
        f"the start button on GPIO {pin} cannot be used: Device or resource busy; "
        "`firmware-ctl doctor` says who holds it"
    )


def test_press_of_a_real_button_is_refused(kernel: Kernel) -> None:
    sentence = "^press works only on a mock; press the real button by hand$"
    with pytest.raises(CallerError, match=sentence) as refusal:
        KernelContacts(CHIP, ButtonPins(5, 6), 0).press(True)
    assert refusal.value.code == "not-here"
