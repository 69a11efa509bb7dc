"""The haptics of cues, for any profile."""

from hypothesis import example, given

from firmware_ctl.config.mat import Mat
from firmware_ctl.config.profile import Profile
from firmware_ctl.timeline.compiler import compile_profile
from tests.support.reached import must_reach, reached
from tests.support.worlds_timeline import (
    MATS,
    PROFILES,
    make_mat,
    phase,
    play,
    profile,
)


@must_reach(cues=20)
@example(profile(phase(10_000, play("all", "steady", 40), repeat=10, cue="KI3")), make_mat())
@given(PROFILES, MATS)
def test_haptics_of_a_cue_lie_within_each_pass_of_its_phase(asked: Profile, mat: Mat) -> None:
    timeline = compile_profile(asked, mat)
    haptic_cues = timeline.haptic_cues
    assert sorted(haptic_cues, key=lambda c: c.begin_ms) == list(haptic_cues)
    cues = [cue for cue in haptic_cues if cue.name != "five-minutes-left"]
    for segment in timeline.segments:
        own = [s for s in cues if segment.begin_ms <= s.begin_ms < segment.end_ms]
        assert [s.name for s in own] == ["cue-begin", "cue-end"] * (
            bool(segment.cue) * segment.repeat
        )
        assert all(s.end_ms <= segment.end_ms for s in own)
        reached("cues", len(own))
