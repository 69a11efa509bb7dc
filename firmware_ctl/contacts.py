"""The start button's contacts by the kernel's own edge events: a descriptor that the loop awaits.

lgpio would look for edges two thousand times a second, on a thread of its own (lgPthAlerts.c), as
long as the daemon lives. This module knows lines and levels; what a press is `button` decides.
"""

import fcntl
import os
from struct import Struct
from time import monotonic_ns
from typing import Final

from firmware_ctl import mat, off
from firmware_ctl.button import Contact, contact
from firmware_ctl.daemon import Daemon
from firmware_ctl.errors import CallerError, DeviceError
from firmware_ctl.session import Contacts

MOST_EDGES: Final = 64
"""Edges kept between two looks of the loop. Of a contact that chatters faster the newest count."""

# Of linux/gpio.h: an input with a pull-up that tells both edges; an event's time, edge, line and
# number; the levels of a request's lines, and their mask.
_FLAGS: Final = 1 << 2 | 1 << 4 | 1 << 5 | 1 << 8
_EVENT: Final = Struct("=QIII28x")
_FALLING: Final = 2
_NUMBERS: Final = 0xFFFF_FFFF
"""The number after this one is 0."""
_VALUES: Final = Struct("=QQ")
_GET_VALUES: Final = 0xC010B40E
"""GPIO_V2_LINE_GET_VALUES_IOCTL: _IOWR(0xB4, 0x0E, struct gpio_v2_line_values)."""


class KernelContacts:
    """Contacts to ground with pull-ups: a closed one reads 0."""

    def __init__(self, chip: str, contacts: mat.Contacts) -> None:
        """`chip`: its path in /dev. Raises DeviceError, which names the pin that cannot be had."""
        self._pins = [contacts.pressed_pin]
        if contacts.released_pin is not None:
            self._pins.append(contacts.released_pin)
        try:
            fd = os.open(chip, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise DeviceError(f"{chip} cannot be opened: {error.strerror}") from None
        try:
            for pin in self._pins:
                try:
                    os.close(_request(fd, [pin]))
                except OSError as error:
                    raise DeviceError(
                        f"the start button on GPIO {pin} cannot be used: {error.strerror}; "
                        "`firmware-ctl doctor` says who holds it"
                    ) from None
            # One request for both, so that their edges come in order.
            self._fd = _request(fd, self._pins)
        finally:
            os.close(fd)
        os.set_blocking(self._fd, False)
        self._closed = self._levels()
        self._ahead: set[int] = set()
        """The pins of which a look has told the level before its edge was told."""
        self._number = 0
        """Of the newest event: those of two lines may come in another order."""

    def fileno(self) -> int:
        return self._fd

    def ready(self, daemon: Daemon) -> None:
        """Nothing is left to do: a source that is readable asks for a tick, which reads all."""

    def read(self) -> list[Contacts]:
        contacts = []
        now_ns = monotonic_ns()
        try:
            events = os.read(self._fd, MOST_EDGES * _EVENT.size)
        except BlockingIOError:
            events = b""
        for at_ns, edge, pin, number in _EVENT.iter_unpack(events):
            # A tap may be over before the loop looks: what the edge said is kept for it. The kernel
            # reads the level when it comes round to an edge, which in noise may be always the same.
            is_closed = edge == _FALLING
            further = (number - self._number) & _NUMBERS
            is_newest = further <= _NUMBERS // 2
            moved_unseen = is_closed is self._closed[pin] and pin not in self._ahead
            unsteady = moved_unseen or (is_newest and further > 1)
            self._ahead.discard(pin)
            self._closed[pin] = is_closed
            if is_newest:
                self._number = number
            ago_ms = max(0, (now_ns - at_ns) // 1_000_000)
            contacts.append(Contacts(self._contact(), ago_ms, unsteady))
        for pin, is_closed in self._levels().items():
            if is_closed is not self._closed[pin]:
                self._closed[pin] = is_closed
                self._ahead.add(pin)
        contacts.append(Contacts(self._contact()))
        return contacts

    def _levels(self) -> dict[int, bool]:
        """Which contacts are closed now."""
        levels = fcntl.ioctl(self._fd, _GET_VALUES, _VALUES.pack(0, (1 << len(self._pins)) - 1))
        bits, _ = _VALUES.unpack(levels)
        return {pin: not bits >> n & 1 for n, pin in enumerate(self._pins)}

    def _contact(self) -> Contact:
        pressed, *released = self._closed.values()
        return contact(pressed, released[0] if released else not pressed)

    def press(self, is_down: bool) -> None:
        raise CallerError("not-here", "press works on a mock; here a hand has to do it")


def _request(chip: int, pins: list[int]) -> int:
    """A descriptor for the lines, with their edges. Raises OSError."""
    offsets = [*pins, *[0] * (off.MOST_LINES - len(pins))]
    request = bytearray(
        off.LINE_REQUEST.pack(
            *offsets, off.BUTTON_NAME, _FLAGS,
            0, 0, 0, 0, 0,
            len(pins), MOST_EDGES, 0,
        )
    )  # fmt: skip
    fcntl.ioctl(chip, off.GET_LINE, request)
    return int(off.LINE_REQUEST.unpack(request)[-1])
