"""The cup of `hw/mechanics`: its measures hang together, its drawing shows them, its body has them."""

import math
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import ROOT

MECHANICS = ROOT / "hw/mechanics"
MOTORS = ("307-103", "306-10H")

Point = tuple[float, float, float]
Triangle = tuple[Point, Point, Point]


@pytest.fixture(scope="module")
def mechanics() -> Iterator[Any]:
    sys.path.insert(0, str(MECHANICS))
    try:
        yield import_module
    finally:
        sys.path.remove(str(MECHANICS))


@pytest.fixture(scope="module")
def bodies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the script has written."""
    if find_spec("build123d") is None:
        pytest.skip("build123d is not installed; extra hw")
    folder = tmp_path_factory.mktemp("mechanics")
    subprocess.run(
        [sys.executable, str(MECHANICS / "solid.py"), str(folder)], check=True, timeout=120
    )
    return folder


def cup_of(mechanics: Any, motor: str) -> Any:
    return next(cup for cup in mechanics("cup").CUPS if cup.motor == motor)


def triangles(path: Path) -> list[Triangle]:
    corners = [
        (float(x), float(y), float(z))
        for x, y, z in re.findall(r"vertex\s+(\S+)\s+(\S+)\s+(\S+)", path.read_text("ascii"))
    ]
    return list(zip(corners[::3], corners[1::3], corners[2::3], strict=True))


def crossings(body: list[Triangle], axis: int, at: tuple[float, float]) -> list[float]:
    """Where a straight line along `axis` goes through the surface; `at` are the other two."""
    u, v = (i for i in range(3) if i != axis)
    found = []
    for triangle in body:
        corners = [(p[u] - at[0], p[v] - at[1]) for p in triangle]
        area = [
            a[0] * b[1] - a[1] * b[0]
            for a, b in zip(corners, corners[1:] + corners[:1], strict=True)
        ]
        if all(n > 0 for n in area) or all(n < 0 for n in area):
            # The corner's weight is the area of the triangle opposite to it.
            weight = (area[1], area[2], area[0])
            found.append(
                sum(w * p[axis] for w, p in zip(weight, triangle, strict=True)) / sum(area)
            )
    return sorted(found)


@pytest.mark.parametrize("motor", MOTORS)
def test_cup_keeps_the_weight_free_under_a_lying_person(mechanics: Any, motor: str) -> None:
    cup, limits = cup_of(mechanics, motor), mechanics("cup")
    assert cup.inner[0] >= cup.length + 2 * cup.clear
    assert cup.inner[2] >= cup.strip + cup.body + cup.clear
    assert min(cup.strip, cup.clear) >= 1.5
    assert cup.sinks_mm < cup.clear / 10
    assert cup.wall_mpa < limits.PETG_BEARS_MPA / 4
    assert max(cup.bounds[:2]) < limits.PLATE - 2


def test_cup_lies_under_the_plate_that_the_heat_was_simulated_with(mechanics: Any) -> None:
    limits = mechanics("cup")
    (plate,) = [
        row for row in (ROOT / "hw/bom.csv").read_text("utf-8").splitlines() if "Plate under" in row
    ]
    assert f"{limits.PLATE:g} x {limits.PLATE:g} mm" in plate
    heat = (ROOT / "hw/circuits/heat.cir").read_text("utf-8")
    assert f"{limits.PLATE:g} by {limits.PLATE:g} by {limits.PLATE_THICK:g} mm" in heat
    assert f"{limits.FOAM_OVER:g} mm of foam" in heat
    for cup in limits.CUPS:
        assert f"{cup.strip_long:g} by {cup.strip_wide:g} mm" in heat


def test_sections_are_made_from_the_measures(mechanics: Any) -> None:
    drawn = mechanics("section").drawings()
    assert sorted(MECHANICS.glob("*.svg")) == sorted(drawn)
    for path, content in drawn.items():
        assert path.read_bytes() == content, f"{path.name}: run python hw/mechanics/section.py"


@pytest.mark.parametrize("motor", MOTORS)
def test_section_shows_every_measure_that_one_needs(mechanics: Any, motor: str) -> None:
    cup = cup_of(mechanics, motor)
    text = (MECHANICS / f"cup-{motor.lower()}.svg").read_text("utf-8")
    shown = re.findall(r">([\d.]+)(?: [^<]*)?</text>", text)
    wanted = (*cup.inner, *cup.outer[:2], cup.floor, cup.strip, cup.clear, cup.length, 60, 2, 10)
    assert [n for n in wanted if f"{n:.4g}" not in shown] == []


@pytest.mark.parametrize("motor", MOTORS)
def test_body_has_the_volume_and_bounds_of_its_measures(
    mechanics: Any, bodies: Path, motor: str
) -> None:
    cup = cup_of(mechanics, motor)
    body = triangles(bodies / f"cup-{motor}.stl")
    volume = 0.0
    for a, b, c in body:
        volume += a[0] * (b[1] * c[2] - b[2] * c[1]) / 6
        volume += a[1] * (b[2] * c[0] - b[0] * c[2]) / 6
        volume += a[2] * (b[0] * c[1] - b[1] * c[0]) / 6
    assert volume == pytest.approx(cup.volume, rel=0.002)
    for axis, size in enumerate(cup.bounds):
        along = [p[axis] for triangle in body for p in triangle]
        assert max(along) - min(along) == pytest.approx(size, abs=0.01)
    assert (bodies / f"cup-{motor}.step").read_text("ascii", "replace").startswith("ISO-10303-21")


@pytest.mark.parametrize("motor", MOTORS)
def test_body_has_walls_floor_and_room_of_its_measures(
    mechanics: Any, bodies: Path, motor: str
) -> None:
    cup = cup_of(mechanics, motor)
    body = triangles(bodies / f"cup-{motor}.stl")
    deep = cup.flange_thick + (cup.inner[2] - cup.flange_thick) * math.e / 5
    for axis, room in ((0, cup.inner[0]), (1, cup.inner[1])):
        at = (7.3, deep) if axis == 0 else (3.1, deep)
        cut = crossings(body, axis, at)
        assert [b - a for a, b in pairwise(cut)] == pytest.approx(
            [cup.wall, room, cup.wall], abs=0.01
        )
    floor = crossings(body, 2, (1.7, 0.9))
    assert floor == pytest.approx([cup.inner[2], cup.inner[2] + cup.floor], abs=0.01)


@pytest.mark.parametrize("motor", MOTORS)
def test_body_has_a_slot_for_the_wires(mechanics: Any, bodies: Path, motor: str) -> None:
    cup = cup_of(mechanics, motor)
    body = triangles(bodies / f"cup-{motor}.stl")
    far = -cup.outer[0] / 2
    assert crossings(body, 0, (0.7, cup.flange_thick + 0.7)) == pytest.approx(
        [far, far + cup.wall], abs=0.01
    )
