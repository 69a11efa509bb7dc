"""The start button: contact readings and time in, gestures out.

This module knows when a contact was pressed and for how long. It never knows which pin was read,
and never decides what a gesture does: the session does. Time is an argument.

Theory of operation
-------------------

The module sees spells. A spell is a group of edges, each less than 30 ms (DEBOUNCE_MS) after the
edge before it. Between two spells the contact rests. The meaning of a spell depends on its length
and on where the contact rests before and after it. The number of its edges has no meaning, because
a kernel under load loses edges.

    a spell                               is
    at most 30 ms, released to pressed    the bounce of a press: the press begins with its first
                                          edge, the hold with its last edge
    at most 30 ms, pressed to released    the bounce of a release: the press ends with its first
                                          edge
    at most 30 ms, back to where it was   a glitch: a touch, and a hold begins again
    more than 30 ms                       noise: nothing counts until the contact has rested
                                          released for 500 ms

A real contact bounces for 1 to 10 ms when it is pressed and when it is released. A change-over
contact also travels between its sides for some milliseconds, which belongs to the same spell. A
press needs a rest of 30 ms on pressed and then a rest of 30 ms on released, so a pulse below 30 ms
is a glitch. A cable that picks up 50 or 60 Hz has an edge every 8 to 10 ms: such a spell never
ends. Random chatter sometimes rests for 30 ms, but never on released for 500 ms.

    state         what happens                            next state
    unseen        rests on released                       free          (after start-up)
    free          first edge                              press
    locked        first edge after 1.5 s on released      press
    locked        first edge before that                  ignored press; the 1.5 s begin again
    press         rests on released                       free; SHORT if below 0.8 s on pressed
    press         rests on pressed for 0.8 s, 3 s, 5 s    press; HELD..., each once in a press
    press         a stop, fault, clear or start-up        ignored press (`ignore_until_release`)
    ignored press rests on released                       free or locked
    any           a spell of more than 30 ms              noise; NOISE
    noise         rests on released for 500 ms            free or locked
    noise         edges for 10 s without a rest of        noise; RESTLESS, once
                  500 ms on any side
    any           on neither or both sides for 500 ms     as before; BROKEN, once
                  without a rest on a single side

An edge counts from its own time, even if the loop reads it late. TOUCH is reported before any
debouncing, because a touch may have to stop motors: 30 ms of waiting would be 30 ms of vibration.
"""

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Final, NamedTuple

from firmware_ctl.limits import LOCK_MS

DEBOUNCE_MS: Final = 30
SHORT_MS: Final = 800
BROKEN_MS: Final = 500
"""A change-over contact leaves both sides for a few milliseconds. Longer means a broken wire."""
NOISE_REST_MS: Final = 500
"""After noise the contact must rest on released for this long before a press counts."""
NOISE_MS: Final = 10_000
"""Noise for this long is a fault, because nobody can rely on such a button to stop the mat."""


class Contact(Enum):
    RELEASED = "released"
    PRESSED = "pressed"
    NEITHER = "neither"
    BOTH = "both"


_SOUND: Final = (Contact.PRESSED, Contact.RELEASED)
"""The contact is on one of its sides. NEITHER and BOTH for long mean a broken wire."""


def contact(pressed: bool, released: bool) -> Contact:
    """The contact for the readings of its two sides. A plain contact has only one side: pass
    `released=not pressed` for it."""
    if pressed:
        return Contact.BOTH if released else Contact.PRESSED
    return Contact.RELEASED if released else Contact.NEITHER


class Spell(NamedTuple):
    """A group of edges, each less than DEBOUNCE_MS after the edge before it."""

    first_at_ms: int
    last_at_ms: int
    contact: Contact
    """The contact after the last edge."""


def spells_of(edges: Iterable[tuple[int, Contact]]) -> tuple[Spell, ...]:
    """Groups edges into spells. An edge is (time in ms, contact after the edge), oldest first."""
    spells: list[Spell] = []
    for at_ms, after in edges:
        if spells and at_ms - spells[-1].last_at_ms < DEBOUNCE_MS:
            first_at_ms, last_at_ms, _ = spells[-1]
            spells[-1] = Spell(first_at_ms, max(at_ms, last_at_ms), after)
        else:
            spells.append(Spell(at_ms, at_ms, after))
    return tuple(spells)


class Gesture(Enum):
    TOUCH = "touch"
    """The contact moved. Reported before debouncing; it stops whatever runs."""
    PRESS = "press"
    """The contact left a rest on released: a new press begins. Reported before debouncing."""
    SHORT = "short"
    """Released within 0.8 s."""
    HELD = "held 0.8 s"
    HELD_3_S = "held 3 s"
    HELD_5_S = "held 5 s"
    NOISE = "noise"
    """The contact did not come to rest within 30 ms."""
    RESTLESS = "noise for 10 s"
    BROKEN = "broken"
    """The contacts rest on neither or on both sides."""


