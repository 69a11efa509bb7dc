"""What the loop answers is bounded, however large the profiles are: counted, never timed."""

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
from tests.support.worlds_supply import singles

LARGE: GoodEntry = entry(
    "large", *(Phase(f"p{n}", 500, 1, (steady("all", 1 + n % 40),)) for n in range(900))
)


def test_explain_of_a_large_profile_makes_a_bounded_number_of_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = 0

    def counted(*args: object) -> Iterator[Row]:
        nonlocal made
        for row in explain(*args):  # type: ignore[arg-type]
            made += 1
            yield row

    monkeypatch.setattr(commands, "explain", counted)
    bench = Bench()
    bench.reloads.append(Catalogue((LARGE,)))
    bench.send(1_000, b"reload\n")
    bench.send(2_000, b"trim 50\nexplain large\n")
    bench.run(3_000)
    lines = bench.wires[0].lines()
    *rows, more, end = lines[lines.index("ok trim=50") + 1 :]
    assert (made, len(rows), end) == (MOST_ROWS + 1, MOST_ROWS, "ok")
    assert rows[78] == (
        '- phase="p39" zone=neck asked=40 cap=60 trim=50 supply=100 level=20 duty=31 bound="trim"'
    )
    assert more == '- more="firmware-ctl explain with the file of this profile shows all rows"'


def test_explain_of_a_small_profile_says_all() -> None:
    bench = Bench()
    bench.send(1_000, b"explain steps\n")
    bench.run(2_000)
    lines = bench.wires[0].lines()
    assert [line.split()[0] for line in lines if "more=" in line] == []


def test_profiles_does_not_look_at_phases(monkeypatch: pytest.MonkeyPatch) -> None:
    def looked(_: Profile) -> int:
        raise AssertionError("every phase of every profile was added up")

    monkeypatch.setattr(Profile, "length_ms", property(looked))
    bench = Bench()
    bench.send(1_000, b"profiles\n")
    bench.run(2_000)
    assert bench.wires[0].lines()[-1] == "ok count=3"


HOSTILE = (
    "all tap 60 taps=10 tap_for=10ms rest=11ms",
    "all tap 60 taps=10 tap_for=53ms rest=59ms",
    "all breathe 60 in=31ms out=37ms rest=41ms",
    "all travel 60 period=201ms",
    "all wave 60 period=9.973s",
    "all pulse 60 on_for=10ms off_for=11ms",
)


@pytest.mark.parametrize("line", HOSTILE)
@pytest.mark.parametrize("max_ma", [200, 400, 800])
def test_try_a_hostile_line_takes_no_more_instants_than_the_bound(
    line: str, max_ma: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    instants = 0
    plain = Playback.levels

    def counted(self: Playback, t_ms: int) -> Levels:
        nonlocal instants
        instants += 1
        return plain(self, t_ms)

    monkeypatch.setattr(Playback, "levels", counted)
    mat: Mat = singles(8, max_ma, start_ma=150, run_ma=60)
    with suppress(CallerError):
        try_timeline(line.split(), mat)
    assert 0 < instants <= 2 * TRY_STEPS // len(mat.motors)


def test_try_a_line_that_takes_too_long_to_prove_says_what_to_change() -> None:
    mat = singles(8, 200, start_ma=150, run_ma=60)
    with pytest.raises(CallerError, match="choose longer periods") as refused:
        try_timeline(HOSTILE[0].split(), mat)
    assert refused.value.code == "bad-argument"
