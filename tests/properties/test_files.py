"""Random and damaged profile and mat files.

Accepted values are within the limits, and every mistake in a refused file has a line and a column.
"""

from pathlib import Path

import jsonschema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware_ctl import limits
from firmware_ctl.config.mat import (
    Mat,
    read_mat,
)
from firmware_ctl.config.profile import Profile, read_profile
from firmware_ctl.config.schema import schema
from firmware_ctl.config.shipped import mat_file
from firmware_ctl.errors import AuthorError
from tests.support.strategies import (
    Document,
    damaged,
    mat_documents,
    mats,
    mats_and_profiles,
    profile_documents,
    to_yaml,
)


@given(mat_documents().flatmap(damaged))
@settings(max_examples=200, suppress_health_check=list(HealthCheck), deadline=None)
def test_read_mat_damaged_file_is_read_or_reported_with_places(data: bytes) -> None:
    try:
        mat = read_mat(data, "mat.yaml")
    except AuthorError as error:
        assert_mistakes_have_places(data, error)
    else:
        assert_within_limits(mat)


def assert_mistakes_have_places(data: bytes, error: AuthorError) -> None:
    lines = data.decode().split("\n")
    assert error.mistakes
    for mistake in error.mistakes:
        assert 1 <= mistake.line <= len(lines)
        assert 1 <= mistake.column <= len(lines[mistake.line - 1]) + 1
        assert str(mistake).isprintable()


def assert_within_limits(mat: Mat) -> None:
    pins = [motor.pin for motor in mat.motors]
    assert sorted(set(pins)) == sorted(pins)
    assert set(pins) <= set(range(9, 28)) - {14, 15}
    for motor in mat.motors:
        assert 0 < motor.hold_pct <= motor.start_pct <= motor.cap_pct
        assert motor.hold_pct < motor.cap_pct <= mat.limits.duty_pct <= limits.DUTY_PCT
        assert 0 < motor.run_ma <= motor.start_ma <= mat.max_ma


MAT = read_mat(Path(mat_file()).read_bytes(), "mat.yaml")


@given(profile_documents(MAT).flatmap(damaged))
@settings(max_examples=200, suppress_health_check=list(HealthCheck), deadline=None)
def test_read_profile_damaged_file_is_read_or_reported_with_places(data: bytes) -> None:
    try:
        profile = read_profile(data, "p.yaml", MAT)
    except AuthorError as error:
        assert_mistakes_have_places(data, error)
    else:
        assert 0 < profile.length_ms <= MAT.limits.session_ms


@given(mats_and_profiles())
@settings(max_examples=100, suppress_health_check=list(HealthCheck), deadline=None)
def test_read_profile_levels_and_times_are_within_the_mats_limits(
    mat_and_profile: tuple[Mat, Profile],
) -> None:
    mat, profile = mat_and_profile
    assert_within_limits(mat)
    cap_pct_by_target = {zone.name: zone.cap_pct for zone in mat.zones}
    cap_pct_by_target["all"] = min(zone.cap_pct for zone in mat.zones if zone.present)
    for phase in profile.phases:
        for play in phase.play:
            cap_pct = cap_pct_by_target[play.target.partition(".")[0]]
            levels_pct = [
                play.level.from_pct,
                play.level.to_pct,
                *(level for _, level in play.frames),
            ]
            assert all(0 <= level_pct <= cap_pct for level_pct in levels_pct)
            assert play.after_ms < phase.for_ms
            assert all(play.after_ms + at_ms <= phase.for_ms for at_ms, _ in play.frames)


@given(mats().flatmap(lambda mat: st.tuples(st.just(mat), profile_documents(mat))))
@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
def test_schema_accepts_every_profile_that_the_reader_accepts(
    mat_and_document: tuple[Mat, Document],
) -> None:
    mat, document = mat_and_document
    assert read_profile(to_yaml(document), "p.yaml", mat).title == document["title"]
    jsonschema.validate(document, schema("profile"))


@given(mat_documents())
@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
def test_schema_accepts_every_mat_that_the_reader_accepts(document: Document) -> None:
    assert read_mat(to_yaml(document), "m.yaml").name == document["name"]
    jsonschema.validate(document, schema("mat"))
