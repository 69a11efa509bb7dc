"""Rests and groups in a list of phases: what they are read as, and the mistakes in them."""

import pytest

from firmware_ctl.config.profile import Profile, read_profile
from firmware_ctl.config.session_size import MOST_PHASES
from tests.unit.config.test_profile import HEAD, MAT, mistakes_of

BACK = "{name: back, for: 10s, play: {lower_back: 20%}}"
HIPS = "{name: hips, for: 5s, repeat: 2, play: {hips: 20%}}"


def items(*lines: str) -> str:
    """The text of a profile; the first item is in line 3, from column 5 on."""
    return HEAD + "".join(f"  - {line}\n" for line in lines)


def read(*lines: str) -> Profile:
    return read_profile(items(*lines).encode(), "p.yaml", MAT)


def played(profile: Profile) -> list[str]:
    """Each phase as it plays, with its passes of groups: `hips 1/2 3/3`."""
    return [
        " ".join([phase.name, *(f"{number}/{count}" for number, count in phase.group_passes)])
        for phase in profile.phases
    ]


def test_rest_is_a_phase_in_which_nothing_plays() -> None:
    profile = read(BACK, "rest: 3s", HIPS)
    assert [(p.name, p.for_ms, p.is_rest, p.place) for p in profile.phases] == [
        ("back", 10_000, False, (3, 5)),
        ("rest", 3_000, True, (4, 5)),
        ("hips", 5_000, False, (5, 5)),
    ]
    assert profile.length_ms == 23_000


def test_group_plays_its_phases_in_order_once_in_each_pass() -> None:
    profile = read(BACK, f"{{repeat: 3, phases: [{HIPS}, rest: 1s]}}", "rest: 2s")
    assert played(profile) == [
        "back",
        *("hips 1/3", "rest 1/3", "hips 2/3", "rest 2/3", "hips 3/3", "rest 3/3"),
        "rest",
    ]
    assert profile.length_ms == 10_000 + 3 * 11_000 + 2_000
    assert [phase.name for phase in profile.written] == ["back", "hips", "rest", "rest"]


def test_group_in_a_group_plays_all_its_passes_in_each_pass_of_the_outer_one() -> None:
    profile = read(f"{{repeat: 2, phases: [{BACK}, {{repeat: 2, phases: [{HIPS}]}}]}}")
    assert played(profile) == [
        *("back 1/2", "hips 1/2 1/2", "hips 1/2 2/2"),
        *("back 2/2", "hips 2/2 1/2", "hips 2/2 2/2"),
    ]


def test_group_that_plays_once_is_only_its_phases() -> None:
    assert read(f"{{repeat: 1, phases: [{BACK}, {HIPS}]}}") == read(
        f"{{repeat: 1, phases: [{BACK}, {HIPS}]}}"
    )
    assert played(read(f"{{repeat: 1, phases: [{BACK}, {HIPS}]}}")) == ["back", "hips"]


@pytest.mark.parametrize(
    ("line", "mistakes"),
    [
        ("rest: 4", ["3:11: rest: 4 has no unit; write 4s or 4min"]),
        ("rest: 0s", ["3:11: rest: 0s is below 10ms; write 10ms or more"]),
        ("rest", ["3:5: rest: needs its length; write `rest: 10s`"]),
        ("rest 4s", ["3:5: rest: needs its length; write `rest: 4s`"]),
        ("rest:4s", ["3:5: rest: no space after the colon; write `rest: 4s`"]),
        ("pause: 4s", ["3:5: pause: a rest has no such key; did you mean rest?"]),
        ("{rest: 4s, name: x}", ["3:16: name: a rest has no such key; known: rest"]),
        (
            "{name: a, for: 5s, play: {hips: 5%}, rest: 4s}",
            [
                "3:42: rest: takes the place of a phase; write it as an item of its own, "
                "`- rest: 10s`"
            ],
        ),
        ("{repeat: 3, phases: []}", ["3:25: phases: the list is empty; write one item or more"]),
        (
            "{repeat: 3}",
            ["3:5: phases: is missing; a group needs it: phases, rests and groups"],
        ),
        (
            "{phases: [rest: 1s]}",
            ["3:5: repeat: is missing; a group needs it: how often the whole list plays"],
        ),
        (
            "{times: 3, phases: [rest: 1s]}",
            ["3:6: times: a group has no such key; did you mean repeat?"],
        ),
        (
            "{repeat: 3, steps: [rest: 1s]}",
            ["3:17: steps: a group has no such key; did you mean phases?"],
        ),
        (
            "{repeat: 3, name: x, phases: [rest: 1s]}",
            ["3:17: name: a group has no such key; known: repeat, phases"],
        ),
        ("{repeat: 0, phases: [rest: 1s]}", ["3:14: repeat: 0 is below 1; write 1 or more"]),
        (
            "{repeat: 101, phases: [rest: 1s]}",
            ["3:14: repeat: 101 is above the most, 100; write 100 or less"],
        ),
        (
            "{repeat: 2, phases: {rest: 1s}}",
            ["3:25: phases: a list belongs here; write [one, two], or lines with `- `"],
        ),
        (
            "{repeat: 2, phases: [{repeat: 2, phases: [{repeat: 2, phases: [rest: 1s]}]}]}",
            [
                "3:47: phases: groups stand at most 2 deep; write the phases of this one out, or "
                "let a phase repeat by its own `repeat`"
            ],
        ),
        (
            "{repeat: 2, phases: [{name: a, for: 5s, play: {hips: 90%}}, rest: 1]}",
            [
                "3:58: level: 90% is above the hips zone's cap of 70%; write 70% or less",
                "3:71: rest: 1 has no unit; write 1s or 1min",
            ],
        ),
    ],
)
def test_mistake_in_a_rest_or_a_group_is_reported_at_its_place(
    line: str, mistakes: list[str]
) -> None:
    assert mistakes_of(items(line)) == [f"p.yaml:{mistake}" for mistake in mistakes]


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        (["{repeat: 2, phases: [rest: 8min]}"], "3:14: repeat"),
        (["{repeat: 2, phases: [rest: 16min]}"], "3:32: rest"),
        (["rest: 8min", "{repeat: 2, phases: [rest: 1s, rest: 8min]}"], "4:42: rest"),
        (
            ["{repeat: 9, phases: [rest: 1s, {repeat: 9, phases: [rest: 2min]}]}"],
            "3:45: repeat",
        ),
        (["{repeat: 9, phases: [rest: 1s, {repeat: 7, phases: [rest: 2min]}]}"], "3:14: repeat"),
        (["{repeat: 100, phases: [{repeat: 100, phases: [rest: 1s]}]}"], "3:14: repeat"),
    ],
)
def test_session_over_the_limit_is_reported_at_the_item_that_exceeds_it(
    lines: list[str], place: str
) -> None:
    (mistake,) = mistakes_of(items(*lines))
    assert mistake.startswith(f"p.yaml:{place}: the session is ")
    assert "this mat allows 15:00 min (exceeded in this " in mistake


def test_groups_with_too_many_phases_are_refused_before_they_are_unrolled() -> None:
    (mistake,) = mistakes_of(items("{repeat: 100, phases: [{repeat: 100, phases: [rest: 10ms]}]}"))
    assert mistake == (
        f"p.yaml:3:14: repeat: the session would have 10000 phases; at most {MOST_PHASES}: repeat "
        "the group less often, or let a phase repeat by its own `repeat`"
    )
