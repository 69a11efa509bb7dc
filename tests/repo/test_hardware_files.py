"""The files of `hw/` that people build from agree with the netlists, with `mat.yaml`, and with one
another."""

import math
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware_ctl.protocol.connection import FAULT_CODES
from firmware_ctl.simulator import board
from tests.support.process import ROOT

HW = ROOT / "hw"


@pytest.fixture
def hardware() -> Iterator[Any]:
    folders = [str(HW), str(HW / "drawings")]
    sys.path[:0] = folders
    try:
        import build_data

        yield build_data
    finally:
        for folder in folders:
            sys.path.remove(folder)


def test_the_wiring_is_made_from_the_mat_file(hardware: Any) -> None:
    import wiring

    assert wiring.TARGET.read_text("utf-8") == wiring.document(), "run python hw/wiring.py"


def test_every_pin_of_the_mat_has_its_own_pin_of_the_header(hardware: Any) -> None:
    import wiring

    rows = wiring.pin_rows()
    mat = hardware.read()
    assert len({row[0] for row in rows}) == len(rows)
    assert sorted(hardware.HEADER) == list(range(28))
    for motor in mat.motors:
        row = (hardware.HEADER[motor.pin], f"GPIO {motor.pin}", f"driver, {motor.name}")
        assert (*row, "pulled down") in rows


def test_the_drawings_are_made_from_netlists_and_mat(hardware: Any) -> None:
    if os.environ.get("CI") != "true":
        pytest.importorskip("schemdraw", reason="schemdraw is not installed; extra test")
    import make
    import schemdraw

    if schemdraw.__version__ != "0.23":
        pytest.skip("another release of schemdraw draws with other bytes")
    drawn = make.drawings()
    assert sorted(path.name for path in (HW / "drawings").glob("*.svg")) == sorted(
        path.name for path in drawn
    )
    for path, content in drawn.items():
        assert path.read_bytes() == content, f"{path.name}: run python hw/drawings/make.py"


def words(svg: Path) -> list[str]:
    return re.findall(r"<tspan[^>]*>([^<]*)</tspan>", svg.read_text(encoding="utf-8"))


SHOWN_IN = {
    "power": "power.svg", "gate": "gate.svg", "driver_a": "driver-a.svg", "driver_b": "driver-b.svg",
    "motor": "driver-b.svg", "button": "button.svg",
}  # fmt: skip


def test_every_part_of_a_netlist_is_in_its_drawing(hardware: Any) -> None:
    parts = Counter(part.circuit for part in hardware.netlist_parts())
    assert parts == {"power": 6, "gate": 29, "driver_a": 3, "driver_b": 5, "motor": 1, "button": 3}
    for part in hardware.netlist_parts():
        shown = " ".join(words(HW / "drawings" / SHOWN_IN[part.circuit]))
        if part == ("driver_a", "U", "ULN2803A"):
            continue  # the chip is the drawing itself
        assert re.search(rf"\b{part.ref}\b", shown), part


def test_drawings_of_transistors_and_chips_name_their_legs(hardware: Any) -> None:
    gate = words(HW / "drawings/gate.svg")
    for words_of_legs in ("C", "B", "E", "G", "S", "D", "1", "2", "3", "8 3.3 V", "4 ground"):
        assert words_of_legs in gate, words_of_legs
    assert any("G is leg 1, S leg 2, D leg 3" in word for word in gate)
    driver = words(HW / "drawings/driver-b.svg")
    assert {"G", "S", "D"} <= set(driver)
    for motor in hardware.read().motors:
        assert motor.name in driver


def test_the_drawings_name_each_motor_and_its_pin(hardware: Any) -> None:
    for motor in hardware.read().motors:
        header = hardware.HEADER[motor.pin]
        wiring = words(HW / "drawings/wiring.svg")
        assert motor.name in wiring
        assert f"GPIO {motor.pin} ({header})" in wiring
        layout = words(HW / "drawings/layout.svg")
        assert any(word.startswith(f"{motor.name} (GPIO {motor.pin})") for word in layout)
        chip = words(HW / "drawings/driver-a.svg")
        assert f"GPIO {motor.pin} (header {header})" in chip


def test_each_motor_lies_on_its_side_and_under_its_point(hardware: Any) -> None:
    mat = hardware.read()
    places = hardware.PLACES_CM
    assert sorted(places) == sorted(motor.name for motor in mat.motors)
    for motor in mat.motors:
        assert (places[motor.name][0] > 0) == (motor.side == "right"), motor.name
    # Two finger widths from the spine; the outer side of the hips, below the waist.
    assert [places[name] for name in hardware.POINTS_AT["BL23"]] == [(-4, 0), (4, 0)]
    assert all(abs(places[name][0]) > 15 for name in hardware.POINTS_AT["GB30"])


