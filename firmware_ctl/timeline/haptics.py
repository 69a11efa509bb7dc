"""Haptics, the mat's messages for closed eyes: pulses while idle, gaps within a session.

An idle haptic is a few pulses in one zone. A haptic within a session is a number of gaps: gaps only
take motion away, so such a haptic can exceed no limit. This module knows the rhythm of each haptic,
and never when a haptic is due.
"""

from typing import Final, NamedTuple

from firmware_ctl.config.patterns import Piece
from firmware_ctl.limits import SIGNAL_LEVEL_PCT, SIGNAL_MS
from firmware_ctl.timeline.steps import Steps, draw

GAP_MS: Final = 200
"""Length of a gap, and of the time between two gaps."""

FIVE_MINUTES_MS: Final = 5 * 60_000

FIVE_MINUTES_LEFT: Final = "five-minutes-left"
"""The haptic that plays once in a session. A cue's haptics play in each pass of the cue's phase."""


class Gap(NamedTuple):
    """All motors off from `begin_ms` up to `end_ms` of a session."""

    begin_ms: int
    end_ms: int


class HapticCue(NamedTuple):
    """A haptic within a session, from the beginning of its first gap to the end of its last gap."""

    name: str
    gaps: tuple[Gap, ...]

    @property
    def begin_ms(self) -> int:
        return self.gaps[0].begin_ms

    @property
    def end_ms(self) -> int:
        return self.gaps[-1].end_ms


GAPS: Final = {
    "cue-begin": 2,
    "cue-end": 3,
    FIVE_MINUTES_LEFT: 5,
}
"""Name of each haptic of a session → its number of gaps, by which a person tells it from others."""


def haptic_cue(name: str, begin_ms: int) -> HapticCue:
    """The haptic with this name. Its first gap begins at `begin_ms` of the session."""
    begins = (begin_ms + 2 * GAP_MS * i for i in range(GAPS[name]))
    return HapticCue(name, tuple(Gap(begin, begin + GAP_MS) for begin in begins))


def haptic_length_ms(name: str) -> int:
    """The time from the beginning of the first gap to the end of the last gap."""
    return (2 * GAPS[name] - 1) * GAP_MS


_PULSE_MS: Final = 200
MOST_PULSES: Final = SIGNAL_MS // (2 * _PULSE_MS)
"""The number of pulses that fit into the longest idle haptic."""


def profile_number_pulses(number: int) -> Steps:
    """As many short pulses as the number of the profile, at most `MOST_PULSES`."""
    pulse = (Piece(_PULSE_MS, 1.0, 1.0), Piece(_PULSE_MS, 0.0, 0.0))
    return draw(pulse * min(number, MOST_PULSES), SIGNAL_LEVEL_PCT)


def refused_pulse() -> Steps:
    """One long pulse: the press was understood, and nothing starts."""
    return draw((Piece(1_000, 1.0, 1.0), Piece(200, 0.0, 0.0)), SIGNAL_LEVEL_PCT)


def new_day_pulses() -> Steps:
    """Two long pulses: the button began a new day of running time."""
    pulse = (Piece(600, 1.0, 1.0), Piece(300, 0.0, 0.0))
    return draw(pulse * 2, SIGNAL_LEVEL_PCT)
