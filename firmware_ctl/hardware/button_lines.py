"""The start button's contacts by the kernel's own edge events: a descriptor that the loop awaits.

lgpio would look for edges two thousand times a second, on a thread of its own (lgPthAlerts.c), as
long as the daemon lives. This module knows lines and levels; what a press is `button` decides.

The kernel's level and its events are two sources that differ for a moment: a look may see a level
whose event is still to come. So each look remembers up to when it has told of movement: an event
from before then says nothing new of the level. But every event is a movement at its time, whatever
level it names, since the kernel reads that level only when it comes round to the event.
"""

import fcntl
import os
from struct import Struct
from time import monotonic_ns
from typing import Final

from firmware_ctl.config import mat
from firmware_ctl.errors import CallerError, DeviceError
from firmware_ctl.hardware import emergency_off
from firmware_ctl.session.button import Contact, Spell, contact, spells_of
from firmware_ctl.session.events import Contacts

MOST_EDGES: Final = 64
"""Edges that the kernel keeps between two looks, a power of two, and that a look reads at most. Of
a contact that chatters for longer the kernel keeps the newest ones."""

# Of linux/gpio.h: an input with a pull-up that tells both edges; an event's time, edge and line;
# the levels of a request's lines, and their mask.
#
# The event's numbers do not tell whether edges are lost. The number in the request skips one where
# the kernel takes two edges of a line together, some microseconds apart, as it does with every
# press of a bouncing contact: the event has the time and the level of the later one. The number on
# the line tells of a loss only with that line's next event, which may be a press much later.
_FLAGS: Final = 1 << 2 | 1 << 4 | 1 << 5 | 1 << 8
_EVENT: Final = Struct("=QII32x")
_FALLING: Final = 2
_VALUES: Final = Struct("=QQ")
_GET_VALUES: Final = 0xC010B40E
"""GPIO_V2_LINE_GET_VALUES_IOCTL: _IOWR(0xB4, 0x0E, struct gpio_v2_line_values)."""


class KernelContacts:
    """Contacts to ground with pull-ups: a closed one reads 0."""

    def __init__(self, chip: str, contacts: mat.ButtonPins, origin_ns: int) -> None:
        """`chip`: its path in /dev; `origin_ns`: the loop's time 0 on the monotonic clock.

        Raises DeviceError, which names the pin that cannot be had.
        """
        self._origin_ns = origin_ns
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
        self._looked_at_ns = self._told_ns = monotonic_ns()
        """When the last look ended, and up to when movement was told of."""

    def fileno(self) -> int:
        return self._fd

    def ready(self) -> None:
        """Nothing is left to do: a source that is readable asks for a tick, which reads all."""

    def read(self) -> Contacts:
        try:
            events = os.read(self._fd, MOST_EDGES * _EVENT.size)
        except BlockingIOError:
            events = b""
        edges: list[tuple[int, Contact]] = []
        newest_ns = self._told_ns
        for at_ns, edge, pin in _EVENT.iter_unpack(events):
            if at_ns > self._told_ns:
                newest_ns = max(newest_ns, at_ns)
                self._closed[pin] = edge == _FALLING
            edges.append((self._at_ms(at_ns), self._contact()))
        closed = self._levels()
        looked_at_ns = monotonic_ns()
        is_ahead = closed != self._closed
        if is_ahead:
            # Its edge is told soon, with its own time; until then it counts as just come.
            self._closed = closed
            newest_ns = looked_at_ns
            edges.append((self._at_ms(looked_at_ns), self._contact()))
        spells = spells_of(edges)
        if len(edges) >= MOST_EDGES:
            # The queue was full. What it lost may have come at any time since the last look:
            # nothing rested for certain.
            since_ms = self._at_ms(self._looked_at_ns)
            spells = (Spell(since_ms, self._at_ms(newest_ns), self._contact()),)
        self._looked_at_ns, self._told_ns = looked_at_ns, newest_ns
        return Contacts(self._contact(), spells)

    def _at_ms(self, at_ns: int) -> int:
        return (at_ns - self._origin_ns) // 1_000_000

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
    offsets = [*pins, *[0] * (emergency_off.MOST_LINES - len(pins))]
    request = bytearray(
        emergency_off.LINE_REQUEST.pack(
            *offsets, emergency_off.BUTTON_NAME, _FLAGS,
            0, 0, 0, 0, 0,
            len(pins), MOST_EDGES, 0,
        )
    )  # fmt: skip
    fcntl.ioctl(chip, emergency_off.GET_LINE, request)
    return int(emergency_off.LINE_REQUEST.unpack(request)[-1])
