"""The compiler and the playing: sessions as whole lists of changes, and what holds for any profile.

Levels are listed as `(from ms, (neck left, neck right, back left, right, left, right))`.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_ctl import shipped
from firmware_ctl import timeline as timeline_module
from firmware_ctl.catalogue import Entry, read_entry
from firmware_ctl.document import BYTES_MAX
from firmware_ctl.errors import AuthorError
from firmware_ctl.folder import load_mat
from firmware_ctl.limits import TICK_MS
from firmware_ctl.mat import Mat
from firmware_ctl.patterns import Piece
from firmware_ctl.profile import Phase, Profile
from firmware_ctl.shaping import Levels
from firmware_ctl.steps import Steps, draw, steps_to_draw
from firmware_ctl.timeline import (
    MOST_PARTS,
    MOST_STEPS,
    Playback,
    Timeline,
    compile_profile,
    motors_of,
)
from tests.reached import must_reach, reached
from tests.worlds_timeline import (
    MATS,
    PROFILES,
    changes,
    keyframes,
    make_mat,
    phase,
    play,
    profile,
    unrepeated,
)

OFF = (0,) * 6

Changes = list[tuple[int, Levels]]


def compiled(*phases: Phase, mat: Mat | None = None) -> Timeline:
    return compile_profile(profile(*phases), mat or make_mat())


def neck_left(found: Changes) -> list[tuple[int, int]]:
    """The changes of the first motor alone."""
    return unrepeated([(t_ms, levels[0]) for t_ms, levels in found])


# --- who plays ---


@pytest.mark.parametrize(
    ("target", "motors"),
    [
        ("all", [0, 1, 2, 3, 4, 5]),
        ("neck", [0, 1]),
        ("back", [2, 3, 4, 5]),
        ("back.left", [2, 4]),
        ("back.right", [3, 5]),
        ("all.left", [0, 2, 4]),
    ],
)
def test_targets(target: str, motors: list[int]) -> None:
    assert motors_of(target, make_mat()) == motors


def test_an_absent_zone_stays_silent_and_the_rest_closes_up() -> None:
    mat = make_mat(absent="neck")
    assert motors_of("all", mat) == [2, 3, 4, 5]
    travel = phase(400, play("all", "travel", 5, period=400), play("neck", "steady", 9))
    assert changes(compiled(travel, mat=mat)) == [
        (0, OFF),
        (20, (0, 0, 5, 0, 0, 0)),
        (100, (0, 0, 0, 5, 0, 0)),
        (200, (0, 0, 0, 0, 5, 0)),
        (300, (0, 0, 0, 0, 0, 5)),
        (400, OFF),
    ]


def test_all_travels_across_zones_in_the_order_of_the_mat() -> None:
    assert changes(compiled(phase(600, play("all", "travel", 7, period=600)))) == [
        (0, OFF),
        (20, (7, 0, 0, 0, 0, 0)),
        (100, (0, 7, 0, 0, 0, 0)),
        (200, (0, 0, 7, 0, 0, 0)),
        (300, (0, 0, 0, 7, 0, 0)),
        (400, (0, 0, 0, 0, 7, 0)),
        (500, (0, 0, 0, 0, 0, 7)),
        (600, OFF),
    ]


def test_zones_merge_on_absolute_time() -> None:
    timeline = compiled(
        phase(
            300,
            play("neck", "alternate", 10, period=200),
            play("back.left", "pulse", 20, on_for=70, off_for=80),
            play("back.right", "steady", 30, after=125),
        )
    )
    assert changes(timeline) == [
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
def test_one_motor(phases: list[Phase], expected: list[tuple[int, int]]) -> None:
    assert neck_left(changes(compiled(*phases))) == expected


# --- the envelope ---


def test_the_soft_start_climbs_with_the_rise_and_falls_at_once() -> None:
    timeline = compiled(
        phase(200, play("neck", "steady", 5)),
        phase(100, play("neck", "steady", 2)),
        phase(100, play("neck", "steady", 5)),
        phase(100, play("back", "steady", 1)),
        mat=make_mat(rise_pct_s=50),
    )
    assert changes(timeline) == [
        (0, OFF),
        *((20 * level, (level, level, 0, 0, 0, 0)) for level in range(1, 6)),
        (200, (2, 2, 0, 0, 0, 0)),
        (320, (3, 3, 0, 0, 0, 0)),
        (340, (4, 4, 0, 0, 0, 0)),
        (360, (5, 5, 0, 0, 0, 0)),
        (400, OFF),
        (420, (0, 0, 1, 1, 1, 1)),
        (500, OFF),
    ]


def test_inside_the_envelope_a_tap_is_a_tap() -> None:
    tap = play("neck", "pulse", 10, on_for=50, off_for=50)
    found = neck_left(changes(compiled(phase(400, tap), mat=make_mat(rise_pct_s=50))))
    assert found == [
        *[(0, 0), (20, 1), (40, 2), (50, 0)],
        *[(100, 5), (120, 6), (140, 7), (150, 0)],
        *[(200, 10), (250, 0), (300, 10), (350, 0)],
    ]


def test_a_motor_that_runs_is_not_stalled_by_the_climb_or_a_trim() -> None:
    timeline = compiled(
        phase(500, keyframes("neck", (0, 100), (100, 1))), mat=make_mat(rise_pct_s=50)
    )
    assert {Playback(timeline, trim_pct=50).at(t_ms).level_pct[0] for t_ms in (120, 320)} == {1}


# --- signals ---


def test_a_cue_is_told_by_gaps_and_so_are_five_minutes_left() -> None:
    timeline = compiled(
        phase(3_000, play("neck", "steady", 5)),
        phase(5_000, play("neck", "steady", 9), cue="KI3", repeat=2),
        phase(300_000, play("neck", "steady", 5)),
    )
    assert [(s.name, [(g.begin_ms, g.end_ms) for g in s.gaps]) for s in timeline.signals] == [
        ("cue-begin", [(4_000, 4_200), (4_400, 4_600)]),
        ("cue-end", [(7_000, 7_200), (7_400, 7_600), (7_800, 8_000)]),
        ("cue-begin", [(9_000, 9_200), (9_400, 9_600)]),
        ("cue-end", [(12_000, 12_200), (12_400, 12_600), (12_800, 13_000)]),
        (
            "five-minutes-left",
            [(14_000 + 400 * i, 14_200 + 400 * i) for i in range(5)],
        ),
    ]
    assert neck_left(changes(timeline)) == [
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
    ("due_at_ms", "told_at_ms"),
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
def test_five_minutes_left_keep_a_second_clear_of_a_cue(due_at_ms: int, told_at_ms: int) -> None:
    timeline = compiled(
        phase(10_000, play("neck", "steady", 5)),
        phase(10_000, play("neck", "steady", 5), cue="KI3"),  # told at 11.0-11.6 and 19.0-20.0
        phase(280_000 + due_at_ms, play("neck", "steady", 5)),
    )
    told = [(s.begin_ms, s.end_ms) for s in timeline.signals if s.name == "five-minutes-left"]
    assert told == [(told_at_ms, told_at_ms + 1_800)]


def test_the_envelope_goes_on_climbing_through_a_gap() -> None:
    timeline = compiled(
        phase(4_000, play("neck", "steady", 100), cue="KI3"), mat=make_mat(rise_pct_s=50)
    )
    found = dict(neck_left(changes(timeline)))
    assert [found[t_ms] for t_ms in (980, 1_000, 1_200, 1_400, 1_600)] == [49, 0, 60, 0, 80]


def test_exactly_five_minutes_are_not_told() -> None:
    assert compiled(phase(300_000, play("neck", "steady", 5))).signals == ()
    assert len(compiled(phase(300_010, play("neck", "steady", 5))).signals) == 1


# --- playing: trim, pause, stalls ---


def walked(playback: Playback, begin_ms: int, end_ms: int) -> list[tuple[int, int]]:
    """The first motor's changes, asked at every tick."""
    ticks = range(begin_ms, end_ms, TICK_MS)
    return unrepeated([(t_ms, playback.at(t_ms).level_pct[0]) for t_ms in ticks])


