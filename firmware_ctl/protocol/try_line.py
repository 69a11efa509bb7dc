"""The words of a `try`: a target, a pattern, a level and keys, compiled into a session of 10 s.

A `try` goes through the same compiler as a profile, so no limit differs. This module never knows
the session that plays the result.
"""

from collections.abc import Sequence
from typing import Final

from firmware_ctl import limits
from firmware_ctl.config import slips
from firmware_ctl.config.mat import Mat
from firmware_ctl.config.profile import Phase, Play, Profile, read_play
from firmware_ctl.errors import AuthorError, CallerError
from firmware_ctl.session.events import TRY
from firmware_ctl.timeline.model import Timeline
from firmware_ctl.timeline.supply import fit_to_supply

TRY_STEPS: Final = 5_000
"""Most steps to compute the current of a `try` and to fit it to the supply, on the loop.

They take 5 to 10 ms on the machine on which `supply.STEPS` was measured: up to 150 ms on a Pi, in
which the loop does nothing else. If the supply can start all motors at once, as on the reference
mat, the proof takes no step.
"""


def read_try(words: Sequence[str], mat: Mat) -> Play:
    """Reads the words. Raises `CallerError` with all mistakes in one sentence."""
    target, pattern, level, *rest = words
    if _is_ramp(pattern, level, rest):
        raise CallerError("bad-argument", "`try` plays one level; a ramp needs a profile")
    if not all(part.partition("=")[1] for part in rest):
        raise CallerError("bad-argument", f"after the level come key=value pairs: {' '.join(rest)}")
    keys = {key: value for key, _, value in (part.partition("=") for part in rest)}
    if len(keys) < len(rest):
        raise CallerError("bad-argument", f"a key is given twice: {' '.join(rest)}")
    return read_play(target, pattern, level, keys, mat)


def _is_ramp(pattern: str, level: str, rest: Sequence[str]) -> bool:
    """Whether the words ask for a ramp, or for the frames of one, in any form that people write."""
    is_block = level.startswith(("{", "["))
    has_ends = any(word.lower().startswith(("from=", "to=", "frames=")) for word in rest)
    as_text = slips.ramp([" ".join([level, *rest])]) or slips.ramp(level.split(","))
    return pattern == "keyframes" or is_block or has_ends or as_text is not None


def try_timeline(words: Sequence[str], mat: Mat) -> Timeline:
    """Compiles the words of a `try`. Raises `CallerError` if the supply cannot bear it."""
    play = read_try(words, mat)
    phase = Phase(TRY, limits.TRY_MS, 1, (play,))
    profile = Profile(TRY, TRY, "", (), False, (phase,))
    try:
        timeline, _ = fit_to_supply(profile, mat, steps=TRY_STEPS)
    except AuthorError as error:
        raise CallerError("bad-argument", error.mistakes[0].sentence) from None
    return timeline
