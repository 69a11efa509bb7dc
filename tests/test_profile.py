"""Every rule of a profile file, with the whole list of mistakes it leads to."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from firmware_ctl.errors import AuthorError, CallerError
from firmware_ctl.mat import Mat, read_mat
from firmware_ctl.patterns import PATTERNS
from firmware_ctl.profile import Level, Phase, Play, Profile, read_play, read_profile
from firmware_ctl.shipped import mat_file
from tests.process import ROOT
from tests.strategies import damaged, mats_and_profiles, profile_documents
from tests.test_mat import assert_answered_in_the_file, assert_sound

MAT = read_mat(Path(mat_file()).read_bytes(), "mat.yaml")

HEAD = "title: t\nphases:\n"


def unplaced(profile: Profile) -> Profile:
    """Without the places of its phases in the file."""
    phases = tuple(phase._replace(place=(1, 1)) for phase in profile.phases)
    return profile._replace(phases=phases)


def phase(body: str) -> str:
    """A profile of one phase, the body on its third line."""
    return f"{HEAD}  - {{name: a, for: 1min, {body}}}\n"


def without(zone: str) -> Mat:
    zones = tuple(
        known._replace(present=known.present and known.name != zone) for known in MAT.zones
    )
    return MAT._replace(zones=zones)


def mistakes_of(text: str, path: str = "p.yaml", mat: Mat = MAT) -> list[str]:
    with pytest.raises(AuthorError) as error:
        read_profile(text.encode(), path, mat)
    return str(error.value).split("\n")


def play_of(body: str) -> tuple[Play, ...]:
    return read_profile(phase(f"play: {{{body}}}").encode(), "p.yaml", MAT).phases[0].play


def test_reads_the_example_of_the_documents() -> None:
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
    assert unplaced(read_profile(text.encode(), "profiles/lower-back.yaml", MAT)) == Profile(
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
def test_reads_a_line_of_play(body: str, play: Play) -> None:
    assert play_of(body) == (play,)


def test_reads_what_a_profile_may_have_beside() -> None:
    text = "schema: 1\nname: p\nneeds: [lower-back]\nstrict: true\n" + HEAD
    text += "  - {name: a, for: 3s, cue: 'breathe: slowly', repeat: 100}\n"
    assert unplaced(read_profile(text.encode(), "a/b/p.yaml", MAT)) == Profile(
        name="p",
        title="t",
        about="",
        needs=("lower_back",),
        strict=True,
        phases=(Phase(name="a", for_ms=3_000, repeat=100, play=(), cue="breathe: slowly"),),
    )


def test_an_alias_is_read_in_each_place() -> None:
    text = HEAD + "  - &a {name: a, for: 1s, play: {hips: 1%}}\n  - *a\n"
    phases = read_profile(text.encode(), "p.yaml", MAT).phases
    assert phases == (phases[0], phases[0])


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        (
            "just text\n",
            [
                "1:1: the file: a profile belongs here, a block of keys: schema, name, title, about, needs, strict, phases"
            ],
        ),
        (
            "[a]\n",
            [
                "1:1: the file: a profile belongs here, a block of keys: schema, name, title, about, needs, strict, phases"
            ],
        ),
        (
            "title: t\n",
            ["1:1: phases: is missing; a profile needs it: what happens, one after another"],
        ),
        (
            "titel: t\nphases: []\nplay: {}\n",
            [
                "1:1: titel: a profile has no such key; did you mean title?",
                "1:1: title: is missing; a profile needs it: the name that people read",
                "2:9: phases: the list is empty",
                "3:1: play: a profile has no such key; known: schema, name, title, about, needs, strict, phases",
            ],
        ),
        (
            "schema: 2\nname: other\ntitle: ''\nabout: [a]\nneeds: neck\nstrict: yes\nphases: {a: 1}\n",
            [
                "1:9: schema: 2 is no version that this program reads; known: 1",
                "2:7: name: other is not the file's name, p; leave it out",
                "3:8: title: has no value",
                "4:8: about: one value belongs here, not a list",
                "5:8: needs: a list belongs here: [one, two], or lines that begin with -",
                "6:9: strict: yes is neither true nor false",
                "7:9: phases: a list belongs here: [one, two], or lines that begin with -",
            ],
        ),
        (
            HEAD + "  - x\n  - {}\n  - [1]\n",
            [
                "3:5: phases: a phase belongs here, a block of keys: name, for, repeat, play, cue, points",
                "4:5: for: is missing; a phase needs it: length of one pass",
                "4:5: name: is missing; a phase needs it: what the phase is called while it plays",
                "4:5: play: is missing; a phase needs play, or a cue, or both",
                "5:5: phases: a phase belongs here, a block of keys: name, for, repeat, play, cue, points",
            ],
        ),
        (
            HEAD + '  - {name: "a\\u0007b", for: 1min, cue: "\\u202e"}\n',
            [
                "3:12: name: 'a\\x07b' holds a character that cannot be shown",
                "3:40: cue: '\\u202e' holds a character that cannot be shown",
            ],
        ),
        (
            f"title: {'t' * 81}\nabout: {'a' * 1001}\nphases:\n  - {{name: {'n' * 61}, for: 1min, cue: '{'c' * 61}'}}\n",
            [
                "1:8: title: has 81 characters; at most 80 can be shown",
                "2:8: about: has 1001 characters; at most 1000 can be shown",
                "4:12: name: has 61 characters; at most 60 can be shown",
                "4:91: cue: has 61 characters; at most 60 can be shown",
            ],
        ),
        (
            HEAD
            + "  - {name: a, for: 90, repeat: 101, play: {hips: 30}}\n  - {name: b, for: 5ms, repeat: 1.5, play: {hips: 0%}}\n  - {name: c, for: -1s, repeat: many, cue: KI3}\n",
            [
                "3:20: for: 90 has no unit; write 90ms or 90s",
                "3:32: repeat: 101 is above the most, 100",
                "3:50: level: 30 has no unit; write 30%",
                "4:20: for: 5ms is below the least, 10ms",
                "4:33: repeat: 1.5 is finer than 1, the smallest step",
                "5:20: for: -1s is below the least, 10ms",
                "5:33: repeat: many is no whole number; write it like 30",
            ],
        ),
        (
            phase(
                "play: {hipps: 10%, lower-bak: 10%, hips.lft: 10%, all.left: 10%, feet: 10%, HIPS: 10%}"
            ),
            [
                "3:33: play: the mat has no zone or side hipps; did you mean hips?",
                "3:45: play: the mat has no zone or side lower-bak; did you mean lower_back?",
                "3:61: play: the mat has no zone or side hips.lft; did you mean hips.left?",
                "3:76: play: the mat has no zone or side all.left; known: all, neck, neck.left, neck.right, lower_back, lower_back.left, lower_back.right, hips, hips.left, hips.right",
                "3:91: play: the mat has no zone or side feet; known: all, neck, neck.left, neck.right, lower_back, lower_back.left, lower_back.right, hips, hips.left, hips.right",
                "3:102: play: the mat has no zone or side HIPS; did you mean hips?",
            ],
        ),
        (
            phase("play: {hips: 10%, hips.left: 10%}"),
            ["3:44: hips.left: hips and hips.left share motors; name each motor once"],
        ),
        (
            phase("play: {neck: 10%, all: 10%}"),
            ["3:44: all: neck and all share motors; name each motor once"],
        ),
        (
            phase("play: {lower-back: 10%, lower_back: 20%}"),
            ["3:50: lower_back: stands here again; it is already in line 3"],
        ),
        (phase("play: {}"), ["3:32: play: targets belong here, each with its name and a colon"]),
        (phase("repeat: 2"), ["3:5: play: is missing; a phase needs play, or a cue, or both"]),
        (
            phase("play: [hips]"),
            ["3:32: play: targets belong here, each with its name and a colon"],
        ),
        (
            phase("play: {hips: [1]}"),
            ["3:39: hips: a level or the block of a pattern belongs here, not a list"],
        ),
        (phase("play: {hips: }"), ["3:39: level: has no value"]),
        (
            phase("play: {hips: {pattern: wav, level: 10%}, neck: {level: 10%}}"),
            [
                "3:49: pattern: wav is no pattern; did you mean wave?",
                "3:73: pattern: is missing; known: steady, pulse, wave, alternate, travel, tap, breathe, keyframes",
            ],
        ),
        (
            phase("play: {hips: {pattern: wav, level: 99%}, neck: {level: {from: 1%, to: 77%}}}"),
            [
                "3:49: pattern: wav is no pattern; did you mean wave?",
                "3:61: level: 99% is above the hips zone's cap of 70%",
                "3:73: pattern: is missing; known: steady, pulse, wave, alternate, travel, tap, breathe, keyframes",
                "3:96: to: 77% is above the neck zone's cap of 60%",
            ],
        ),
        (
            phase("play: {hips: {pattern: wave, level: 10%, on_for: 2s, afer: 3}}"),
            [
                "3:39: period: is missing; the pattern wave needs it: length of one cycle",
                "3:67: on_for: the pattern wave has no such key; known: pattern, level, period, after",
                "3:79: afer: the pattern wave has no such key; did you mean after?",
            ],
        ),
        (
            phase("play: {hips: {pattern: steady, level: 10%, period: 2s}}"),
            ["3:69: period: the pattern steady has no such key; known: pattern, level, after"],
        ),
        (
            phase("play: {hips: {pattern: steady, level: {from: 10%, too: 80%}}}"),
            [
                "3:64: to: is missing; a level that changes needs it: level when the phase ends",
                "3:76: too: a level that changes has no such key; did you mean to?",
            ],
        ),
        (
            phase("play: {hips: {pattern: steady, level: {from: 71%, to: 10}}}"),
            [
                "3:71: from: 71% is above the hips zone's cap of 70%",
                "3:80: to: 10 has no unit; write 10%",
            ],
        ),
        (phase("play: {neck: 61%}"), ["3:39: level: 61% is above the neck zone's cap of 60%"]),
        (phase("play: {all: 61%}"), ["3:38: level: 61% is above the neck zone's cap of 60%"]),
        (
            phase("play: {neck.left: 101%}"),
            ["3:44: level: 101% is above the neck zone's cap of 60%"],
        ),
        (
            phase("play: {hips: {pattern: tap, level: 10%, taps: 11, tap_for: 0s, rest: 9ms}}"),
            [
                "3:72: taps: 11 is above the most, 10",
                "3:85: tap_for: 0s is below the least, 10ms",
                "3:95: rest: 9ms is below the least, 10ms",
            ],
        ),
        (
            phase("play: {hips: {pattern: pulse, level: 10%, on_for: nan, off_for: 31min}}"),
            [
                "3:76: on_for: nan is no length of time; write it like 2s, in ms, s or min",
                "3:90: off_for: 31min is above the most, 30min",
            ],
        ),
        (
            phase("play: {hips: {pattern: wave, level: 10%, period: 199ms}}"),
            ["3:75: period: 199ms is below the least, 200ms"],
        ),
        (
            phase("play: {hips: {pattern: wave, level: 10%, period: 2s, after: 1min}}"),
            ["3:86: after: 1min of 1min leaves nothing to play"],
        ),
        (
            phase("play: {hips: {pattern: keyframes, level: 10%}}"),
            [
                "3:39: frames: is missing; the pattern keyframes needs it: pairs of [time, level]",
                "3:60: level: the pattern keyframes has no such key; known: pattern, frames, after",
            ],
        ),
        (
            phase("play: {hips: {pattern: keyframes, frames: []}}"),
            ["3:68: frames: the list is empty"],
        ),
        (
            phase(
                "play: {hips: {pattern: keyframes, frames: [[0s, 0%], [5ms, 10%], [1s, 80%], [1s, 0%], [0.5s, 3], [2s], 3]}}"
            ),
            [
                "3:79: frames: 5ms is not 10ms or more after the frame before it, 0s",
                "3:96: frames: 80% is above the hips zone's cap of 70%",
                "3:119: frames: 3 has no unit; write 3%",
                "3:123: frames: two values belong here, like [2s, 30%]",
                "3:129: frames: two values belong here, like [2s, 30%]",
            ],
        ),
        (
            phase(
                "play: {neck: {pattern: keyframes, frames: [[5s, 61%], [61s, 0%]], after: 59990ms}}"
            ),
            [
                "3:74: frames: 61% is above the neck zone's cap of 60%",
                "3:80: frames: 61s lies after the end of the phase; 10ms is the last moment",
            ],
        ),
        (
            phase(
                "play: {hips: {pattern: keyframes, frames: [[30s, 10%], [50s, 0%]], after: 20s}}"
            ),
            ["3:81: frames: 50s lies after the end of the phase; 40s is the last moment"],
        ),
        (
            HEAD + "  - {name: a, for: 2500ms, cue: KI3}\n",
            [
                "3:20: for: 2.5s is too short; a cue takes at least 3s, to tell its begin and its end",
            ],
        ),
        (
            phase("cue: KI4"),
            ["3:31: cue: KI4 is no point, and a free text goes in quotes; did you mean LI4?"],
        ),
        (
            phase("cue: BL23"),
            ["3:31: cue: BL23 is pressed by the mat, not by hand; name it under points"],
        ),
        (
            phase("cue: 'BL23'"),
            ["3:31: cue: BL23 is pressed by the mat, not by hand; name it under points"],
        ),
        (
            phase("cue: press here"),
            [
                "3:31: cue: 'press here' is no point, and a free text goes in quotes; known: KI3, LI4"
            ],
        ),
        (phase("cue: [KI3]"), ["3:31: cue: one value belongs here, not a list"]),
        (
            phase("points: [LI4, BL32, BL23, BL23], play: {hips: 1%}"),
            [
                "3:35: points: LI4 is pressed by hand, the mat does not reach it; make it a cue",
                "3:40: points: BL32 is no point; did you mean BL23?",
                "3:52: points: BL23 stands in the list twice",
            ],
        ),
        (
            phase("points: BL23, play: {hips: 1%}"),
            ["3:34: points: a list belongs here: [one, two], or lines that begin with -"],
        ),
        (
            "title: t\nneeds: [nek, all, neck.left, hips, hips]\nphases:\n  - {name: a, for: 1min, play: {hips: 1%}}\n",
            [
                "2:9: needs: the mat has no zone nek; did you mean neck?",
                "2:14: needs: the mat has no zone all; known: neck, lower_back, hips",
                "2:19: needs: the mat has no zone neck.left; did you mean neck?",
                "2:36: needs: hips stands in the list twice",
            ],
        ),
        (
            HEAD
            + "  - {name: a, for: 5min, play: {hips: 1%}}\n  - {name: b, for: 3min, repeat: 4, play: {hips: 1%}}\n  - {name: c, for: 3min, play: {hips: 1%}}\n",
            [
                "4:20: for: the session takes 20min, the mat allows 15min, and this phase goes over it"
            ],
        ),
        (
            HEAD
            + "  - &a\n    name: a\n    for: 1min\n    play: {hips: 80%}\n  - *a\n  - <<: *a\n",
            [
                "6:18: level: 80% is above the hips zone's cap of 70%",
                "8:5: <<: a phase has no such key; known: name, for, repeat, play, cue, points",
                "8:5: for: is missing; a phase needs it: length of one pass",
                "8:5: name: is missing; a phase needs it: what the phase is called while it plays",
                "8:5: play: is missing; a phase needs play, or a cue, or both",
            ],
        ),
    ],
)
def test_names_every_mistake(text: str, mistakes: list[str]) -> None:
    assert mistakes_of(text) == [f"p.yaml:{mistake}" for mistake in mistakes]


def test_a_mat_file_is_known_by_its_zones() -> None:
    text = "name: m\nzones: {hips: {}}\n"
    assert mistakes_of(text, "hw/m.yaml") == [
        "hw/m.yaml:1:1: this looks like a mat file; check it with: "
        "firmware-ctl check --mat hw/m.yaml"
    ]
    assert mistakes_of("title: t\nzones: {}\n" + phase("play: {all: 1%}").partition("\n")[2]) == [
        "p.yaml:2:1: zones: a profile has no such key; did you mean needs?"
    ]


def test_the_profile_in_the_readme_is_one() -> None:
    (text,) = re.findall(
        r"^```yaml\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S
    )
    profile = read_profile(text.encode(), "mine.yaml", MAT)
    assert (profile.needs, profile.length_ms) == (("lower_back",), 465_000)


def test_the_name_of_the_file_is_the_name_of_the_profile() -> None:
    assert mistakes_of(phase("cue: KI3"), "Über mich.yaml") == [
        "Über mich.yaml:1:1: the name of the file: 'Über mich' is no name; "
        "a name is 1 to 32 characters of a-z, 0-9 and '-'"
    ]


def test_an_absent_zone_may_be_played_but_not_needed() -> None:
    mat = without("neck")
    text = phase("play: {neck: 10%, hips: 10%}")
    assert [play.target for play in read_profile(text.encode(), "p.yaml", mat).phases[0].play] == [
        "neck",
        "hips",
    ]
    assert mistakes_of("needs: [hips, neck]\n" + text, mat=mat) == [
        "p.yaml:1:15: needs: the neck zone is not there (present: false)"
    ]


def test_all_is_bound_by_the_lowest_cap_of_the_present_zones() -> None:
    assert mistakes_of(phase("play: {all: 71%}"), mat=without("neck")) == [
        "p.yaml:3:38: level: 71% is above the hips zone's cap of 70%"
    ]
    assert mistakes_of(phase("play: {neck: 61%}"), mat=without("neck")) == [
        "p.yaml:3:39: level: 61% is above the neck zone's cap of 60%"
    ]


def test_a_session_is_bound_by_the_allowance_of_a_day_too() -> None:
    limits = MAT.limits._replace(daily_ms=60_000)
    mat = MAT._replace(limits=limits)
    assert mistakes_of(phase("play: {hips: 1%}, repeat: 2"), mat=mat) == [
        "p.yaml:3:20: for: the session takes 2min, the mat allows 1min, and this phase goes over it"
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
            ("hips.left", "tap", "4", {"taps": "2", "rest": "1"}),
            Play("hips.left", "tap", Level(4, 4), (("taps", 2), ("tap_for", 150), ("rest", 1_000))),
        ),
    ],
)
def test_try_reads_bare_numbers_as_seconds_and_percent(
    words: tuple[str, str, str, dict[str, str]], play: Play
) -> None:
    assert read_play(*words, MAT) == play


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("hipz", "steady", "90", {}),
            "target: the mat has no zone or side hipz; did you mean hips?",
        ),
        (("hips", "steady", "90", {}), "level: 90% is above the hips zone's cap of 70%"),
        (("hips", "steady", "soft", {}), "level: soft is no percentage; write it like 30%"),
        (("hips", "stedy", "9", {}), "pattern: stedy is no pattern; did you mean steady?"),
        (
            ("hips", "keyframes", "9", {}),
            "pattern: keyframes need a profile; they do not fit in one line",
        ),
        (
            ("hips", "wave", "9", {"period": "0", "level": "3", "aftr": "1"}),
            "aftr: the pattern wave has no such key; did you mean after?; "
            "level: is given already; period: 0s is below the least, 200ms",
        ),
        (("hips", "steady", "9", {"after": "10"}), "after: 10s of 10s leaves nothing to play"),
        (("neck", "steady", "9", {}), "target: the neck zone is not there (present: false)"),
    ],
)
def test_try_answers_a_mistake_in_one_line(
    words: tuple[str, str, str, dict[str, str]], sentence: str
) -> None:
    with pytest.raises(CallerError) as error:
        read_play(*words, without("neck"))
    assert (error.value.code, str(error.value)) == ("bad-argument", sentence)


@pytest.mark.parametrize("pattern", [name for name in PATTERNS if name != "keyframes"])
def test_try_takes_every_pattern(pattern: str) -> None:
    keys = {key.name: "3" for key in PATTERNS[pattern].keys}
    assert read_play("all", pattern, "20", keys, MAT).pattern == pattern


@given(profile_documents(MAT).flatmap(damaged))
@settings(max_examples=200, suppress_health_check=list(HealthCheck), deadline=None)
def test_any_damage_is_read_or_answered_in_the_file(data: bytes) -> None:
    try:
        profile = read_profile(data, "p.yaml", MAT)
    except AuthorError as error:
        assert_answered_in_the_file(data, error)
    else:
        assert 0 < profile.length_ms <= MAT.limits.session_ms


@given(mats_and_profiles())
@settings(max_examples=100, suppress_health_check=list(HealthCheck), deadline=None)
def test_no_profile_asks_for_more_than_its_zones_give(pair: tuple[Mat, Profile]) -> None:
    mat, profile = pair
    assert_sound(mat)
    caps = {zone.name: zone.cap_pct for zone in mat.zones}
    caps["all"] = min(zone.cap_pct for zone in mat.zones if zone.present)
    for phase in profile.phases:
        for play in phase.play:
            cap_pct = caps[play.target.partition(".")[0]]
            asked = [play.level.from_pct, play.level.to_pct, *(level for _, level in play.frames)]
            assert all(0 <= level_pct <= cap_pct for level_pct in asked)
            assert play.after_ms < phase.for_ms
            assert all(play.after_ms + at_ms <= phase.for_ms for at_ms, _ in play.frames)
