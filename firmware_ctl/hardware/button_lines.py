"""The start button's contacts, read from the kernel's edge events.

The loop waits on the descriptor of these events. lgpio would instead look for edges 2000 times a
second, on a thread of its own, for as long as the daemon lives (lgPthAlerts.c). This module knows
GPIO lines and levels. It never knows what a press is: `session.button` decides that.

The kernel has two sources that differ for a moment: a line's present level, and the queue of its
edge events. A read may see a new level whose event is still to come. Two rules follow:

- `read` remembers up to which time it has reported movement. An event from before that time must
  not change the level again.
- Every event still counts as a movement at its own time, whatever level it carries, because the
  kernel reads that level only when it handles the event.
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
"""Size of the kernel's queue of edges, a power of two, and the most that one `read` takes. The
kernel drops the oldest edges of a contact that bounces for longer."""

# From linux/gpio.h.
_FLAGS: Final = 1 << 2 | 1 << 4 | 1 << 5 | 1 << 8
"""An input, events of rising and of falling edges, a pull-up."""

# An event's two sequence numbers are skipped: they do not tell whether edges were lost. The number
# in the request leaves a gap whenever the kernel merges two edges of a line that are microseconds
# apart, as in every press of a bouncing contact; the event then has the time and the level of the
# later edge. The number on the line shows a loss only with that line's next event, which may be a
# press much later.
_EVENT: Final = Struct("=QII32x")
"""struct gpio_v2_line_event: its time in ns, edge, line."""
_FALLING: Final = 2
_VALUES: Final = Struct("=QQ")
"""struct gpio_v2_line_values: the levels, and a mask of the lines that are asked for."""
_GET_VALUES: Final = 0xC010B40E
"""GPIO_V2_LINE_GET_VALUES_IOCTL: _IOWR(0xB4, 0x0E, struct gpio_v2_line_values)."""


class KernelContacts:
    """Contacts to ground, with pull-ups: a closed contact reads 0."""

    def __init__(self, chip: str, contacts: mat.ButtonPins, origin_ns: int) -> None:
        """`chip`: its path in /dev. `origin_ns`: the loop's time 0 on the monotonic clock.

        Raises DeviceError, which names the pin that cannot be used.
        """
        self._origin_ns = origin_ns
        self._pins = [contacts.pressed_pin]
        if contacts.released_pin is not None:
            self._pins.append(contacts.released_pin)
        try:
            chip_fd = os.open(chip, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise DeviceError(f"{chip} cannot be opened: {error.strerror}") from None
        try:
            # Each pin is requested alone first, only so that the error can name it.
            for pin in self._pins:
                try:
                    os.close(_request(chip_fd, [pin]))
                except OSError as error:
                    raise DeviceError(
                        f"the start button on GPIO {pin} cannot be used: {error.strerror}; "
                        "`firmware-ctl doctor` says who holds it"
                    ) from None
            # One request for both lines puts their edges into one queue, in order.
            self._fd = _request(chip_fd, self._pins)
        finally:
            os.close(chip_fd)
        os.set_blocking(self._fd, False)
        self._is_closed = self._read_levels()
        """Pin → True if its contact is closed."""
        now_ns = monotonic_ns()
        self._read_at_ns = now_ns
        self._reported_until_ns = now_ns
        """`read` has reported every movement up to this time, in ns on the monotonic clock."""

    def fileno(self) -> int:
        return self._fd

    def ready(self) -> None:
        """Does nothing: a readable source makes the loop tick, and each tick calls `read`."""

    def read(self) -> Contacts:
        """The present reading, and the movements since the last call. Never waits.

        Reads at most `MOST_EDGES` events. Times are the loop's, in ms.
        """
        try:
            events = os.read(self._fd, MOST_EDGES * _EVENT.size)
        except BlockingIOError:
            events = b""
        edges: list[tuple[int, Contact]] = []
        reported_until_ns = self._reported_until_ns
        for at_ns, edge, pin in _EVENT.iter_unpack(events):
            if at_ns > self._reported_until_ns:
                reported_until_ns = max(reported_until_ns, at_ns)
                self._is_closed[pin] = edge == _FALLING
            edges.append((self._loop_ms(at_ns), self._contact()))
        levels = self._read_levels()
        now_ns = monotonic_ns()
        if levels != self._is_closed:
            # A level is ahead of its event. The event will come with its own time; until then the
            # contact counts as having moved just now.
            self._is_closed = levels
            reported_until_ns = now_ns
            edges.append((self._loop_ms(now_ns), self._contact()))
        spells = spells_of(edges)
        if len(edges) >= MOST_EDGES:
            # The queue was full, and the kernel may have dropped edges at any time since the last
            # read. So all of that time counts as one movement, in which the contact never rested.
            since_ms = self._loop_ms(self._read_at_ns)
            spells = (Spell(since_ms, self._loop_ms(reported_until_ns), self._contact()),)
        self._read_at_ns, self._reported_until_ns = now_ns, reported_until_ns
        return Contacts(self._contact(), spells)

    def _loop_ms(self, at_ns: int) -> int:
        return (at_ns - self._origin_ns) // 1_000_000

    def _read_levels(self) -> dict[int, bool]:
        """Pin → True if its contact is closed now."""
        levels = fcntl.ioctl(self._fd, _GET_VALUES, _VALUES.pack(0, (1 << len(self._pins)) - 1))
        bits, _ = _VALUES.unpack(levels)
        return {pin: not bits >> n & 1 for n, pin in enumerate(self._pins)}

    def _contact(self) -> Contact:
        pressed, *released = self._is_closed.values()
        return contact(pressed, released[0] if released else not pressed)

    def press(self, is_down: bool) -> None:
        raise CallerError("not-here", "press works only on a mock; press the real button by hand")


def _request(chip_fd: int, pins: list[int]) -> int:
    """Requests the lines and their edge events. Returns a descriptor. Raises OSError."""
    offsets = [*pins, *[0] * (emergency_off.MOST_LINES - len(pins))]
    request = bytearray(
        emergency_off.LINE_REQUEST.pack(
            *offsets, emergency_off.BUTTON_NAME, _FLAGS,
            0, 0, 0, 0, 0,
            len(pins), MOST_EDGES, 0,
        )
    )  # fmt: skip
    fcntl.ioctl(chip_fd, emergency_off.GET_LINE, request)
    return int(emergency_off.LINE_REQUEST.unpack(request)[-1])
