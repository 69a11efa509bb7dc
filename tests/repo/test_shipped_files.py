"""The files that travel with the package: valid, true to the facts, and found where they lie."""

import re
from pathlib import Path

import pytest

from firmware_ctl import limits
from firmware_ctl.config import shipped
from firmware_ctl.config.mat import read_mat
from firmware_ctl.config.points import POINTS
from firmware_ctl.config.profile import Profile, read_profile

MAT_PATH = Path(shipped.mat_file())
MAT = read_mat(MAT_PATH.read_bytes(), "hw/mat.yaml")
PATHS = sorted(Path(shipped.profiles_dir()).glob("*.yaml"))
PROFILES = {path.name: read_profile(path.read_bytes(), path.name, MAT) for path in PATHS}


def test_what_is_shipped() -> None:
    minutes = {profile.name: profile.length_ms / 60_000 for profile in PROFILES.values()}
    assert minutes == {
        "first-time": 4,
        "full-body": 15,
        "guided-points": pytest.approx(12 + 2 / 3),
        "hips": 9,
        "lower-back": 12,
        "neck": 8,
    }


def test_the_mat() -> None:
    assert [(zone.name, zone.present, len(zone.motors)) for zone in MAT.zones] == [
        ("neck", True, 2),
        ("lower_back", True, 4),
        ("hips", True, 2),
    ]
    assert [motor.pin for motor in MAT.motors] == [17, 27, 22, 23, 24, 25, 12, 13]
    for zone in MAT.zones:
        sides = [motor.side for motor in zone.motors]
        assert sides.count("left") == sides.count("right")
    asked = MAT.limits
    assert (asked.session_ms, asked.daily_ms, asked.duty_pct, asked.rise_pct_s) == (
        limits.SESSION_MS,
        limits.DAILY_MS // 2,
        80,
        25,
    )


def test_needs_and_points_of_each_profile() -> None:
    assert {profile.name: profile.needs for profile in PROFILES.values() if profile.needs} == {
        "neck": ("neck",)
    }
    points = {
        profile.name: sorted({point for phase in profile.phases for point in phase.points})
        for profile in PROFILES.values()
    }
    assert points == {
        "first-time": [],
        "full-body": ["BL23", "GB30"],
        "guided-points": ["BL23", "GB30"],
        "hips": ["GB30"],
        "lower-back": ["BL23"],
        "neck": [],
    }
    cues = [(phase.cue, phase.for_ms) for phase in PROFILES["guided-points.yaml"].phases]
    assert [cue for cue in cues if cue[0]] == [
        ("KI3", 45_000),
        ("KI3", 45_000),
        ("LI4", 40_000),
        ("LI4", 40_000),
    ]


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_keeps_the_times_of_the_points(profile: Profile) -> None:
    lengths = {"BL23": (60_000, 120_000), "KI3": (30_000, 60_000)}
    for phase in profile.phases:
        for point in (*phase.points, phase.cue):
            least_ms, most_ms = lengths.get(point or "", (0, phase.for_ms))
            assert least_ms <= phase.for_ms <= most_ms, (phase.name, point)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_plays_what_its_points_ask_for(profile: Profile) -> None:
    reached_by = {"BL23": {"lower_back", "all"}, "GB30": {"hips", "all"}}
    for phase in profile.phases:
        for point in phase.points:
            assert reached_by[point] & {play.target for play in phase.play}, (phase.name, point)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_begins_softly_and_fades_at_the_end(profile: Profile) -> None:
    first, *_, last = profile.phases
    assert max(play.level.from_pct for play in first.play) <= 25
    assert {play.level.to_pct for play in last.play} == {0}
    assert max(play.level.from_pct for play in last.play) > 0


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_a_cue_has_a_background_in_which_its_gaps_are_felt(profile: Profile) -> None:
    for phase in profile.phases:
        if phase.cue is not None:
            felt = [(play.pattern, play.level.from_pct, play.level.to_pct) for play in phase.play]
            assert felt == [("steady", 20, 20)], phase.name


def test_warns_where_a_point_asks_for_it() -> None:
    for profile in PROFILES.values():
        cues = {phase.cue for phase in profile.phases if phase.cue}
        if any(POINTS[cue].caution for cue in cues):
            assert re.search(r"avoid(ed)? in pregnancy", profile.about)


def test_claims_no_medical_effect() -> None:
    claims = re.compile(r"\b(heal|cure|treat|therap|reliev|relief|pain|medical)", re.IGNORECASE)
    assert [(path.name, claims.findall(path.read_text())) for path in PATHS] == [
        (path.name, []) for path in PATHS
    ]


def test_names_a_schema_that_lies_beside_it() -> None:
    for path in (*PATHS, MAT_PATH):
        line = re.match(r"# yaml-language-server: \$schema=(\./[a-z.]+)\n", path.read_text())
        assert line is not None, path
        assert (path.parent / line[1]).is_file(), path


def test_lies_where_it_is_looked_for() -> None:
    assert Path(shipped.systemd_dir()).is_dir()
    assert MAT_PATH.is_absolute()
