"""The compiler: sessions as whole lists of changes, what it refuses, and the hash.

Levels are listed as `(from ms, (neck left, neck right, back left, right, left, right))`.
"""

import pytest

from firmware_ctl.config import shipped
from firmware_ctl.config.mat import Mat
from firmware_ctl.config.patterns import changing_periods
from firmware_ctl.config.profile import GroupPass, Phase, Profile
from firmware_ctl.config.shuffle import ORDERS, turns
from firmware_ctl.config.yaml_tree import BYTES_MAX
from firmware_ctl.errors import AuthorError
from firmware_ctl.timeline.catalogue import BadEntry, Entry, GoodEntry, read_entry
from firmware_ctl.timeline.compiler import MOST_PARTS, MOST_STEPS, compile_profile, motors_of
from firmware_ctl.timeline.folder import load_mat
from firmware_ctl.timeline.model import Timeline
from firmware_ctl.timeline.motor_drive import Levels
from firmware_ctl.timeline.steps import steps_to_draw
from tests.support.worlds_timeline import (
    keyframes,
    level_changes,
    make_mat,
    phase,
    play,
    profile,
    rest,
    unrepeated,
)

OFF = (0,) * 6

Changes = list[tuple[int, Levels]]


def compiled(*phases: Phase, mat: Mat | None = None) -> Timeline:
    return compile_profile(profile(*phases), mat or make_mat())


def neck_left(rows: Changes) -> list[tuple[int, int]]:
    """The changes of the first motor alone."""
    return unrepeated([(t_ms, levels[0]) for t_ms, levels in rows])


# --- targets ---


@pytest.mark.parametrize(
    ("target", "motors"),
    [
        ("all", [0, 1, 2, 3, 4, 5]),
        ("neck", [0, 1]),
        ("back", [2, 3, 4, 5]),
        ("back.left", [2, 4]),
        ("back.right", [3, 5]),
        ("back.lower", [4, 5]),
        ("back.upper.right", [3]),
    ],
)
def test_motors_of_a_target_are_those_in_present_zones(target: str, motors: list[int]) -> None:
    assert motors_of(target, make_mat()) == motors


def test_travel_with_an_absent_zone_passes_over_its_motors() -> None:
    mat = make_mat(absent="neck")
    assert motors_of("all", mat) == [2, 3, 4, 5]
    travel = phase(400, play("all", "travel", 5, period=400), play("neck", "steady", 9))
    assert level_changes(compiled(travel, mat=mat)) == [
        (0, OFF),
        (20, (0, 0, 5, 0, 0, 0)),
        (100, (0, 0, 0, 5, 0, 0)),
        (200, (0, 0, 0, 0, 5, 0)),
        (300, (0, 0, 0, 0, 0, 5)),
        (400, OFF),
    ]


def test_travel_of_all_crosses_zones_in_the_order_of_the_mat() -> None:
    assert level_changes(compiled(phase(600, play("all", "travel", 7, period=600)))) == [
        (0, OFF),
        (20, (7, 0, 0, 0, 0, 0)),
        (100, (0, 7, 0, 0, 0, 0)),
        (200, (0, 0, 7, 0, 0, 0)),
        (300, (0, 0, 0, 7, 0, 0)),
        (400, (0, 0, 0, 0, 7, 0)),
        (500, (0, 0, 0, 0, 0, 7)),
        (600, OFF),
    ]


def test_changes_of_several_zones_merge_on_absolute_time() -> None:
    timeline = compiled(
        phase(
            300,
            play("neck", "alternate", 10, period=200),
            play("back.left", "pulse", 20, on_for=70, off_for=80),
            play("back.right", "steady", 30, after=125),
        )
    )
    assert level_changes(timeline) == [
        (0, OFF),
        (20, (10, 0, 20, 0, 20, 0)),
        (70, (10, 0, 0, 0, 0, 0)),
        (100, (0, 10, 0, 0, 0, 0)),
        (125, (0, 10, 0, 30, 0, 30)),
        (150, (0, 10, 20, 30, 20, 30)),
        (200, (10, 0, 20, 30, 20, 30)),
        (220, (10, 0, 0, 30, 0, 30)),
        (300, OFF),
    ]