def test_plates_lie_apart_and_inside_the_mat(hardware: Any) -> None:
    """On a mat of 68 x 42 cm, with a finger's width of foam between two plates."""
    places = list(hardware.PLACES_CM.items())
    side = hardware.PLATE_CM
    for i, (one, (x, y)) in enumerate(places):
        assert abs(x) + side / 2 <= 21, one
        for other, (u, v) in places[:i]:
            assert max(abs(x - u), abs(y - v)) >= side + 1.5, (one, other)
    sys.path.insert(0, str(HW / "mechanics"))
    try:
        import cup
    finally:
        sys.path.remove(str(HW / "mechanics"))
    assert side * 10 == cup.PLATE


CONTACTS = 2
"""Of the start button."""

OHM = {"k": " kΩ", "n": " nF", "u": " µF"}


def test_the_parts_list_holds_every_part_of_the_netlists_and_of_the_mat(hardware: Any) -> None:
    motors = len(hardware.read().motors)
    sections = {
        "power": "power", "gate": "gate", "driver_a": "driver A", "driver_b": "driver B",
        "motor": "mat", "button": "control",
    }  # fmt: skip
    bom = hardware.bom()
    listed = {(row["section"], ref): row for row in bom for ref in row["references"].split()}
    parts = {(sections[part.circuit], part.ref): part for part in hardware.netlist_parts()}
    assert sorted(listed) == sorted(parts)
    for key, part in parts.items():
        rating = listed[key]["rating"]
        if part.ref[0] in "RC":
            unit = OHM.get(part.value[-1], " Ω")
            assert rating.startswith(part.value.rstrip("knu") + unit), part
        elif part.ref == "ptc":
            assert listed[key]["example"].replace("-", "").endswith(part.value), part
        elif part.ref == "F1":
            assert rating.replace(" ", "").startswith(part.value), part
        elif part.ref != "S1":
            assert rating.startswith(part.value.removeprefix("D")), part
    for row in bom:
        refs = len(row["references"].split())
        if row["references"]:
            a_stage = {"gate": 1, "power": 1, "control": CONTACTS}.get(row["section"], motors)
            count = math.ceil(motors / 8) if row["references"] == "U" else refs * a_stage
            assert int(row["quantity"]) == count, row
    for part in ("Vibration motor", "One-shot thermal cut-off"):
        assert [int(row["quantity"]) for row in bom if row["part"] == part] == [motors]


def test_the_simulated_board_has_the_pull_down_of_both_drivers(hardware: Any) -> None:
    found = {part.circuit: part.value for part in hardware.netlist_parts() if part.ref == "Rp"}
    assert found == dict.fromkeys(("driver_a", "driver_b"), f"{board.GATE_OHM / 1000}k")


def test_supply_fuse_and_ptc_follow_from_the_mat_file(hardware: Any) -> None:
    """Motors < what the file allows = the fuse < the supply; a motor < its PTC."""
    mat = hardware.read()
    ratings = {row["part"]: row["rating"] for row in hardware.bom()}
    assert sum(motor.start_ma for motor in mat.motors) <= mat.max_ma
    assert ratings["Fuse with its holder"].startswith(f"T {mat.max_ma // 1000} A")
    assert ratings["Plug-in supply for the motors"].startswith("5 V 3 A")
    assert ratings["Resettable fuse (PTC)"].startswith("0.25 A hold")
    assert all(motor.start_ma <= hardware.PTC_HOLD_MA for motor in mat.motors)


def test_the_mat_file_takes_what_driver_a_needs(hardware: Any) -> None:
    told = (HW / "README.md").read_text(encoding="utf-8")
    build = (HW / "build.md").read_text(encoding="utf-8")
    for text in (told, build):
        assert "`cap: 80%`, `start: 76%` and `hold: 42%`" in " ".join(text.split())
    text = (HW / "mat.yaml").read_text(encoding="utf-8")
    text = text.replace("start: 56%, hold: 32%, cap: 72%", "start: 76%, hold: 42%, cap: 80%")
    mat = hardware.read_mat(text.encode(), "hw/mat.yaml")
    assert {(m.start_pct, m.hold_pct, m.cap_pct) for m in mat.motors} == {(76, 42, 80)}


