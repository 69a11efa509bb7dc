"""The start button: contacts and time in, gestures out. Time is an argument.

Theory of operation
-------------------

The module sees spells: edges of which each comes less than 30 ms (DEBOUNCE_MS) after the one
before. Between two spells the contact rests. What a spell means depends on how long it lasts and on
where the contact rests before and after it, never on how many edges it has.

    a spell                               is
    at most 30 ms, released to pressed    the bounce of a press: the press begins with its first
                                          edge, the hold with its last one
    at most 30 ms, pressed to released    the bounce of a release: the press ends with its first
                                          edge
    at most 30 ms, back to where it was   a glitch: a touch, and a hold begins anew
    more than 30 ms                       noise: nothing counts until the contact has rested
                                          released for 500 ms

A real contact bounces for 1 to 10 ms, when it is pressed and when it is released, after a press of
any length. A change-over contact also travels between its sides for some milliseconds: that belongs
to the same spell. A press needs a rest of 30 ms on pressed and then one of 30 ms on released, so a
pulse below 30 ms is a glitch. A cable that picks up 50 or 60 Hz has an edge every 8 to 10 ms: such
a spell never ends. Random chatter rests for 30 ms now and then, but not released for 500 ms.

    state         what happens                            next state
    unseen        rests on released                       free          (after start-up)
    free          first edge                              press
    locked        first edge after 1.5 s on released      press
    locked        first edge before that                  spent press; the 1.5 s begin anew
    press         rests on released                       free; SHORT if below 0.8 s on pressed
    press         rests on pressed for 0.8 s, 3 s, 5 s    press; HELD..., each once a press
    press         a stop, fault, clear or start-up        spent press   (`ignore_until_release`)
    spent press   rests on released                       free or locked
    any           a spell of more than 30 ms              noise; NOISE
    noise         rests on released for 500 ms            free or locked
    noise         edges for 10 s without a rest of        noise; RESTLESS, once
                  500 ms on any side
    any           on neither or both sides for 500 ms     as before; BROKEN, once
                  without a rest on a single one

Edges count from the time at which they were, however late they are told. What a gesture does the
session decides. TOUCH is told before any debouncing, since a touch may have to stop motors.
"""

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Final, NamedTuple

from firmware_ctl.limits import LOCK_MS

DEBOUNCE_MS: Final = 30
SHORT_MS: Final = 800
BROKEN_MS: Final = 500
"""A change-over contact leaves both sides for a few milliseconds; longer is a broken wire."""
NOISE_REST_MS: Final = 500
"""After noise the contact has to rest released for this long before anything counts."""
NOISE_MS: Final = 10_000
"""Noise for this long is a fault: the button cannot be relied on."""


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


class Spell(NamedTuple):
    """Edges of which each came less than DEBOUNCE_MS after the one before."""

    first_at_ms: int
    last_at_ms: int
    contact: Contact
    """What the contact said after its last edge."""


def spells_of(edges: Iterable[tuple[int, Contact]]) -> tuple[Spell, ...]:
    """The spells of edges that came one after the other; each with what the contact said then."""
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
    """The contact moved, at once and whatever comes of it: it stops whatever runs."""
    PRESS = "press"
    """The contact leaves a rest on released, at once: a new press begins."""
    SHORT = "short"
    """Released within 0.8 s."""
    HELD = "held 0.8 s"
    HELD_3_S = "held 3 s"
    HELD_5_S = "held 5 s"
    NOISE = "noise"
    """The contact has not come to rest within 30 ms."""
    RESTLESS = "noise for 10 s"
    BROKEN = "broken"
    """The contacts rest on neither or on both sides."""


_HOLDS: Final = (
    (SHORT_MS, Gesture.HELD),
    (3_000, Gesture.HELD_3_S),
    (5_000, Gesture.HELD_5_S),
)


