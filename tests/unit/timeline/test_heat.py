"""The temperatures of a session, by the program's model, and the profiles refused for them."""

from itertools import cycle
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from firmware_ctl.cli.authoring import certificate_lines
from firmware_ctl.cli.simulation import summary
from firmware_ctl.config.mat import Mat, read_mat
from firmware_ctl.simulator.offline import play
from firmware_ctl.timeline.catalogue import BadEntry, Entry, GoodEntry, read_entry
from firmware_ctl.timeline.heat import (
    SKIN_C,
    SURFACE_LIMIT_C,
    WORST_MOTOR,
    WORST_SURFACE,
    HeatPath,
    PowerCourse,
    heat_of,
    most_k,
)
from tests.support.process import ROOT

SHIPPED = sorted((ROOT / "profiles").glob("*.yaml"))

LONG = b"""\
title: Long
phases:
  - name: one
    for: 10s
    play: {hips: {pattern: steady, level: 10%}}
  - name: two
    for: 14min
    play: {hips: {pattern: steady, level: 100%}}
"""


def mat(run_ma: int = 120, daily: str = "30min") -> Mat:
    text = (ROOT / "hw/mat.yaml").read_text("utf-8")
    text = text.replace("run_ma: 120, start_ma: 150", f"run_ma: {run_ma}, start_ma: {run_ma + 30}")
    text = text.replace("max_ma: 2000", "max_ma: 20000").replace("daily: 30min", f"daily: {daily}")
    text = text.replace("    cap: 70%\n", "    cap: 100%\n")
    return read_mat(text.encode(), "mat.yaml")


def entry(mat: Mat, data: bytes = LONG) -> Entry:
    return read_entry("long", data, "long.yaml", mat)


def good(mat: Mat, data: bytes = LONG) -> GoodEntry:
    result = entry(mat, data)
    assert isinstance(result, GoodEntry), result.error
    return result


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_heat_shipped_profile_on_the_shipped_mat_is_accepted(path: Path) -> None:
    shipped = read_entry(path.stem, path.read_bytes(), path.name, mat())
    assert isinstance(shipped, GoodEntry)
    assert max(heat.surface_c for heat in heat_of(shipped.timeline, mat())) < SURFACE_LIMIT_C


def test_heat_steady_power_ends_where_its_resistance_says() -> None:
    shipped = mat(daily="60min")
    timeline = good(shipped).timeline
    hip = next(heat for heat in heat_of(timeline, shipped) if heat.motor == "hip_left")
    assert hip.surface_c == pytest.approx(SKIN_C + 0.6 * WORST_SURFACE.k_per_w, abs=0.1)
    silent = next(heat for heat in heat_of(timeline, shipped) if heat.motor == "neck_left")
    assert (silent.motor_c, silent.surface_c) == (SKIN_C, SKIN_C)


def test_heat_motor_of_a_watt_warms_the_surface_too_much_and_is_refused() -> None:
    refused = entry(mat(run_ma=200))
    assert isinstance(refused, BadEntry)
    (mistake,) = refused.error.mistakes
    assert (mistake.path, mistake.line) == ("long.yaml", 6)
    assert mistake.sentence == (
        "motor hip_left would warm the surface under the person to 43 °C, and 41 °C is allowed; "
        "lower its levels, or lower its zone's `cap` or `limits.daily` in the mat file"
    )


def test_heat_less_time_a_day_is_accepted() -> None:
    assert isinstance(entry(mat(run_ma=180)), BadEntry)
    assert isinstance(entry(mat(run_ma=180, daily="15min")), GoodEntry)


def test_heat_short_bursts_count_the_current_of_each_start() -> None:
    """A motor that starts every 300 ms draws its starting current for half of the time."""
    data = LONG.replace(
        b"pattern: steady, level: 100%",
        b"pattern: pulse, on_for: 160ms, off_for: 160ms, level: 100%",
    )
    hip = next(
        heat for heat in heat_of(good(mat(), data).timeline, mat()) if heat.motor == "hip_left"
    )
    assert hip.surface_c > SKIN_C + 0.6 * WORST_SURFACE.k_per_w * 0.9


courses = st.lists(st.tuples(st.integers(1, 600_000), st.floats(0, 3)), min_size=1, max_size=6).map(
    tuple
)


@given(courses, st.integers(1, 3_600_000))
def test_heat_of_repeated_passes_is_that_of_a_walk_through_all_of_them(
    course: PowerCourse, for_ms: int
) -> None:
    assume(for_ms / sum(span_ms for span_ms, _ in course) < 2_000)
    most = now_k = 0.0
    left_ms = for_ms
    for span_ms, watt in cycle(course):
        now_k = WORST_MOTOR.after(now_k, watt, min(span_ms, left_ms))
        most = max(most, now_k)
        left_ms -= span_ms
        if left_ms <= 0:
            break
    assert most_k(WORST_MOTOR, course, for_ms) == pytest.approx(most, abs=1e-6)


def test_heat_of_a_session_of_milliseconds_is_no_more_work_than_of_a_long_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []
    after = HeatPath.after
    monkeypatch.setattr(HeatPath, "after", lambda *args: calls.append(args) or after(*args))
    most_k(WORST_MOTOR, ((10, 1.0), (10, 0.0)), 3_600_000)
    short, calls[:] = len(calls), []
    most_k(WORST_MOTOR, ((900_000, 1.0), (900_000, 0.0)), 3_600_000)
    assert short == len(calls)


@pytest.mark.parametrize("command", ["check", "simulate"])
def test_zone_that_could_open_its_cut_off_is_noted_once(command: str) -> None:
    def lines(mat: Mat) -> list[str]:
        profile = good(mat)
        if command == "check":
            return list(certificate_lines("long.yaml", profile, mat))
        return list(summary(play(profile, mat)))

    assert [line for line in lines(mat(run_ma=150)) if "cut-off" in line] == [
        "  note     a motor of hips could reach 82 °C in a day of this; its thermal cut-off may open "
        "at 68 °C, for good: lower its levels"
    ]
    assert not any("cut-off" in line for line in lines(mat(run_ma=100)))


def test_heat_that_comes_from_starts_is_answered_with_fewer_starts() -> None:
    pulse = b"pattern: pulse, level: 1%, on_for: 10ms, off_for: 10ms"
    refused = entry(mat(), LONG.replace(b"pattern: steady, level: 100%", pulse))
    assert isinstance(refused, BadEntry)
    (mistake,) = refused.error.mistakes
    assert mistake.sentence.partition("; ")[2] == (
        "it starts too often; lengthen `on_for`, `off_for`, `rest` or `period`, or lower "
        "`limits.daily` in the mat file"
    )