STEADY_10 = compiled(phase(2_000, play("neck", "steady", 10)), mat=make_mat(rise_pct_s=50))


def test_a_trim_falls_at_once_and_climbs_with_the_rise() -> None:
    playback = Playback(STEADY_10)
    assert walked(playback, 0, 500)[-1] == (200, 10)
    playback.trim(500, 50)
    assert walked(playback, 500, 800) == [(500, 5)]
    playback.trim(800, 80)
    assert walked(playback, 800, 1_000) == [(800, 5), (820, 6), (840, 7), (860, 8)]
    playback.trim(1_000, 100)
    assert walked(playback, 1_000, 2_100) == [(1_000, 8), (1_020, 9), (1_040, 10), (2_000, 0)]


def test_a_trim_before_the_start_holds_from_the_start() -> None:
    assert walked(Playback(STEADY_10, trim_pct=30), 0, 2_000) == [(0, 0), (20, 1), (40, 2), (60, 3)]


def test_a_trim_while_climbing_never_climbs_faster() -> None:
    playback = Playback(STEADY_10)
    walked(playback, 0, 110)
    for t_ms, trim_pct in ((110, 60), (113, 100), (117, 90), (119, 100)):
        playback.trim(t_ms, trim_pct)
    assert walked(playback, 120, 400) == [(120, 6), (140, 7), (160, 8), (180, 9), (200, 10)]


