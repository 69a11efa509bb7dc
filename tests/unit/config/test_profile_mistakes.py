"""Every rule of a profile file, each with all mistakes that breaking it is reported as."""

import pytest

from tests.unit.config.test_profile import HEAD, mistakes_of, phase


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        (
            "just text\n",
            [
                "1:1: the file: a profile belongs here; write its keys: schema, name, title, about, needs, strict, phases"
            ],
        ),
        (
            "[a]\n",
            [
                "1:1: the file: a profile belongs here; write its keys: schema, name, title, about, needs, strict, phases"
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
                "2:9: phases: the list is empty; write one item or more",
                "3:1: play: a profile has no such key; known: schema, name, title, about, needs, strict, phases",
            ],
        ),
        (
            "schema: 2\nname: other\ntitle: ''\nabout: [a]\nneeds: neck\nstrict: yes\nphases: {a: 1}\n",
            [
                "1:9: schema: unknown version 2; known: 1",
                "2:7: name: other is not the file's name, p; leave it out",
                "3:8: title: has no value; write one after the colon",
                "4:8: about: one value belongs here, not a list; remove the dash or brackets",
                "5:8: needs: a list belongs here; write [neck]",
                "6:9: strict: yes is neither true nor false; write one of them",
                "7:9: phases: a list belongs here; write [one, two], or lines with `- `",
            ],
        ),
        (
            HEAD + "  - x\n  - {}\n  - [1]\n",
            [
                "3:5: phases: a phase belongs here; write its keys: name, for, repeat, play, cue, points",
                "4:5: for: is missing; a phase needs it: length of one pass",
                "4:5: name: is missing; a phase needs it: what the phase is called while it plays",
                "4:5: play: is missing; a phase needs play, or a cue, or both",
                "5:5: phases: a phase belongs here; write its keys: name, for, repeat, play, cue, points",
            ],
        ),
        (
            HEAD + '  - {name: "a\\u0007b", for: 1min, cue: "\\u202e"}\n',
            [
                "3:12: name: 'a\\x07b' has a character that cannot be shown; remove it",
                "3:40: cue: '\\u202e' has a character that cannot be shown; remove it",
            ],
        ),
        (
            f"title: {'t' * 81}\nabout: {'a' * 1001}\nphases:\n  - {{name: {'n' * 61}, for: 1min, cue: '{'c' * 61}'}}\n",
            [
                "1:8: title: has 81 characters; write at most 80",
                "2:8: about: has 1001 characters; write at most 1000",
                "4:12: name: has 61 characters; write at most 60",
                "4:91: cue: has 61 characters; write at most 60",
            ],
        ),
        (
            HEAD
            + "  - {name: a, for: 90, repeat: 101, play: {hips: 30}}\n  - {name: b, for: 5ms, repeat: 1.5, play: {hips: 0%}}\n  - {name: c, for: -1s, repeat: many, cue: KI3}\n",
            [
                "3:20: for: 90 has no unit; write 90s or 90ms",
                "3:32: repeat: 101 is above the most, 100; write 100 or less",
                "3:50: level: 30 has no unit; write 30%",
                "4:20: for: 5ms is below 10ms; write 10ms or more",
                "4:33: repeat: 1.5 is not a whole number; write 1 or 2",
                "5:20: for: -1s is below 10ms; write 10ms or more",
                "5:33: repeat: many is not a whole number; write 1 to 100, for example 30",
            ],
        ),
        (
            phase(
                "play: {hipps: 10%, lower-bak: 10%, hips.lft: 10%, all.left: 10%, feet: 10%, HIPS: 10%}"
            ),
            [
                "3:33: play: the mat has no zone, row or side hipps; did you mean hips?",
                "3:45: play: the mat has no zone, row or side lower-bak; did you mean lower_back?",
                "3:61: play: the mat has no zone, row or side hips.lft; did you mean hips.left?",
                "3:76: play: the mat has no zone, row or side all.left; name its zone: neck.left, lower_back.left, hips.left",
                "3:91: play: the mat has no zone, row or side feet; known: all, neck, lower_back, hips",
                "3:102: play: the mat has no zone, row or side HIPS; did you mean hips?",
            ],
        ),
        (
            phase("play: {hips: 10%, hips.left: 10%}"),
            ["3:44: hips.left: `hips` already includes hips.left; remove one of them"],
        ),
        (
            phase("play: {neck: 10%, all: 10%}"),
            ["3:44: all: `all` already includes neck; remove one of them"],
        ),
        (
            phase("play: {hips: 10%, neck: 10%, all: 10%, neck.left: 10%}"),
            [
                "3:55: all: `all` already includes hips and neck; remove one of them",
                "3:65: neck.left: `all` already includes neck.left; remove one of them",
            ],
        ),
        (
            phase("play: {lower-back: 10%, lower_back: 20%}"),
            ["3:50: duplicate key lower_back (first used in line 3); change or remove one"],
        ),
        (phase("play: {}"), ["3:32: play: expected zones; write for example `hips: 20%`"]),
        (phase("repeat: 2"), ["3:5: play: is missing; a phase needs play, or a cue, or both"]),
        (
            phase("play: [hips]"),
            ["3:32: play: expected zones; write for example `hips: 20%`"],
        ),
        (
            phase("play: {hips: [1]}"),
            ["3:39: hips: a list cannot play; write a level, such as 20%"],
        ),
        (phase("play: {hips: }"), ["3:39: level: has no value; write one after the colon"]),
        (
            phase("play: {hips: {pattern: wav, level: 10%}, neck: {level: 10%}}"),
            [
                "3:49: pattern: unknown pattern wav; did you mean wave?",
                "3:73: pattern: is missing; known: steady, pulse, wave, alternate, travel, shuffle, tap, breathe, keyframes",
            ],
        ),
        (
            phase("play: {hips: {pattern: wav, level: 99%}, neck: {level: {from: 1%, to: 77%}}}"),
            [
                "3:49: pattern: unknown pattern wav; did you mean wave?",
                "3:61: level: 99% is above the hips zone's cap of 70%; write 70% or less",
                "3:73: pattern: is missing; known: steady, pulse, wave, alternate, travel, shuffle, tap, breathe, keyframes",
                "3:96: to: 77% is above the neck zone's cap of 60%; write 60% or less",
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
                "3:76: too: a level that changes has no such key; did you mean to?",
                "3:81: to: 80% is above the hips zone's cap of 70%; write 70% or less",
            ],
        ),
        (
            HEAD + "  - {name: 1, 5: , for: 1min, play: {hips: 1%}}\n",
            [
                "3:15: 5: a phase has no such key; known: name, for, repeat, play, cue, points",
            ],
        ),
        (
            phase("play:{hips: 10%}"),
            ["3:26: no space after the colon; write `play: {...`"],
        ),
        (
            phase("play: {hips:10%}"),
            ["3:33: hips: no space after the colon; write `hips: 10%`"],
        ),
        (
            HEAD + "  - name: a\n    for: 1min\n    play:\n      hips:10%\n",
            ["6:7: play: no space after the colon; write `hips: 10%`"],
        ),
        (
            "needs:\n  -hips\n" + phase("play: {hips: 1%}"),
            ["2:3: needs: a list belongs here; write a space after the dash: `- hips`"],
        ),
        (
            phase("play: {hips: {pattern: steady, level: {25%, 0%}}, neck: [25%, 0%]}"),
            [
                "3:64: level: one level belongs here; for a ramp write {from: 25%, to: 0%}",
                "3:82: neck: a list cannot play; for a ramp write {pattern: steady, level: {from: 25%, to: 0%}}",
            ],
        ),
        (
            phase("play: {hips: {petern: wave, level: 10, period: 5s}, neck: {type: wave}}"),
            [
                "3:40: petern: unknown key; did you mean pattern?",
                "3:61: level: 10 has no unit; write 10%",
                "3:84: level: is missing; the pattern wave needs it: how strong it is felt; {from, to} over one pass",
                "3:84: period: is missing; the pattern wave needs it: length of one cycle",
                "3:85: type: unknown key; did you mean pattern?",
            ],
        ),
        (
            phase("play: {hips: {pattern: steady, level: {from: 71%, to: 10}}}"),
            [
                "3:71: from: 71% is above the hips zone's cap of 70%; write 70% or less",
                "3:80: to: 10 has no unit; write 10%",
            ],
        ),
        (
            phase("play: {neck: 61%}"),
            ["3:39: level: 61% is above the neck zone's cap of 60%; write 60% or less"],
        ),
        (
            phase("play: {all: 61%}"),
            ["3:38: level: 61% is above the neck zone's cap of 60%; write 60% or less"],
        ),
        (
            phase("play: {neck.left: 101%}"),
            ["3:44: level: 101% is above the neck zone's cap of 60%; write 60% or less"],
        ),
        (
            phase("play: {hips: {pattern: tap, level: 10%, taps: 11, tap_for: 0s, rest: 9ms}}"),
            [
                "3:72: taps: 11 is above the most, 10; write 10 or less",
                "3:85: tap_for: 0s is below 10ms; write 10ms or more",
                "3:95: rest: 9ms is below 10ms; write 10ms or more",
            ],
        ),
        (
            phase("play: {hips: {pattern: pulse, level: 10%, on_for: nan, off_for: 31min}}"),
            [
                "3:76: on_for: nan is not a duration; use ms, s or min, for example 2s",
                "3:90: off_for: 31min is above the most, 30min; write 30min or less",
            ],
        ),
        (
            phase("play: {hips: {pattern: wave, level: 10%, period: 199ms}}"),
            ["3:75: period: 199ms is below 200ms; write 200ms or more"],
        ),
        (
            phase("play: {hips: {pattern: wave, level: 10%, period: 2s, after: 1min}}"),
            ["3:86: after: 1min is not shorter than the phase; write less than 1min"],
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
            ["3:68: frames: the list is empty; write one item or more"],
        ),
        (
            phase(
                "play: {hips: {pattern: keyframes, frames: [[0s, 0%], [5ms, 10%], [1s, 80%], [1s, 0%], [0.5s, 3], [2s], 3]}}"
            ),
            [
                "3:79: frames: 5ms is too early after the frame before it; write 10ms or more",
                "3:96: frames: 80% is above the hips zone's cap of 70%; write 70% or less",
                "3:119: frames: 3 has no unit; write 3%",
                "3:123: frames: two values belong here; write them like [2s, 30%]",
                "3:129: frames: two values belong here; write them like [2s, 30%]",
            ],
        ),
        (
            phase(
                "play: {neck: {pattern: keyframes, frames: [[5s, 61%], [61s, 0%]], after: 59990ms}}"
            ),
            [
                "3:74: frames: 61% is above the neck zone's cap of 60%; write 60% or less",
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
                "3:20: for: 2.5s is too short; a cue takes at least 3s, so that its start and its end can be felt",
            ],
        ),
        (
            phase("cue: KI4"),
            ["3:31: cue: unknown point KI4 (did you mean LI4?); put free text in quotes"],
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
            ["3:31: cue: unknown point 'press here' (known: KI3, LI4); put free text in quotes"],
        ),
        (
            phase("cue: [KI3]"),
            ["3:31: cue: one value belongs here, not a list; remove the dash or brackets"],
        ),
        (
            phase("points: [LI4, BL32, BL23, BL23], play: {hips: 1%}"),
            [
                "3:35: points: LI4 is pressed by hand, the mat does not reach it; make it a cue",
                "3:40: points: unknown point BL32; did you mean BL23?",
                "3:52: points: BL23 stands in the list twice; remove one",
            ],
        ),
        (
            phase("points: BL23, play: {hips: 1%}"),
            ["3:34: points: a list belongs here; write [BL23]"],
        ),
        (
            "title: t\nneeds: [nek, all, neck.left, hips, hips]\nphases:\n  - {name: a, for: 1min, play: {hips: 1%}}\n",
            [
                "2:9: needs: the mat has no zone nek; did you mean neck?",
                "2:14: needs: the mat has no zone all; known: neck, lower_back, hips",
                "2:19: needs: the mat has no zone neck.left; did you mean neck?",
                "2:36: needs: hips stands in the list twice; remove one",
            ],
        ),
        (
            HEAD
            + "  - {name: a, for: 5min, play: {hips: 1%}}\n  - {name: b, for: 3min, repeat: 4, play: {hips: 1%}}\n  - {name: c, for: 3min, play: {hips: 1%}}\n",
            [
                "4:20: for: the session is 20:00 min long; this mat allows 15:00 min (exceeded in this phase)"
            ],
        ),
        (
            HEAD
            + "  - &a\n    name: a\n    for: 1min\n    play: {hips: 80%}\n  - *a\n  - <<: *a\n",
            [
                "8:5: `<<` is not supported; write the keys out, or use the alias alone",
            ],
        ),
    ],
)
def test_read_profile_with_mistakes_reports_each_with_its_place(
    text: str, mistakes: list[str]
) -> None:
    assert mistakes_of(text) == [f"p.yaml:{mistake}" for mistake in mistakes]


def test_read_profile_of_a_mat_file_names_the_right_command() -> None:
    text = "name: m\nzones: {hips: {}}\n"
    assert mistakes_of(text, "hw/m.yaml") == [
        "hw/m.yaml:1:1: this looks like a mat file; check it with: "
        "firmware-ctl check --mat hw/m.yaml"
    ]
    assert mistakes_of("title: t\nzones: {}\n" + phase("play: {all: 1%}").partition("\n")[2]) == [
        "p.yaml:2:1: zones: a profile has no such key; did you mean needs?"
    ]
