"""The start button: contacts and time in, gestures out.

Time is an argument. What a gesture does is the session's affair; that a touch is told on its very
edge, before any debouncing, is this module's, since a touch may have to stop motors.
"""

from collections.abc import Iterator
from enum import Enum
from typing import Final

from firmware_ctl.limits import LOCK_MS

DEBOUNCE_MS: Final = 30
SHORT_MS: Final = 800
BROKEN_MS: Final = 500
"""A change-over contact leaves both sides for a few milliseconds; longer is a broken wire."""


class Contact(Enum):
    RELEASED = "released"
    PRESSED = "pressed"
    NEITHER = "neither"
    BOTH = "both"


_SOUND: Final = (Contact.PRESSED, Contact.RELEASED)


def contact(pressed: bool, released: bool) -> Contact:
    """Reads a change-over contact. A plain one has `released == not pressed`."""
    if pressed:
        return Contact.BOTH if released else Contact.PRESSED
    return Contact.RELEASED if released else Contact.NEITHER


class Gesture(Enum):
    TOUCH = "touch"
    """Any edge, at once, but one that is known to end at released: it stops whatever runs."""
    PRESS = "press"
    """The first edge of a new press, at once; never the bounce of a release."""
    SHORT = "short"
    """Released within 0.8 s."""
    HELD = "held 0.8 s"
    HELD_3_S = "held 3 s"
    HELD_5_S = "held 5 s"
    BROKEN = "broken"


_HOLDS: Final = (
    (SHORT_MS, Gesture.HELD),
    (3_000, Gesture.HELD_3_S),
    (5_000, Gesture.HELD_5_S),
)


class Button:
    """Debounce, press, hold and lock. Nothing counts until the button was seen released once."""

    def __init__(self) -> None:
        self._raw = Contact.PRESSED  # as if held: until it is seen released it starts nothing
        self._raw_since_ms = 0
        self._settled = Contact.PRESSED
        self._touched_at_ms: int | None = None
        self._counts = False
        self._holds_told = 0
        self._short_spent = False
        self._locked_since_ms: int | None = None
        self._broken_told = False

    @property
    def is_released(self) -> bool:
        """Now, before any debouncing: a request in the first 30 ms after start-up counts."""
        return self._raw is Contact.RELEASED

    @property
    def is_sound(self) -> bool:
        """The contacts read one of the two, and have done so for long enough."""
        return self._raw in (Contact.PRESSED, Contact.RELEASED) and self._raw is self._settled

    @property
    def is_broken(self) -> bool:
        """They read neither of the two, and that was told."""
        return self._broken_told and self._raw not in _SOUND

    @property
    def locked_until_ms(self) -> int:
        """A press before then starts nothing, as things stand; 0: none was locked out."""
        if self._locked_since_ms is None:
            return 0
        return max(self._locked_since_ms, self._raw_since_ms) + LOCK_MS

    def lock(self, now_ms: int) -> None:
        """As `spend`, and the next press needs 1.5 s of release before it."""
        self._locked_since_ms = now_ms
        self.spend()

    def spend(self) -> None:
        """Whatever is pressed now does nothing more."""
        self._counts = False

    def spend_short(self) -> None:
        """The press that is going on has done its work, unless it is held on."""
        self._short_spent = True

    def sense(self, raw: Contact, now_ms: int, unsteady: bool = False) -> Iterator[Gesture]:
        """What the contacts say at `now_ms`; call it at every edge, and again now and then.

        One gesture after the other: a touch that stopped has spent what would follow from it.
        `unsteady`: they moved since the last call, and where to is not known.
        """
        if unsteady:
            yield Gesture.TOUCH
            if self._leave(now_ms):
                yield Gesture.PRESS
            self._raw_since_ms = now_ms
        yield from self.wait(now_ms)
        if raw is not self._raw:
            if raw is not Contact.RELEASED:
                yield Gesture.TOUCH
            if self._leave(now_ms):
                yield Gesture.PRESS
            if raw in _SOUND or self._raw in _SOUND:
                self._raw_since_ms = now_ms
            self._raw = raw
            yield from self.wait(now_ms)

    def wait(self, now_ms: int) -> Iterator[Gesture]:
        """The gestures that fall due as time goes by without an edge."""
        for_ms = now_ms - self._raw_since_ms
        if self._raw in _SOUND:
            self._broken_told = False
            if for_ms >= DEBOUNCE_MS:
                yield from self._settle()
        elif for_ms >= BROKEN_MS and not self._broken_told:
            self._broken_told = True
            self._counts = False
            yield Gesture.BROKEN
        if self._settled is Contact.PRESSED and self._raw is Contact.PRESSED and self._counts:
            for hold_ms, gesture in _HOLDS[self._holds_told :]:
                if now_ms - self._pressed_at_ms >= hold_ms:
                    self._holds_told += 1
                    yield gesture

    def wake_at_ms(self) -> int | None:
        """When `wait` next has something to say if no edge comes before."""
        if self._raw in _SOUND:
            if self._raw is not self._settled or self._settled_anew():
                return self._raw_since_ms + DEBOUNCE_MS
            if self._raw is Contact.PRESSED and self._counts and self._holds_told < len(_HOLDS):
                return self._pressed_at_ms + _HOLDS[self._holds_told][0]
            return None
        return None if self._broken_told else self._raw_since_ms + BROKEN_MS

    def _leave(self, now_ms: int) -> bool:
        """The first edge away from released decides whether this press counts at all."""
        if self._settled is not Contact.RELEASED or self._touched_at_ms is not None:
            return False
        self._touched_at_ms = now_ms
        self._holds_told = 0
        self._short_spent = False
        self._counts = self._locked_since_ms is None or (
            now_ms - max(self._locked_since_ms, self._raw_since_ms) >= LOCK_MS
        )
        if self._counts:
            self._locked_since_ms = None
        return True

    @property
    def _pressed_at_ms(self) -> int:
        return self._raw_since_ms if self._touched_at_ms is None else self._touched_at_ms

    def _settled_anew(self) -> bool:
        return self._raw is Contact.RELEASED and self._touched_at_ms is not None

    def _settle(self) -> Iterator[Gesture]:
        was, self._settled = self._settled, self._raw
        if self._raw is Contact.RELEASED:
            short = self._raw_since_ms - self._pressed_at_ms < SHORT_MS
            if was is Contact.PRESSED and self._counts and short and not self._short_spent:
                yield Gesture.SHORT
            self._touched_at_ms = None
            self._counts = False
