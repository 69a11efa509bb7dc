"""What a profile file and a line of the command `try` are read as, on the shipped mat."""

import re
from pathlib import Path

import pytest

from firmware_ctl.config.mat import Mat, read_mat
from firmware_ctl.config.patterns import PATTERNS
from firmware_ctl.config.profile import Level, Phase, Play, Profile, read_play, read_profile
from firmware_ctl.config.shipped import mat_file
from firmware_ctl.errors import AuthorError, CallerError
from tests.support.process import ROOT

MAT = read_mat(Path(mat_file()).read_bytes(), "mat.yaml")

HEAD = "title: t\nphases:\n"


def without_places(profile: Profile) -> Profile:
    """The profile as if every phase and every target were at the start of its file."""
    phases = tuple(
        phase._replace(place=(1, 1), play=tuple(play._replace(place=(1, 1)) for play in phase.play))
        for phase in profile.phases
    )
    return profile._replace(phases=phases)


def phase(body: str) -> str:
    """The text of a profile with one phase; the body is on the third line."""
    return f"{HEAD}  - {{name: a, for: 1min, {body}}}\n"


def mat_without(zone: str) -> Mat:
    zones = tuple(
        known._replace(present=known.present and known.name != zone) for known in MAT.zones
    )
    return MAT._replace(zones=zones)


def mistakes_of(text: str, path: str = "p.yaml", mat: Mat = MAT) -> list[str]:
    with pytest.raises(AuthorError) as error:
        read_profile(text.encode(), path, mat)
    return str(error.value).split("\n")


def play_of(body: str) -> tuple[Play, ...]:
    found = read_profile(phase(f"play: {{{body}}}").encode(), "p.yaml", MAT)
    return without_places(found).phases[0].play


