"""The work for an answer is bounded, however large the profiles are. Tests count it and never time it."""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from firmware_ctl.config.mat import Mat
from firmware_ctl.config.profile import Phase, Profile
from firmware_ctl.errors import CallerError
from firmware_ctl.protocol import commands
from firmware_ctl.protocol.commands import MOST_ROWS
from firmware_ctl.protocol.try_line import TRY_STEPS, try_timeline
from firmware_ctl.timeline.catalogue import Catalogue, GoodEntry
from firmware_ctl.timeline.motor_drive import Levels
from firmware_ctl.timeline.playback import Playback
from firmware_ctl.timeline.report import Row, explain
from tests.support.worlds import Bench, entry, steady
from tests.support.worlds_supply import mat_of_single_motors

LARGE: GoodEntry = entry(
    "large", *(Phase(f"p{n}", 500, 1, (steady("all", 1 + n % 40),)) for n in range(900))
)


def test_explain_of_large_profile_makes_bounded_number_of_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row_count = 0

    def explain_and_count(*args: object) -> Iterator[Row]:
        nonlocal row_count
        for row in explain(*args):  # type: ignore[arg-type]
            row_count += 1
            yield row

    monkeypatch.setattr(commands, "explain", explain_and_count)
    bench = Bench()
    bench.reloads.append(Catalogue((LARGE,)))
    bench.send(1_000, b"reload\n")
    bench.send(2_000, b"trim 50\nexplain large\n")
    bench.run(3_000)
    lines = bench.wires[0].lines()
    *rows, hint, end = lines[lines.index("ok trim=50") + 1 :]
    assert (row_count, len(rows), end) == (MOST_ROWS + 1, MOST_ROWS, "ok")
    assert rows[78] == (
        '- phase="p39" zone=neck asked=40 cap=60 trim=50 supply=100 level=20 duty=31 bound="trim"'
    )
    assert hint == '- more="firmware-ctl explain with the file of this profile shows all rows"'


def test_explain_of_small_profile_shows_all_rows() -> None:
    bench = Bench()
    bench.send(1_000, b"explain steps\n")
    bench.run(2_000)
    lines = bench.wires[0].lines()
    assert [line.split()[0] for line in lines if "more=" in line] == []


def test_profiles_request_reads_no_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_if_read(_: Profile) -> int:
        raise AssertionError("the request adds up the phases of the profiles")

    monkeypatch.setattr(Profile, "length_ms", property(fail_if_read))
    bench = Bench()
    bench.send(1_000, b"profiles\n")
    bench.run(2_000)
    assert bench.wires[0].lines()[-1] == "ok count=3"


HOSTILE_LINES = (
    "all tap 60 taps=10 tap_for=10ms rest=11ms",
    "all tap 60 taps=10 tap_for=53ms rest=59ms",
    "all breathe 60 in=31ms out=37ms rest=41ms",
    "all travel 60 period=201ms",
    "all wave 60 period=9.973s",
    "all pulse 60 on_for=10ms off_for=11ms",
)


@pytest.mark.parametrize("line", HOSTILE_LINES)
@pytest.mark.parametrize("max_ma", [200, 400, 800])
def test_try_of_hostile_line_computes_levels_within_the_bound(
    line: str, max_ma: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    level_calls = 0
    original_levels = Playback.levels

    def levels_and_count(self: Playback, t_ms: int) -> Levels:
        nonlocal level_calls
        level_calls += 1
        return original_levels(self, t_ms)

    monkeypatch.setattr(Playback, "levels", levels_and_count)
    mat: Mat = mat_of_single_motors(8, max_ma, start_ma=150, run_ma=60)
    with suppress(CallerError):
        try_timeline(line.split(), mat)
    assert 0 < level_calls <= 2 * TRY_STEPS // len(mat.motors)


def test_try_of_line_beyond_the_bound_suggests_longer_periods() -> None:
    mat = mat_of_single_motors(8, 200, start_ma=150, run_ma=60)
    with pytest.raises(CallerError, match="choose longer periods") as refused:
        try_timeline(HOSTILE_LINES[0].split(), mat)
    assert refused.value.code == "bad-argument"