_HOLDS: Final = (
    (SHORT_MS, Gesture.HELD),
    (3_000, Gesture.HELD_3_S),
    (5_000, Gesture.HELD_5_S),
)


class Button:
    """The state machine of the tables above. `sense` takes readings; `wait` lets time pass."""

    def __init__(self) -> None:
        self._contact: Contact | None = None
        """The last reading, or None before the first one."""
        self._edge_at_ms = 0
        """The time of the last edge."""
        self._spell_at_ms = 0
        """The time of the first edge of the spell to which the last edge belongs."""
        self._spell_before_ms = (-DEBOUNCE_MS, -DEBOUNCE_MS)
        """The times of the first and the last edge of the spell before the last one."""
        self._has_settled = False
        """True if the contact has rested since the last edge and `_settle` has run for it."""
        self._rest: Contact | None = None
        """Where the contact rested last, or None before its first rest."""
        self._is_press = False
        """True from the first edge of a press until the next rest on released."""
        self._is_valid_press = False
        """True while the press may still start, select or clear something."""
        self._is_short_suppressed = False
        """True if the release of the present press does nothing."""
        self._pressed_at_ms: int | None = None
        """When the press first came to rest on pressed. None: it has not rested there yet."""
        self._holds_reported = 0
        """How many entries of `_HOLDS` this press has reported."""
        self._locked_at_ms: int | None = None
        """When the button was last locked (`lock`). None: the lock is over."""
        self._is_noisy = False
        self._noise_at_ms: int | None = None
        """When the noise began. None if there was none since a rest of 500 ms on any side."""
        self._unsound_at_ms: int | None = None
        """Since when the contact rests on neither or both sides. None: it rests on one side."""
        self._is_broken = False

    @property
    def is_released(self) -> bool:
        """True if the last reading is released.

        The reading is not debounced, because a request may come in the first 30 ms after start-up.
        """
        return self._contact is Contact.RELEASED

    @property
    def is_press_valid(self) -> bool:
        """True while a press lasts that may still start, select or clear something. A press of the
        locked button never may."""
        return self._is_valid_press

    @property
    def is_noisy(self) -> bool:
        """True from the first noise until the contact has rested on released for 500 ms."""
        return self._is_noisy

    @property
    def is_sound(self) -> bool:
        """True while the contact rests on one of its sides and there is no noise."""
        return self._has_settled and self._rest in _SOUND and not self._is_noisy

    @property
    def is_broken(self) -> bool:
        """True from BROKEN or RESTLESS until the contact is sound again."""
        return self._is_broken

    @property
    def locked_until_ms(self) -> int:
        """Presses before this time are ignored (lock after a stop). 0 if not locked."""
        if self._locked_at_ms is None:
            return 0
        return max(self._locked_at_ms, self._edge_at_ms) + LOCK_MS

    def lock(self, now_ms: int) -> None:
        """Ignores the present press. The next one counts only after 1.5 s of rest on released.

        A frightened person presses several times. Without the lock the second press would start
        what the first one stopped.
        """
        self._locked_at_ms = now_ms
        self.ignore_until_release()

    def ignore_until_release(self) -> None:
        """Ignores the rest of the present press, holds included."""
        self._is_valid_press = False

    def suppress_short(self) -> None:
        """Ignores the release of the present press. Its holds still count."""
        self._is_short_suppressed = True

    def sense(
        self, contact: Contact, now_ms: int, spells: Iterable[Spell] = ()
    ) -> Iterator[Gesture]:
        """The gestures that follow from one reading of the contact at `now_ms`.

        `spells` are the edges since the last reading. A contact that changed without an edge counts
        as moved at `now_ms`. The caller must act on each gesture before it takes the next one: a
        touch that stops a session calls `ignore_until_release`, which cancels the gestures of the
        same press.
        """
        if self._contact is None:
            self._contact, self._edge_at_ms, self._spell_at_ms = contact, now_ms, now_ms
        for spell in spells:
            yield from self._move(spell)
        if contact is not self._contact:
            yield from self._move(Spell(now_ms, now_ms, contact))
        yield from self.wait(now_ms)

    def wait(self, now_ms: int) -> Iterator[Gesture]:
        """The gestures that fall due by time alone: holds, a release, a broken wire."""
        rested_ms = now_ms - self._edge_at_ms
        if self._contact is None or rested_ms < DEBOUNCE_MS:
            return
        if not self._has_settled:
            self._has_settled = True
            yield from self._settle(self._contact)
        if rested_ms >= NOISE_REST_MS:
            self._noise_at_ms = None
            if self._contact is Contact.RELEASED:
                self._is_noisy = False
        if self.is_sound:
            self._is_broken = False
        if self._contact is Contact.PRESSED and self._is_valid_press:
            for hold_ms, gesture in _HOLDS[self._holds_reported :]:
                if self._is_valid_press and rested_ms >= hold_ms:
                    self._holds_reported += 1
                    yield gesture
        is_due = self._unsound_at_ms is not None and now_ms - self._unsound_at_ms >= BROKEN_MS
        if is_due and not self._is_broken:
            self._is_broken = True
            self._is_valid_press = False
            yield Gesture.BROKEN

    def wake_at_ms(self) -> int | None:
        """When `wait` has something to do next, if no edge comes before. None: never."""
        if self._contact is None:
            return None
        if not self._has_settled:
            return self._edge_at_ms + DEBOUNCE_MS
        if (
            self._contact is Contact.PRESSED
            and self._is_valid_press
            and self._holds_reported < len(_HOLDS)
        ):
            return self._edge_at_ms + _HOLDS[self._holds_reported][0]
        if self._contact is Contact.RELEASED and self._is_noisy:
            return self._edge_at_ms + NOISE_REST_MS
        if self._unsound_at_ms is not None and not self._is_broken:
            return self._unsound_at_ms + BROKEN_MS
        return None

    def _move(self, spell: Spell) -> Iterator[Gesture]:
        """Takes a spell, which may continue the spell before it."""
        yield from self.wait(spell.first_at_ms)
        if spell.first_at_ms < self._spell_at_ms:
            self._take_late(spell.first_at_ms)
        # A spell that ended before the last edge is not new: an earlier reading has shown this
        # movement, and TOUCH was reported for it.
        if spell.last_at_ms >= self._edge_at_ms:
            rested_at_ms = self._edge_at_ms
            first_at_ms = max(spell.first_at_ms, rested_at_ms)
            if first_at_ms - rested_at_ms >= DEBOUNCE_MS:
                self._spell_before_ms = self._spell_at_ms, rested_at_ms
                self._spell_at_ms = first_at_ms
            self._edge_at_ms = spell.last_at_ms
            self._contact = spell.contact
            self._has_settled = False
            yield Gesture.TOUCH
            if self._rest is Contact.RELEASED and not self._is_press:
                self._begin_press(first_at_ms, rested_at_ms)
                yield Gesture.PRESS
        if self._edge_at_ms - self._spell_at_ms > DEBOUNCE_MS:
            self._is_valid_press = False
            self._unsound_at_ms = None
            if self._noise_at_ms is None:
                self._noise_at_ms = self._spell_at_ms
            if not self._is_noisy:
                self._is_noisy = True
                yield Gesture.NOISE
        noise_at_ms = self._noise_at_ms
        is_restless = noise_at_ms is not None and self._edge_at_ms - noise_at_ms >= NOISE_MS
        if is_restless and not self._is_broken:
            self._is_broken = True
            yield Gesture.RESTLESS

    def _take_late(self, at_ms: int) -> None:
        """Corrects the last spell by an edge that the loop read late.

        The edge lies between the last spell and the spell before it. So the rest between the two
        was shorter than it seemed, or there was no rest, and a press that needed it is not valid.
        """
        first_ms, last_ms = self._spell_before_ms
        if at_ms <= last_ms:
            return
        follows = at_ms - last_ms < DEBOUNCE_MS
        leads = self._spell_at_ms - at_ms < DEBOUNCE_MS
        if leads:
            self._spell_at_ms = first_ms if follows else at_ms
        if follows or not leads:
            self._is_valid_press = False

    def _begin_press(self, at_ms: int, rested_at_ms: int) -> None:
        """Decides at the first edge of a press whether the press counts."""
        self._is_press = True
        self._pressed_at_ms = None
        self._holds_reported = 0
        self._is_short_suppressed = False
        locked_at_ms = self._locked_at_ms
        is_free = locked_at_ms is None or at_ms - max(locked_at_ms, rested_at_ms) >= LOCK_MS
        self._is_valid_press = is_free and not self._is_noisy
        if is_free:
            self._locked_at_ms = None

    def _settle(self, contact: Contact) -> Iterator[Gesture]:
        """Takes the end of a spell: the contact has rested for DEBOUNCE_MS."""
        self._rest = contact
        if contact not in _SOUND:
            if self._unsound_at_ms is None:
                self._unsound_at_ms = self._edge_at_ms
            return
        self._unsound_at_ms = None
        pressed_at_ms = self._pressed_at_ms
        if contact is Contact.PRESSED:
            if pressed_at_ms is None:
                self._pressed_at_ms = self._edge_at_ms
            return
        is_valid = self._is_valid_press and not self._is_short_suppressed
        self._is_press = False
        self._is_valid_press = False
        if is_valid and pressed_at_ms is not None and self._spell_at_ms - pressed_at_ms < SHORT_MS:
            yield Gesture.SHORT