def test_after_a_pause_the_soft_start_begins_again() -> None:
    playback = Playback(STEADY_10)
    walked(playback, 0, 1_000)
    playback.rest(1_000)
    assert walked(playback, 1_000, 1_400) == [
        (1_000, 0),
        *((1_000 + 20 * i, i) for i in range(1, 11)),
    ]


def test_a_trim_in_a_pause_does_not_undo_the_soft_start() -> None:
    playback = Playback(STEADY_10)
    walked(playback, 0, 1_000)
    playback.trim(1_000, 50)
    playback.trim(1_000, 100)
    playback.rest(1_000)
    assert walked(playback, 1_000, 1_100) == [
        (1_000, 0),
        (1_020, 1),
        (1_040, 2),
        (1_060, 3),
        (1_080, 4),
    ]


def test_the_segment_is_that_of_the_last_frame() -> None:
    timeline = compiled(
        phase(100, play("neck", "steady", 1)), phase(200, play("neck", "steady", 1))
    )
    playback = Playback(timeline)
    found = []
    for t_ms in (0, 99, 100, 299, 300, 9_000):
        playback.at(t_ms)
        found.append(playback.segment.phase)
    assert found == ["100 ms", "100 ms", "200 ms", "200 ms", "200 ms", "200 ms"]


# --- the hash ---


def test_the_hash_tells_what_decides_what_the_pins_do_and_nothing_else() -> None:
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


# --- for any profile ---

WALK_MS = 1_000


@settings(max_examples=25)
@given(PROFILES, MATS, st.data())
def test_nothing_changes_between_two_changes(found: Profile, mat: Mat, data: st.DataObject) -> None:
    timeline = compile_profile(found, mat)
    begin_ms = data.draw(st.integers(0, timeline.end_ms), label="begin")
    walk = [Playback(timeline).at(begin_ms + u_ms).level_pct for u_ms in range(WALK_MS)]
    playback = Playback(timeline)
    assert [playback.at(begin_ms + u_ms).level_pct for u_ms in range(WALK_MS)] == walk
    for u_ms in range(0, WALK_MS, 97):
        assert timeline.frame_at(begin_ms + u_ms).level_pct == walk[u_ms]
        next_ms = timeline.next_change_after(begin_ms + u_ms)
        end_ms = WALK_MS if next_ms is None else min(WALK_MS, next_ms - begin_ms)
        assert end_ms > u_ms
        assert set(walk[u_ms:end_ms]) == {walk[u_ms]}


@given(PROFILES, MATS)
def test_levels_stay_under_profile_and_envelope_and_end_at_zero(found: Profile, mat: Mat) -> None:
    timeline = compile_profile(found, mat)
    assert timeline.end_ms == found.length_ms
    played = changes(timeline)
    assert played[-1][1] == OFF
    assert played[-1][0] <= timeline.end_ms
    assert timeline.frame_at(timeline.end_ms) == timeline.frame_at(timeline.end_ms + 1)
    assert timeline.frame_at(timeline.end_ms).level_pct == OFF
    assert timeline.next_change_after(timeline.end_ms) is None
    segments = iter(timeline.segments)
    segment = next(segments)
    for t_ms, levels in played[:-1]:
        while t_ms >= segment.end_ms:
            segment = next(segments)
        climbed = t_ms * mat.limits.rise_pct_s // 1_000
        highest = [min(high, climbed) for high in segment.high_pct]
        assert all(0 <= low <= high for low, high in zip(levels, highest, strict=True))
        assert not any(level for level, i in zip(levels, segment.voice_of, strict=True) if i < 0)