class Button:
    """The state machine of the tables above."""

    def __init__(self) -> None:
        self._contact: Contact | None = None
        """What the contact said last; None: it was never read."""
        self._edge_at_ms = 0
        """Its last edge."""
        self._spell_at_ms = 0
        """The first edge of the spell that ended, or has not ended yet, with that edge."""
        self._spell_before_ms = (-DEBOUNCE_MS, -DEBOUNCE_MS)
        """First and last edge of the spell before that one."""
        self._has_settled = False
        """It has rested since its last edge, and `_settle` has seen it."""
        self._rest: Contact | None = None
        """Where it rested last."""
        self._is_press = False
        """It has left a rest on released and not come to the next one."""
        self._is_valid_press = False
        """This press may still do something."""
        self._is_short_suppressed = False
        """This press does nothing on its release."""
        self._pressed_at_ms: int | None = None
        """Since when this press rests, or rested first, on pressed."""
        self._holds_told = 0
        self._locked_at_ms: int | None = None
        self._is_noisy = False
        self._noise_at_ms: int | None = None
        """Since when it has not rested anywhere for 500 ms, where there was noise."""
        self._unsound_at_ms: int | None = None
        """Since when it rests on neither or both sides and on no single one."""
        self._is_broken = False

    @property
    def is_released(self) -> bool:
        """Now, before any debouncing: a request in the first 30 ms after start-up counts."""
        return self._contact is Contact.RELEASED

    @property
    def is_noisy(self) -> bool:
        """There was noise, and since then the contact has not rested released for 500 ms."""
        return self._is_noisy

    @property
    def is_sound(self) -> bool:
        """True while the contact rests on one of its sides and there is no noise."""
        return self._has_settled and self._rest in _SOUND and not self._is_noisy

    @property
    def is_broken(self) -> bool:
        """BROKEN or RESTLESS was told, and its cause is still there."""
        return self._is_broken

    @property
    def locked_until_ms(self) -> int:
        """A press before then starts nothing, as things stand; 0: the button is not locked."""
        if self._locked_at_ms is None:
            return 0
        return max(self._locked_at_ms, self._edge_at_ms) + LOCK_MS

    def lock(self, now_ms: int) -> None:
        """Ignores the press that is going on; the next one needs 1.5 s of rest on released."""
        self._locked_at_ms = now_ms
        self.ignore_until_release()

    def ignore_until_release(self) -> None:
        """Whatever is pressed now does nothing more."""
        self._is_valid_press = False

    def suppress_short(self) -> None:
        """The press that is going on does nothing on its release, but its hold still counts."""
        self._is_short_suppressed = True

    def sense(
        self, contact: Contact, now_ms: int, spells: Iterable[Spell] = ()
    ) -> Iterator[Gesture]:
        """What follows from one look at the contact at `now_ms`.

        `spells` are its edges since the last look; a contact that is elsewhere without any moved
        just now. The caller acts on each gesture before it asks for the next one: a touch that
        stopped has spent the press that begins with it.
        """
        if self._contact is None:
            self._contact, self._edge_at_ms, self._spell_at_ms = contact, now_ms, now_ms
        for spell in spells:
            yield from self._move(spell)
        if contact is not self._contact:
            yield from self._move(Spell(now_ms, now_ms, contact))
        yield from self.wait(now_ms)

    def wait(self, now_ms: int) -> Iterator[Gesture]:
        """The gestures that fall due as time goes by without an edge."""
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
            for hold_ms, gesture in _HOLDS[self._holds_told :]:
                if self._is_valid_press and rested_ms >= hold_ms:
                    self._holds_told += 1
                    yield gesture
        is_due = self._unsound_at_ms is not None and now_ms - self._unsound_at_ms >= BROKEN_MS
        if is_due and not self._is_broken:
            self._is_broken = True
            self._is_valid_press = False
            yield Gesture.BROKEN

    def wake_at_ms(self) -> int | None:
        """When `wait` next has something to say if no edge comes before."""
        if self._contact is None:
            return None
        if not self._has_settled:
            return self._edge_at_ms + DEBOUNCE_MS
        if (
            self._contact is Contact.PRESSED
            and self._is_valid_press
            and self._holds_told < len(_HOLDS)
        ):
            return self._edge_at_ms + _HOLDS[self._holds_told][0]
        if self._contact is Contact.RELEASED and self._is_noisy:
            return self._edge_at_ms + NOISE_REST_MS
        if self._unsound_at_ms is not None and not self._is_broken:
            return self._unsound_at_ms + BROKEN_MS
        return None

    def _move(self, spell: Spell) -> Iterator[Gesture]:
        """Takes a spell, which may be the rest of the one before."""
        yield from self.wait(spell.first_at_ms)
        if spell.first_at_ms < self._spell_at_ms:
            self._take_late(spell.first_at_ms)
        if spell.last_at_ms >= self._edge_at_ms:  # else it was told that it moved since then
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
        """An edge from before this spell is told only now: the rest before was shorter, or none."""
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
        """Its first edge decides whether a press counts."""
        self._is_press = True
        self._pressed_at_ms = None
        self._holds_told = 0
        self._is_short_suppressed = False
        locked_at_ms = self._locked_at_ms
        is_free = locked_at_ms is None or at_ms - max(locked_at_ms, rested_at_ms) >= LOCK_MS
        self._is_valid_press = is_free and not self._is_noisy
        if is_free:
            self._locked_at_ms = None

    def _settle(self, contact: Contact) -> Iterator[Gesture]:
        """The contact has come to rest."""
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