# --- one motor over time; the soft start is up at 20 ms ---


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        pytest.param(
            [phase(500, play("neck", "steady", 9))], [(0, 0), (20, 9), (500, 0)], id="steady"
        ),
        pytest.param(
            [phase(500, play("neck", "steady", 9, after=110))],
            [(0, 0), (110, 9), (500, 0)],
            id="after",
        ),
        pytest.param(
            [phase(200, play("neck", "steady", 9, after=110), repeat=2)],
            [(0, 0), (110, 9), (200, 0), (310, 9), (400, 0)],
            id="after-anew-in-each-pass",
        ),
        pytest.param(
            [phase(500, play("neck", "steady", (4, 0)))],
            [(0, 0), (20, 4), (80, 3), (200, 2), (320, 1), (440, 0)],
            id="ramp-down",
        ),
        pytest.param(
            [phase(500, play("neck", "steady", (2, 4)), repeat=2)],
            [(0, 0), (20, 2), (140, 3), (380, 4), (500, 2), (640, 3), (880, 4), (1_000, 0)],
            id="ramp-anew-in-each-pass",
        ),
        pytest.param(
            [phase(600, play("neck", "pulse", (10, 12), on_for=50, off_for=50, after=100))],
            [
                *[(0, 0), (100, 10), (150, 0), (200, 11), (250, 0), (300, 11), (350, 0)],
                *[(400, 11), (450, 0), (500, 12), (550, 0)],
            ],
            id="pulse-under-a-ramp",
        ),
        pytest.param(
            [phase(1_000, play("neck", "tap", 9, taps=2, tap_for=150, rest=300))],
            [(0, 0), (20, 9), (150, 0), (300, 9), (450, 0), (750, 9), (900, 0)],
            id="tap-cut-by-the-end-of-the-pass",
        ),
        pytest.param(
            [phase(500, keyframes("neck", (100, 20), (110, 0), (120, 80), (130, 7)))],
            [(0, 0), (100, 20), (110, 0), (120, 80), (130, 7), (500, 0)],
            id="keyframes-10-ms-apart",
        ),
        pytest.param(
            [phase(500, keyframes("neck", (40, 0), (140, 4), (240, 2)))],
            [(0, 0), (60, 1), (80, 2), (120, 3), (140, 4), (180, 3), (220, 2), (500, 0)],
            id="keyframes-lines",
        ),
        pytest.param(
            [phase(500, keyframes("neck", (0, 3), (10, 5), after_ms=30), repeat=2)],
            [(0, 0), (30, 3), (40, 5), (500, 0), (530, 3), (540, 5), (1_000, 0)],
            id="keyframes-after-and-repeat",
        ),
        pytest.param(
            [
                phase(100, play("neck", "steady", 5)),
                phase(30, play("back", "steady", 9)),
                phase(100, play("neck", "steady", 8)),
            ],
            [(0, 0), (20, 5), (100, 0), (140, 8), (230, 0)],
            id="rest-between-phases",
        ),
        pytest.param([phase(100, cue="breathe")], [(0, 0)], id="a-cue-alone"),
    ],
)
def test_changes_of_one_motor_are_those_of_its_pattern(
    phases: list[Phase], expected: list[tuple[int, int]]
) -> None:
    assert neck_left(level_changes(compiled(*phases))) == expected


# --- haptic cues ---