def test_inner_wires_join_each_ground_to_the_star_point_by_a_wire_of_its_own(hardware: Any) -> None:
    import wiring

    star = "supply's board: ground, which is the star point"
    grounds = [(origin, end) for origin, end, _ in wiring.INSIDE if "star point" in end]
    assert [origin for origin, end in grounds if end != star] == [
        "motor gate, ground", "driver, ground", "Pi, header 6",
    ]  # fmt: skip
    assert any("star point" in word for word in words(HW / "drawings/wiring.svg"))


def test_troubleshooting_has_every_fault_code_of_the_program(hardware: Any) -> None:
    text = (HW / "troubleshooting.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE)
    assert sorted(table) == sorted(FAULT_CODES)


BOARD_NAMES = ("gate", "driver-a", "driver-b", "power", "button")


@pytest.mark.parametrize("name", BOARD_NAMES)
def test_board_joins_what_its_netlist_joins_and_nothing_else(hardware: Any, name: str) -> None:
    import boards

    assert sorted(boards.BOARDS) == sorted(BOARD_NAMES)
    assert boards.differences(boards.BOARDS[name]()) == []


@pytest.mark.parametrize("name", BOARD_NAMES)
def test_board_with_a_wire_left_out_or_a_solder_bridge_is_told(hardware: Any, name: str) -> None:
    """Every wire is needed, and any two neighbouring nets that touch are found."""
    import boards

    board = boards.BOARDS[name]()
    for i in range(len(board.wires)):
        less = board._replace(wires=board.wires[:i] + board.wires[i + 1 :])
        assert boards.differences(less) != [], board.wires[i]
    group = boards.groups(board)
    for x, y in group:
        for other in ((x + 1, y), (x, y + 1)):
            if group.get(other, group[x, y]) != group[x, y]:
                bridged = board._replace(wires=(*board.wires, ((x, y), other)))
                assert boards.differences(bridged) != [], ((x, y), other)


def test_board_of_the_gate_keeps_its_timing_away_from_the_supplies(hardware: Any) -> None:
    """Flux between Ct and a supply would hold the rail on: no hole of its net is beside one."""
    import boards

    board = boards.BOARDS["gate"]()
    legs = {(part.name, leg): hole for part in board.parts for leg, hole in part.legs.items()}
    group = boards.groups(board)
    holes = {
        net: {h for h, n in group.items() if n == group[legs[leg]]}
        for net, leg in {"ct": ("Ct", "1"), "v33": ("Re", "1"), "vin": ("Rm", "1")}.items()
    }
    assert ("U1", "2") in board.nets
    near = {(x + dx, y + dy) for x, y in holes["ct"] for dx in (-1, 0, 1) for dy in (-1, 0, 1)}
    assert not near & (holes["v33"] | holes["vin"])


def test_boards_fit_the_perfboard_of_the_parts_list(hardware: Any) -> None:
    import boards

    (perfboard,) = [row for row in hardware.bom() if row["part"] == "Perfboard"]
    across, down = (int(n) for n in re.findall(r"(\d+) x (\d+) holes", perfboard["rating"])[0])
    for name in ("gate", "driver-a", "driver-b"):
        width, height = boards.BOARDS[name]().size
        assert (width <= across, height <= down) == (True, True), name
    small = [boards.BOARDS[name]().size for name in ("power", "button")]
    assert sum(size[0] for size in small) <= across


@pytest.mark.parametrize("name", BOARD_NAMES)
def test_drawing_of_a_board_names_every_part_and_where_each_wire_leads(
    hardware: Any, name: str
) -> None:
    import boards

    board = boards.BOARDS[name]()
    shown = words(HW / f"drawings/board-{name}.svg")
    for part in board.parts:
        assert any(word.startswith(part.name) for word in shown), part
    assert [label for label in board.labels.values() if label not in shown] == []


def test_label_at_the_socket_says_what_the_mat_takes() -> None:
    assert "**5 V, centre plus, 3 A. No other adapter.**" in (HW / "build.md").read_text("utf-8")


@pytest.mark.parametrize("path", sorted(HW.glob("*.md")), ids=lambda path: path.name)
def test_links_of_the_documents_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert target.startswith("http") or (path.parent / target).exists(), target


# ---- motors that one can buy


def test_motors_files_are_made_from_the_figures_of_the_motors(hardware: Any) -> None:
    import motors

    for path, content in motors.files().items():
        assert path.read_text("utf-8") == content, f"{path.name}: run python hw/motors.py"


@pytest.mark.parametrize("name", ["307-103", "306-10h"])
def test_motors_mat_file_takes_every_shipped_profile(hardware: Any, name: str) -> None:
    import motors

    assert name in [motor.name.lower() for motor in motors.MOTORS]
    profiles = sorted(map(str, (ROOT / "profiles").glob("*.yaml")))
    done = subprocess.run(
        [sys.executable, "-m", "firmware_ctl", "check", "--mat", f"hw/mat-{name}.yaml", *profiles],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout.count(": valid\n")) == (0, len(profiles)), done.stderr


def test_motors_stay_within_ptc_supply_and_far_from_the_pwm(hardware: Any) -> None:
    import motors

    for motor in motors.MOTORS:
        mat = hardware.read_mat(motors.mat_path(motor).read_bytes(), motor.name)
        assert sum(one.start_ma for one in mat.motors) <= mat.max_ma
        assert {one.start_ma for one in mat.motors} == {hardware.PTC_HOLD_MA}
        # PWM turns a motor up to a tenth faster than the same share of DC.
        assert mat.pwm_hz - 1.1 * motor.turns_hz > 40


def test_motors_on_driver_a_get_a_quarter_more_duty_for_the_volt_that_it_loses(
    hardware: Any,
) -> None:
    import motors

    more = [
        int(pct * 5 / 4) for pct in (motors.MOTORS[0].cap_pct, motors.START_PCT, motors.HOLD_PCT)
    ]
    said = "`cap: {}%`, `start: {}%` and `hold: {}%`".format(*more)
    for name in ("README.md", "build.md"):
        assert said in " ".join((HW / name).read_text("utf-8").split()), said
    assert len({motor.cap_pct for motor in motors.MOTORS}) == 1


def test_motors_of_the_parts_list_and_of_the_cups_are_these(hardware: Any) -> None:
    import motors

    (listed,) = [row for row in hardware.bom() if row["part"] == "Vibration motor"]
    sys.path.insert(0, str(HW / "mechanics"))
    try:
        import cup
    finally:
        sys.path.remove(str(HW / "mechanics"))
    first, second = motors.MOTORS
    assert first.name in listed["example"]
    assert second.name in listed["alternatives"]
    assert [(c.motor, c.body, c.length) for c in cup.CUPS] == [
        (motor.name, motor.diameter_mm, motor.length_mm) for motor in motors.MOTORS
    ]


# ---- the parts list


def test_parts_list_says_of_each_part_where_it_is_or_that_nothing_was_found(hardware: Any) -> None:
    for row in hardware.bom():
        assert None not in row, row
        assert all(row[name] for name in ("order_1", "order_2", "price")), row
        assert row["price"] == "none found" or re.search(r"\d+\.\d\d (EUR|USD)", row["price"]), row


@pytest.mark.parametrize(
    "part",
    [
        "DC socket", "Box", "Cable gland", "Jumper wires", "Screw terminals", "Crimp sleeves",
        "Heat-shrink", "Polyimide tape", "Glue for motors", "Glue for the cups", "Socket for U1",
        "Perfboard", "Thermometer", "Weight of 24 N", "Spare fuse", "Foam under", "Cup", "Strip",
        "Label for the lid", "22 Ω", "33 kΩ", "silicone",
    ],
)  # fmt: skip
def test_parts_list_has_what_the_guide_uses(hardware: Any, part: str) -> None:
    assert any(part in row["part"] or part in row["rating"] for row in hardware.bom())


# ---- version, label, guide


def test_version_of_the_hardware_is_the_newest_of_its_history_and_on_the_label(
    hardware: Any,
) -> None:
    text = (HW / "README.md").read_text("utf-8")
    history = text[text.index("## Versions of the hardware") :]
    versions = re.findall(r"^\| (\d+\.\d+) \|", history, re.MULTILINE)
    assert versions[0] == hardware.VERSION
    assert versions == sorted(versions, reverse=True)
    assert any(word.endswith(f"hardware {hardware.VERSION}") for word in words(LABEL))


LABEL = HW / "drawings/label-box.svg"


def test_label_of_the_box_names_everyone_who_should_ask_a_doctor_first() -> None:
    readme = " ".join((HW / "README.md").read_text("utf-8").split())
    told = re.findall(r"ask a doctor first\*\*: in (.*?), and for children", readme)[0]
    told = re.sub(r" \([^)]*\)|with a ", "", told)
    shown = " ".join(words(LABEL))
    assert [who for who in told.split(", ") if who.removeprefix("a ") not in shown] == []
    assert "children" in shown


def test_guide_has_no_remedy_that_takes_the_foam_away() -> None:
    for path in HW.glob("*.md"):
        text = path.read_text("utf-8")
        assert not re.search("foam out|less foam|without foam", text), path.name
    build = " ".join((HW / "build.md").read_text("utf-8").split())
    assert build.count("at least 10 mm") >= 2
    assert "at most 41 °C" in build