def test_read_profile_with_patterns_cue_and_points() -> None:
    text = """\
title: Lower back release
about: >
  Slow kneading on both sides of the spine;
  the hips stay gently awake.
phases:
  - name: warm up
    for: 2min
    play:
      lower-back: {pattern: wave, level: 30%, period: 6s}
  - name: knead
    points: [BL23]
    for: 90s
    repeat: 4
    play:
      lower_back: {pattern: alternate, level: 60%, period: 4s}
      hips: 20%   # short for {pattern: steady, level: 20%}
  - name: press inside the ankle
    cue: KI3
    for: 45s
    play: {lower_back: 15%}
  - name: cool down
    for: 1min
    play: {all: {pattern: steady, level: {from: 30%, to: 0%}}}
"""
    assert without_places(read_profile(text.encode(), "profiles/lower-back.yaml", MAT)) == Profile(
        name="lower-back",
        title="Lower back release",
        about="Slow kneading on both sides of the spine; the hips stay gently awake.",
        needs=(),
        strict=False,
        phases=(
            Phase(
                name="warm up",
                for_ms=120_000,
                repeat=1,
                play=(Play("lower_back", "wave", Level(30, 30), (("period", 6_000),)),),
            ),
            Phase(
                name="knead",
                for_ms=90_000,
                repeat=4,
                play=(
                    Play("lower_back", "alternate", Level(60, 60), (("period", 4_000),)),
                    Play("hips", "steady", Level(20, 20)),
                ),
                points=("BL23",),
            ),
            Phase(
                name="press inside the ankle",
                for_ms=45_000,
                repeat=1,
                play=(Play("lower_back", "steady", Level(15, 15)),),
                cue="KI3",
            ),
            Phase(
                name="cool down",
                for_ms=60_000,
                repeat=1,
                play=(Play("all", "steady", Level(30, 0)),),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("body", "play"),
    [
        ("hips: 0%", Play("hips", "steady", Level(0, 0))),
        ("hips.left: 5%", Play("hips.left", "steady", Level(5, 5))),
        ("lower-back.right: 5%", Play("lower_back.right", "steady", Level(5, 5))),
        ("lower-back.upper: 5%", Play("lower_back.upper", "steady", Level(5, 5))),
        ("lower_back.lower.left: 5%", Play("lower_back.lower.left", "steady", Level(5, 5))),
        (
            "hips: {level: '7%', rest: 1s, taps: 3, pattern: tap, after: 0.5s}",
            Play(
                "hips",
                "tap",
                Level(7, 7),
                (("taps", 3), ("tap_for", 150), ("rest", 1_000)),
                after_ms=500,
            ),
        ),
        (
            "hips: {pattern: breathe, level: {from: 5%, to: 9%}, in: 2s, out: 3s}",
            Play(
                "hips",
                "breathe",
                Level(5, 9),
                (("in", 2_000), ("hold", 0), ("out", 3_000), ("rest", 0)),
            ),
        ),
        (
            "hips: {pattern: alternate, level: 5%, period: {from: 2s, to: 500ms}}",
            Play("hips", "alternate", Level(5, 5), (("period", 2_000),), period_to_ms=500),
        ),
        (
            "hips: {pattern: wave, level: 5%, period: {from: 2s, to: 2s}}",
            Play("hips", "wave", Level(5, 5), (("period", 2_000),)),
        ),
        (
            "hips: {pattern: keyframes, frames: [[5s, 10%], [5010ms, 60%], [1min, 0%]]}",
            Play(
                "hips",
                "keyframes",
                Level(60, 60),
                frames=((5_000, 10), (5_010, 60), (60_000, 0)),
            ),
        ),
    ],
)
def test_read_profile_line_of_play(body: str, play: Play) -> None:
    assert play_of(body) == (play,)


def test_read_profile_with_every_optional_key() -> None:
    text = "schema: 1\nname: p\nneeds: [lower-back]\nstrict: true\n" + HEAD
    text += "  - {name: a, for: 3s, cue: 'breathe: slowly', repeat: 100}\n"
    assert without_places(read_profile(text.encode(), "a/b/p.yaml", MAT)) == Profile(
        name="p",
        title="t",
        about="",
        needs=("lower_back",),
        strict=True,
        phases=(Phase(name="a", for_ms=3_000, repeat=100, play=(), cue="breathe: slowly"),),
    )


def test_read_profile_phase_by_alias_is_read_twice() -> None:
    text = HEAD + "  - &a {name: a, for: 1s, play: {hips: 1%}}\n  - *a\n"
    phases = read_profile(text.encode(), "p.yaml", MAT).phases
    assert phases == (phases[0], phases[0])


def test_read_profile_reads_the_examples_in_the_document() -> None:
    texts = re.findall(
        r"^```yaml\n(.*?)^```", (ROOT / "docs/profiles.md").read_text(encoding="utf-8"), re.M | re.S
    )
    profiles = [
        read_profile((text if "title:" in text else f"title: t\n{text}").encode(), "p.yaml", MAT)
        for text in texts
    ]
    assert [(profile.needs, profile.length_ms) for profile in profiles] == [
        (("lower_back",), 465_000),
        ((), 270_000),
    ]


def test_read_profile_invalid_file_name_is_reported() -> None:
    assert mistakes_of(phase("cue: KI3"), "Über mich.yaml") == [
        "Über mich.yaml:1:1: file name: 'Über mich' is not a valid name; "
        "use 1 to 32 characters of a-z, 0-9 and '-'"
    ]


def test_read_profile_absent_zone_may_be_played_but_not_needed() -> None:
    mat = mat_without("neck")
    text = phase("play: {neck: 10%, hips: 10%}")
    assert [play.target for play in read_profile(text.encode(), "p.yaml", mat).phases[0].play] == [
        "neck",
        "hips",
    ]
    assert mistakes_of("needs: [hips, neck]\n" + text, mat=mat) == [
        "p.yaml:1:15: needs: the neck zone is not there (present: false); remove it"
    ]


def test_read_profile_level_of_all_is_capped_by_the_lowest_present_zone() -> None:
    assert mistakes_of(phase("play: {all: 71%}"), mat=mat_without("neck")) == [
        "p.yaml:3:38: level: 71% is above the hips zone's cap of 70%; write 70% or less"
    ]
    assert mistakes_of(phase("play: {neck: 61%}"), mat=mat_without("neck")) == [
        "p.yaml:3:39: level: 61% is above the neck zone's cap of 60%; write 60% or less"
    ]


def test_read_profile_longer_than_the_daily_limit_is_reported() -> None:
    limits = MAT.limits._replace(daily_ms=60_000)
    mat = MAT._replace(limits=limits)
    assert mistakes_of(phase("play: {hips: 1%}, repeat: 2"), mat=mat) == [
        "p.yaml:3:20: for: the session is 2:00 min long; this mat allows 1:00 min (exceeded in this phase)"
    ]


@pytest.mark.parametrize(
    ("words", "play"),
    [
        (("hips", "steady", "40", {}), Play("hips", "steady", Level(40, 40))),
        (
            ("lower-back", "pulse", "40%", {"on_for": "0.5", "off_for": "250ms", "after": "1"}),
            Play(
                "lower_back",
                "pulse",
                Level(40, 40),
                (("on_for", 500), ("off_for", 250)),
                after_ms=1_000,
            ),
        ),
        (
            ("lower-back.upper", "shuffle", "4", {"period": "4", "on_for": "1s", "seed": "12"}),
            Play(
                "lower_back.upper",
                "shuffle",
                Level(4, 4),
                (("period", 4_000), ("on_for", 1_000), ("seed", 12)),
            ),
        ),
        (
            ("hips.left", "tap", "4", {"taps": "2", "rest": "1"}),
            Play("hips.left", "tap", Level(4, 4), (("taps", 2), ("tap_for", 150), ("rest", 1_000))),
        ),
    ],
)
def test_read_play_bare_numbers_are_seconds_and_percent(
    words: tuple[str, str, str, dict[str, str]], play: Play
) -> None:
    assert read_play(*words, MAT) == play


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("hipz", "steady", "90", {}),
            "target: the mat has no zone, row or side hipz; did you mean hips?",
        ),
        (
            ("hips", "steady", "90", {}),
            "level: 90% is above the hips zone's cap of 70%; write 70% or less",
        ),
        (
            ("hips", "steady", "soft", {}),
            "level: soft is not a percentage; write 0% to 70%, for example 30%",
        ),
        (("hips", "stedy", "9", {}), "pattern: unknown pattern stedy; did you mean steady?"),
        (
            ("hips", "wave", "9", {"period": "0", "level": "3", "aftr": "1"}),
            "aftr: the pattern wave has no such key; did you mean after?; "
            "level: is given already; period: 0s is below 200ms; write 200ms or more",
        ),
        (
            ("hips", "steady", "9", {"after": "10"}),
            "after: 10s is not shorter than the phase; write less than 10s",
        ),
        (("neck", "steady", "9", {}), "target: the neck zone is not there (present: false)"),
    ],
)
def test_read_play_with_mistakes_raises_one_sentence(
    words: tuple[str, str, str, dict[str, str]], sentence: str
) -> None:
    with pytest.raises(CallerError) as error:
        read_play(*words, mat_without("neck"))
    assert (error.value.code, str(error.value)) == ("bad-argument", sentence)


@pytest.mark.parametrize("pattern", [name for name in PATTERNS if name != "keyframes"])
def test_read_play_reads_every_pattern(pattern: str) -> None:
    keys = {key.name: "3" for key in PATTERNS[pattern].keys}
    assert read_play("all", pattern, "20", keys, MAT).pattern == pattern
