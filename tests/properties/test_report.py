"""`explain` of random profiles, compared with their compiled duties."""

from hypothesis import given

from firmware_ctl.config.mat import Mat
from firmware_ctl.config.profile import Profile
from firmware_ctl.errors import AuthorError
from firmware_ctl.timeline.report import explain
from firmware_ctl.timeline.supply import fit_to_supply
from tests.support.strategies import mats_and_profiles
from tests.support.worlds_timeline import highest_duties


@given(mats_and_profiles())
def test_explain_of_any_profile_shows_the_compiled_duties(
    mat_and_profile: tuple[Mat, Profile],
) -> None:
    mat, profile = mat_and_profile
    try:
        timeline, budget = fit_to_supply(profile, mat)
    except AuthorError:
        return
    rows = explain(profile, budget, mat)
    explained = [(row.phase, row.zone, row.duty_pct) for row in rows]
    assert explained == highest_duties(profile, timeline, mat)