@given(PROFILES, MATS, st.data())
def test_a_motor_never_rises_faster_than_the_envelope(
    found: Profile, mat: Mat, data: st.DataObject
) -> None:
    # Seen through phases of a steady level, which is the envelope itself once it is up.
    steady = profile(
        *(
            phase(
                min(p.for_ms, 20_000),  # under five minutes in all, so that no gap interrupts
                *(
                    play(line.target, "steady", 1 + line.level.to_pct * 99 // 100)
                    for line in p.play
                ),
            )
            for p in found.phases
        )
    )
    timeline = compile_profile(steady, mat)
    playback = Playback(timeline)
    ticks = range(0, min(timeline.end_ms, 20_000), TICK_MS)
    events = data.draw(
        st.dictionaries(st.sampled_from(ticks), st.integers(9, 100), max_size=6), label="trims"
    )
    levels = []
    for t_ms in ticks:
        playback.at(t_ms)
        trim_pct = events.get(t_ms)
        if trim_pct == 9:
            playback.rest(t_ms)
        elif trim_pct is not None:
            playback.trim(t_ms, trim_pct)
        levels.append(playback.at(t_ms).level_pct)
    rise = mat.limits.rise_pct_s
    for motor in range(6):
        for window in (1, 2, 5, 25, 50):
            most = -(-window * TICK_MS * rise // 1_000) + 1
            course = [level[motor] for level in levels]
            assert all(b - a <= most for a, b in zip(course, course[window:], strict=False))


@must_reach(trimmed=500)
@given(PROFILES, MATS, st.integers(10, 100))
def test_a_trim_scales_and_never_adds(found: Profile, mat: Mat, trim_pct: int) -> None:
    timeline = compile_profile(found, mat)
    full, trimmed = Playback(timeline), Playback(timeline, trim_pct=trim_pct)
    for t_ms in range(0, min(timeline.end_ms, 20_000), TICK_MS):
        for high, level in zip(full.at(t_ms).level_pct, trimmed.at(t_ms).level_pct, strict=True):
            assert level <= high
        highest = timeline.segments[0].high_pct if t_ms < timeline.segments[0].end_ms else None
        if highest:
            reached("trimmed", any(highest))
            assert all(
                level * 100 <= high * trim_pct
                for level, high in zip(trimmed.at(t_ms).level_pct, highest, strict=True)
            )


@given(PROFILES, MATS, st.data())
def test_a_stall_skips_and_shifts_nothing(found: Profile, mat: Mat, data: st.DataObject) -> None:
    timeline = compile_profile(found, mat)
    times = data.draw(st.lists(st.integers(0, timeline.end_ms + 100), max_size=30).map(sorted))
    playback = Playback(timeline)
    assert [playback.at(t_ms).level_pct for t_ms in times] == [
        timeline.frame_at(t_ms).level_pct for t_ms in times
    ]


@must_reach(cues=1)
@given(PROFILES, MATS)
def test_every_pass_of_a_cue_is_told_within_its_phase(found: Profile, mat: Mat) -> None:
    timeline = compile_profile(found, mat)
    assert sorted(timeline.signals, key=lambda s: s.begin_ms) == list(timeline.signals)
    cues = [signal for signal in timeline.signals if signal.name != "five-minutes-left"]
    for segment in timeline.segments:
        own = [s for s in cues if segment.begin_ms <= s.begin_ms < segment.end_ms]
        assert [s.name for s in own] == ["cue-begin", "cue-end"] * (
            bool(segment.cue) * segment.repeat
        )
        assert all(s.end_ms <= segment.end_ms for s in own)
        reached("cues", len(own))


def test_the_size_does_not_grow_with_the_length() -> None:
    lines = [play("neck", "wave", 60, period=900), play("back", "travel", (70, 10), period=700)]
    sizes = []
    for for_ms, repeat in ((1_000, 1), (600_000, 1), (6_000, 100)):
        short, long = (compiled(phase(k * for_ms, *lines, repeat=repeat, cue=None)) for k in (1, 3))
        sizes.append([[len(v.cycles) for v in t.segments[0].voices] for t in (short, long)])
        assert len(short.segments) == len(long.segments) == 1
    assert all(short == long for short, long in sizes[1:])


@pytest.mark.parametrize("for_ms", [10, 30, 1_010, 1_990])
def test_odd_lengths_end_where_they_should(for_ms: int) -> None:
    timeline = compiled(phase(for_ms, play("all", "steady", 50), repeat=3))
    assert timeline.end_ms == 3 * for_ms
    assert changes(timeline)[-1] == (3 * for_ms if for_ms * 3 > 20 else 0, OFF)


def test_compile_profile_with_too_many_parts_is_refused_at_the_phase_that_is_one_too_many() -> None:
    tap = play("all", "tap", 30, taps=10, tap_for=50, rest=400)
    phases = [phase(500, tap)._replace(place=(n, 3)) for n in range(1, 1_000)]
    # A phase has 10 parts, 6 for its motors, and its voice 5 and 2 for each of its 20 pieces.
    fits = MOST_PARTS // (10 + 6 + 5 + 2 * 20)
    assert compile_profile(profile(*phases[:fits]), make_mat()).end_ms == 500 * fits
    with pytest.raises(AuthorError) as error:
        compile_profile(profile(*phases), make_mat(), "p.yaml")
    assert str(error.value) == (
        f"p.yaml:{fits + 1}:3: from this phase on the profile is too large: its phases play too "
        "much; write fewer of them with `repeat`, or fewer targets, taps or frames"
    )


def zigzag(frames: int, apart_ms: int, *more: str) -> str:
    """Frames that are 0 and 50 % in turn, and some more."""
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
# A step a slope and 50 for its levels; one for the silence before them and one for what is held.
SLOPE = 51


def test_read_entry_of_a_phase_with_too_many_frames_is_refused_at_the_phase() -> None:
    found = read_zigzags({"hips": zigzag(4_400, 200)})
    assert str(found.error) == TOO_MANY_STEPS.format(4_399 * SLOPE + 2)


def test_read_entry_of_frames_that_together_are_too_many_is_refused_at_the_phase() -> None:
    sides = [
        f"{zone}.{side}" for zone in ("neck", "lower_back", "hips") for side in ("left", "right")
    ]
    found = read_zigzags({name: zigzag(580, 200 + 10 * n) for n, name in enumerate(sides)})
    assert str(found.error) == TOO_MANY_STEPS.format(6 * (579 * SLOPE + 2))


def test_read_entry_of_a_phase_with_as_many_steps_as_it_may_have_is_read_and_plays() -> None:
    assert 78 * SLOPE + 2 + 1 + 19 == MOST_STEPS
    found = read_zigzags({"hips": zigzag(79, 200, "[16s,19%]")})
    assert found.error is None
    assert found.timeline is not None
    (voice,) = found.timeline.segments[0].voices
    assert steps_to_draw(voice.course, 100) == MOST_STEPS
    assert len(changes(found.timeline)) > 79
    found = read_zigzags({"hips": zigzag(79, 200, "[16s,20%]")})
    assert str(found.error) == TOO_MANY_STEPS.format(MOST_STEPS + 1)


def test_courses_that_are_kept_drawn_have_a_bounded_number_of_steps() -> None:
    asked: list[int] = []

    def draw_one(course: tuple[Piece, ...], level_pct: int) -> Steps:
        asked.append(level_pct)
        return draw(course, level_pct)

    drawing = timeline_module._Drawing(draw_one)
    course = (Piece(100_000, 0.0, 1.0), Piece(100_000, 1.0, 0.0)) * 10
    size = timeline_module._size(course, draw(course, 100))
    fit = timeline_module._KEPT // size
    courses = [(*course[:-1], Piece(100_000 + n, 1.0, 0.0)) for n in range(fit + 1)]
    first, *_, last = courses
    for one in courses[:-1]:
        assert drawing(one, 100) == draw(one, 100)
    assert len(asked) == fit
    for one in courses[:-1]:
        drawing(one, 100)
    assert len(asked) == fit
    drawing(first, 100)
    drawing(last, 100)
    assert len(asked) == fit + 1
    drawing(first, 100)
    assert len(asked) == fit + 1
    drawing(courses[1], 100)
    assert len(asked) == fit + 2
    sizes = [timeline_module._size(c, steps) for (c, _), steps in drawing._kept.items()]
    assert drawing._size == sum(sizes) <= timeline_module._KEPT


def test_playback_of_a_period_with_many_steps_remembers_a_bounded_number() -> None:
    taps = [
        play(zone, "tap", 30, taps=10, tap_for=10, rest=rest_ms)
        for zone, rest_ms in (("neck", 14), ("back", 11))
    ]
    timeline = compiled(phase(60_000, *taps))
    assert timeline.segments[0].period_ms == 13_668
    playback, plain = Playback(timeline), Playback(timeline)
    t_ms: int | None = 0
    while t_ms is not None:
        frame = playback.at(t_ms)
        assert frame.level_pct == plain._levels_at(t_ms)[0]
        t_ms = frame.until_ms
    assert 0 < len(playback._period) <= 2_000
