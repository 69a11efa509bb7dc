"""A profile: YAML text in, a frozen value out, every mistake with its place.

Knows the mat's zones and caps, and never a pin.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Level:
    """Percent at the begin and the end of one pass of the phase; equal where it does not change."""

    from_pct: int
    to_pct: int


@dataclass(frozen=True, slots=True)
class Play:
    """One line of `play`: what a target does in a phase."""

    target: str
    """A zone, `all`, or a side: `hips`, `all`, `hips.left`."""
    pattern: str
    level: Level
    """For keyframes: the highest frame, from and to."""
    keys: tuple[tuple[str, int], ...] = ()
    """Every key of the pattern with its value, defaults filled in, in the table's order."""
    frames: tuple[tuple[int, int], ...] = ()
    """Keyframes only: (at_ms, level_pct)."""
    after_ms: int = 0


@dataclass(frozen=True, slots=True)
class Phase:
    name: str
    for_ms: int
    """One pass."""
    repeat: int
    play: tuple[Play, ...]
    cue: str | None = None
    """A point's name, or free text."""
    points: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    name: str
    title: str
    about: str
    needs: tuple[str, ...]
    strict: bool
    phases: tuple[Phase, ...]

    @property
    def length_ms(self) -> int:
        return sum(phase.for_ms * phase.repeat for phase in self.phases)