def test_period_that_changes_has_cycles_of_their_own_length_in_each_pass() -> None:
    line = play("neck", "alternate", 30, period=400, period_to=1_200, after=100)
    rows = neck_left(level_changes(compiled(phase(2_000, line, repeat=2))))
    # Cycles of 400 + 800 * begin / 2000 ms, to the millisecond below.
    cycles = [(100, 440), (540, 616), (1_156, 862)]
    expected = [(0, 0)]
    for pass_ms in (0, 2_000):
        for begin_ms, length_ms in cycles:
            at_ms = pass_ms + begin_ms
            expected += [(at_ms, 30), (at_ms + length_ms // 2, 0)]
    assert [row for row in rows if row[0] < 3_900] == [row for row in expected if row[0] < 3_900]


def test_shuffle_with_a_changing_period_takes_one_order_after_the_other() -> None:
    line = play("all", "shuffle", 30, period=600, period_to=1_200, on_for=100, seed=1)
    timeline = compiled(phase(20_000, line))
    course_of, courses = timeline.segments[0].course_of, timeline.segments[0].courses
    for period, (begin_ms, length_ms) in enumerate(changing_periods(600, 1_200, 0, 20_000)):
        order = turns(1, 6)[period % ORDERS]
        for motor, turn in enumerate(order):
            at_ms, pieces, _ = courses[course_of[motor]].cycle_at(begin_ms)
            assert (at_ms, pieces[0].length_ms) == (begin_ms, length_ms * turn // 6)


def test_hash_depends_on_how_the_period_changes() -> None:
    certs = {
        compiled(phase(20_000, play("neck", "wave", 30, period=900, **keys))).cert
        for keys in ({}, {"period_to": 800}, {"period_to": 700})
    }
    assert len(certs) == 3


def test_rest_silences_every_motor_and_the_next_phase_starts_softly() -> None:
    steady = play("all", "steady", 40)
    rows = level_changes(
        compile_profile(
            profile(phase(10_000, steady), rest(2_000), phase(10_000, steady)), make_mat(25)
        )
    )
    assert [row for row in rows if 9_000 <= row[0] <= 12_040] == [
        (10_000, (0,) * 6),
        (12_040, (1,) * 6),
    ]
    assert max(max(levels) for t_ms, levels in rows if 12_000 <= t_ms < 13_000) == 24


def test_passes_of_a_group_are_segments_with_the_same_courses_and_hash_as_if_written_out() -> None:
    line = play("all", "alternate", 40, period=1_000)
    written = [phase(4_000, line), rest(500)]
    grouped = [
        one._replace(group_passes=(GroupPass(number, 2),)) for number in (1, 2) for one in written
    ]
    mat = make_mat()
    timeline, expected = (
        compile_profile(profile(*phases), mat) for phases in (grouped, written * 2)
    )
    assert timeline.cert == expected.cert
    assert timeline.segments[0].courses == timeline.segments[2].courses
    assert [segment.group_passes for segment in timeline.segments] == [((1, 2),)] * 2 + [
        ((2, 2),)
    ] * 2


def test_haptic_cues_of_a_session_are_gaps() -> None:
    timeline = compiled(
        phase(3_000, play("neck", "steady", 5)),
        phase(5_000, play("neck", "steady", 9), cue="KI3", repeat=2),
        phase(300_000, play("neck", "steady", 5)),
    )
    assert [(c.name, [(g.begin_ms, g.end_ms) for g in c.gaps]) for c in timeline.haptic_cues] == [
        ("cue-begin", [(4_000, 4_200), (4_400, 4_600)]),
        ("cue-end", [(7_000, 7_200), (7_400, 7_600), (7_800, 8_000)]),
        ("cue-begin", [(9_000, 9_200), (9_400, 9_600)]),
        ("cue-end", [(12_000, 12_200), (12_400, 12_600), (12_800, 13_000)]),
        (
            "five-minutes-left",
            [(14_000 + 400 * i, 14_200 + 400 * i) for i in range(5)],
        ),
    ]
    assert neck_left(level_changes(timeline)) == [
        (0, 0),
        (20, 5),
        (3_020, 9),
        *[(4_000, 0), (4_200, 9), (4_400, 0), (4_600, 9)],
        *[(7_000, 0), (7_200, 9), (7_400, 0), (7_600, 9), (7_800, 0)],
        (8_000, 9),
        *[(9_000, 0), (9_200, 9), (9_400, 0), (9_600, 9)],
        *[(12_000, 0), (12_200, 9), (12_400, 0), (12_600, 9), (12_800, 0)],
        *[(13_000, 5), (14_000, 0), (14_200, 5), (14_400, 0), (14_600, 5), (14_800, 0)],
        *[(15_000, 5), (15_200, 0), (15_400, 5), (15_600, 0), (15_800, 5)],
        (313_000, 0),
    ]


@pytest.mark.parametrize(
    ("due_at_ms", "begins_at_ms"),
    [
        (8_000, 8_000),
        (9_000, 12_600),
        (11_000, 12_600),
        (12_600, 12_600),
        (16_000, 16_000),
        (17_000, 21_000),
        (19_500, 21_000),
        (21_000, 21_000),
    ],
)
def test_five_minutes_left_begins_a_second_apart_from_a_cue(
    due_at_ms: int, begins_at_ms: int
) -> None:
    timeline = compiled(
        phase(10_000, play("neck", "steady", 5)),
        phase(10_000, play("neck", "steady", 5), cue="KI3"),  # its gaps: 11.0-11.6 and 19.0-20.0
        phase(280_000 + due_at_ms, play("neck", "steady", 5)),
    )
    spans = [(c.begin_ms, c.end_ms) for c in timeline.haptic_cues if c.name == "five-minutes-left"]
    assert spans == [(begins_at_ms, begins_at_ms + 1_800)]


def test_session_of_exactly_five_minutes_has_no_haptic_for_them() -> None:
    assert compiled(phase(300_000, play("neck", "steady", 5))).haptic_cues == ()
    assert len(compiled(phase(300_010, play("neck", "steady", 5))).haptic_cues) == 1


# --- the hash ---


def test_hash_depends_on_what_decides_what_the_pins_do_and_on_nothing_else() -> None:
    base = profile(phase(100, play("neck", "steady", 5)))
    renamed = Profile("other", "Other", "about", ("neck",), True, base.phases)
    longer = profile(phase(110, play("neck", "steady", 5)))
    stronger = profile(phase(100, play("neck", "steady", 6)))
    cued = profile(phase(100, play("neck", "steady", 5), cue="KI3"))
    mats = [make_mat(), make_mat(rise_pct_s=50), make_mat(absent="neck")]
    certs = [compile_profile(p, mats[0]).cert for p in (base, longer, stronger, cued)]
    certs += [compile_profile(base, mat).cert for mat in mats[1:]]
    assert len(set(certs)) == 6
    assert compile_profile(renamed, mats[0]).cert == certs[0]
    assert compile_profile(base, make_mat()) == compile_profile(base, make_mat())
    assert hash(compile_profile(base, mats[0])) == hash(compile_profile(base, make_mat()))


# --- sizes ---


def test_compiled_size_does_not_grow_with_the_length() -> None:
    lines = [play("neck", "wave", 60, period=900), play("back", "travel", (70, 10), period=700)]
    sizes = []
    for for_ms, repeat in ((1_000, 1), (600_000, 1), (6_000, 100)):
        short, long = (compiled(phase(k * for_ms, *lines, repeat=repeat, cue=None)) for k in (1, 3))
        sizes.append([[len(c.cycles) for c in t.segments[0].courses] for t in (short, long)])
        assert len(short.segments) == len(long.segments) == 1
    assert all(short == long for short, long in sizes[1:])


@pytest.mark.parametrize("for_ms", [10, 30, 1_010, 1_990])
def test_session_of_an_odd_length_ends_at_its_length(for_ms: int) -> None:
    timeline = compiled(phase(for_ms, play("all", "steady", 50), repeat=3))
    assert timeline.end_ms == 3 * for_ms
    assert level_changes(timeline)[-1] == (3 * for_ms if for_ms * 3 > 20 else 0, OFF)


def test_compile_profile_with_too_many_parts_is_refused_at_the_phase_that_is_one_too_many() -> None:
    tap = play("all", "tap", 30, taps=10, tap_for=50, rest=400)
    phases = [phase(500, tap)._replace(place=(n, 3)) for n in range(1, 1_000)]
    # A phase has 10 parts, 6 for its motors, and its course 5 and 2 for each of its 20 pieces.
    fits = MOST_PARTS // (10 + 6 + 5 + 2 * 20)
    assert compile_profile(profile(*phases[:fits]), make_mat()).end_ms == 500 * fits
    with pytest.raises(AuthorError) as error:
        compile_profile(profile(*phases), make_mat(), "p.yaml")
    assert str(error.value) == (
        f"p.yaml:{fits + 1}:3: from this phase on the profile is too large: its phases play too "
        "much; write fewer of them with `repeat`, or fewer targets, taps, frames, changing periods or "
        "passes of groups"
    )


def zigzag(frames: int, apart_ms: int, *more: str) -> str:
    """Frames at 0 and 50 % in turn, then those in `more`."""
    written = [f"[{i * apart_ms / 1000:g}s,{i % 2 * 50}%]" for i in range(frames)]
    return f"{{pattern: keyframes, frames: [{','.join((*written, *more))}]}}"


def read_zigzags(frames_of: dict[str, str]) -> Entry:
    play = "".join(f"\n      {name}: {frames}" for name, frames in frames_of.items())
    text = f"title: x\nphases:\n  - name: zigzag\n    for: 15min\n    play:{play}\n"
    assert len(text) < BYTES_MAX
    return read_entry("p", text.encode(), "p.yaml", load_mat(shipped.mat_file()))


TOO_MANY_STEPS = (
    "p.yaml:3:5: this phase changes its levels {} times in one period; at most 4000: use fewer "
    "frames, or several phases"
)
# A slope takes a step and 50 for its levels; the silence before and the level held after, one each.
SLOPE = 51


def test_read_entry_of_a_phase_with_too_many_frames_is_refused_at_the_phase() -> None:
    entry = read_zigzags({"hips": zigzag(4_400, 200)})
    assert isinstance(entry, BadEntry)
    assert str(entry.error) == TOO_MANY_STEPS.format(4_399 * SLOPE + 2)


def test_read_entry_of_frames_that_together_are_too_many_is_refused_at_the_phase() -> None:
    sides = [
        f"{zone}.{side}" for zone in ("neck", "lower_back", "hips") for side in ("left", "right")
    ]
    entry = read_zigzags({name: zigzag(580, 200 + 10 * n) for n, name in enumerate(sides)})
    assert isinstance(entry, BadEntry)
    assert str(entry.error) == TOO_MANY_STEPS.format(6 * (579 * SLOPE + 2))


def test_read_entry_of_a_phase_with_as_many_steps_as_it_may_have_is_read_and_plays() -> None:
    assert 78 * SLOPE + 2 + 1 + 19 == MOST_STEPS
    good = read_zigzags({"hips": zigzag(79, 200, "[16s,19%]")})
    assert isinstance(good, GoodEntry)
    (course,) = good.timeline.segments[0].courses
    assert steps_to_draw(course.pieces, 100) == MOST_STEPS
    assert len(level_changes(good.timeline)) > 79
    bad = read_zigzags({"hips": zigzag(79, 200, "[16s,20%]")})
    assert isinstance(bad, BadEntry)
    assert str(bad.error) == TOO_MANY_STEPS.format(MOST_STEPS + 1)
