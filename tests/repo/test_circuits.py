"""The circuits of `hw/`, in ngspice, over the ends of their data sheets: rows 27 to 29 of the fault
table, and what the build guide promises that a meter shows."""

import os
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

from firmware_ctl import limits
from firmware_ctl.timeline import heat
from tests.support.process import ROOT

CIRCUITS = ROOT / "hw/circuits"
BUILD = ROOT / "hw/build.md"


@pytest.fixture(scope="module")
def circuits() -> Iterator[Any]:
    """The modules of `hw/circuits`, by name."""
    sys.path.insert(0, str(CIRCUITS))
    try:
        if not import_module("bench").is_installed() and os.environ.get("CI") != "true":
            pytest.skip(
                "ngspice is not installed (apt-get install --no-install-recommends ngspice)"
            )
        yield import_module
    finally:
        sys.path.remove(str(CIRCUITS))


@pytest.fixture(scope="module")
def figures(circuits: Any) -> ModuleType:
    found: ModuleType = circuits("figures")
    return found


def hold(rows: list[Any], *names: str) -> None:
    """Every row keeps its limits, and the rows that this is about are among them."""
    assert [row for row in rows if not row.holds] == []
    found = [row.what for row in rows]
    assert [name for name in names if not any(name in what for what in found)] == []


def test_gate_one_beat_holds_the_rail_for_260_to_400_ms(circuits: Any) -> None:
    gate = circuits("gate_figures")
    hold(
        gate.hold(),
        "a single beat up, from rest, shortest",
        "the last of many beats, down, longest",
    )
    assert gate.shortest().low > limits.TICK_LATE_MS


def test_gate_figures_are_of_beats_no_more_frequent_than_the_program_makes(circuits: Any) -> None:
    assert limits.TICK_MS <= circuits("gate_figures").BEAT_MS
    assert circuits("gate_figures").shortest().low > 3 * circuits("gate_figures").BEAT_MS


@pytest.mark.parametrize(("tick_ms", "late_ms"), [(20, 250), (40, 250), (50, 200)])
def test_gate_with_other_beats_of_the_program_still_holds(
    circuits: Any, tick_ms: int, late_ms: int
) -> None:
    """No beat time is built into the circuit or into its figures."""
    gate = circuits("gate_figures")
    weakest, slowest = gate.shortest().low_parts, gate.longest().high_parts
    assert gate.lowest_v([50.0 + late_ms * i for i in range(4)], weakest) > 4.5
    for count in (10, 11):
        assert gate.hold_ms(gate.ticks(50, count, tick_ms), weakest) > gate.LEAST_MS
        assert gate.hold_ms(gate.ticks(50, count, tick_ms), slowest) < gate.MOST_MS


def test_gate_a_beat_that_comes_too_late_lets_the_rail_fall(circuits: Any) -> None:
    """The row about late beats can fail: beats later than the shortest hold leave a gap."""
    gate = circuits("gate_figures")
    weakest = gate.shortest()
    late = [50.0 + (weakest.low + 20) * i for i in range(4)]
    assert gate.lowest_v(late, weakest.low_parts) < 0.5


def test_gate_at_rest_without_a_load_is_off_at_the_lowest_threshold(circuits: Any) -> None:
    gate = circuits("gate_figures")
    hold(gate.rest(), "worst over all tolerances and leakage", "the same, 3.3 V never comes")


def test_gate_with_the_old_pull_up_of_its_switch_leaks_at_rest(circuits: Any) -> None:
    """With 47 kOhm, a hot M1 of the lowest threshold puts volts on a rail without a load."""
    gate, bench = circuits("gate_figures"), circuits("bench")
    hot = {"vth_p": 0.5, "temp": 60.0, "v5": 5.25, "ileak": 1e-6}
    old = bench.edited(gate.GATE, {"Rm": "Rm vin g 47k"})
    assert gate.resting_mv(gate.beats([]), hot, circuit=old) > gate.REST_MV


def test_read_back_tells_on_from_off_and_a_broken_divider_harms_no_pin(circuits: Any) -> None:
    hold(circuits("gate_figures").read_back(), "strongest pull-down", "Rn shorted", "Ro open")


def test_driver_at_work_keeps_its_drain_and_its_pin_within_limits(circuits: Any) -> None:
    hold(circuits("driver_figures").drivers(), "A: highest drain", "B: pin current")


def test_driver_without_its_diode_lets_the_drain_rise(circuits: Any) -> None:
    driver, bench = circuits("driver_figures"), circuits("bench")
    bare = bench.edited(driver.DRIVERS["B"], {"Dfly": "", "Csup": ""})
    driver.DRIVERS["bare"] = bare
    high = [f".meas tran high MAX v(xd.d) {driver.WINDOW}"]
    assert driver.switching("bare", 90, high, {"lmotor": 1e-3})["high"] > 5.25 + 0.6


def test_motor_at_the_duty_of_its_cap_starts_and_the_pwm_is_far_from_its_speed(
    circuits: Any,
) -> None:
    driver = circuits("driver_figures")
    hold(
        driver.duty_at_cap(),
        "DC voltage of the same starting torque, lowest",
        "PWM frequency above that by",
    )
    assert driver.MAT.pwm_hz >= 200


def test_mat_file_says_what_the_duty_of_the_cap_really_is(circuits: Any) -> None:
    """The figures in the comment of `mat.yaml` are those of the simulation."""
    rows = {row.what: row.value for row in circuits("driver_figures").duty_at_cap()}
    text = " ".join((ROOT / "hw/mat.yaml").read_text("utf-8").replace("#", " ").split())
    assert f"up to {rows['fastest motor at the cap']:.0f} turns a second" in text
    least, most = (
        rows[f"B, 72 %: DC voltage of the same speed, {end}"] for end in ("lowest", "highest")
    )
    power = rows["B, 72 %: more power than at 3.6 V DC"]
    heat = rows["B, 72 %: more heat in the winding than at 3.6 V DC, most"]
    assert f"as fast as {least:.1f} to {most:.1f} V of DC" in text
    assert f"{round(power / 5) * 5} % more power" in text
    assert f"up to {round(heat / 5) * 5} % more heat" in text


def test_button_edges_fit_the_debounce_and_static_stays_out_of_the_pin(circuits: Any) -> None:
    hold(
        circuits("driver_figures").button(), "contact opens → pin reads high", "8 kV from a finger"
    )


def test_supply_bears_all_motors_of_the_shipped_mat_at_once(circuits: Any) -> None:
    hold(circuits("mat_figures").inrush(), "all motors from rest", "rail meanwhile")


def test_supply_of_12_v_or_with_its_poles_exchanged_is_held_by_the_suppressor(
    circuits: Any,
) -> None:
    rows = circuits("mat_figures").wrong_supply()
    hold(rows, "12 V, limited to 5.0 A: behind the fuse", "5 V reversed: behind the fuse")
    bare = next(row for row in rows if row.what == "12 V without the TVS: behind the fuse")
    assert bare.value > 11


def test_fault_27_a_mosfet_is_shorted_while_idle_and_while_running(circuits: Any) -> None:
    hold(
        circuits("mat_figures").fault_27(), "shorted while idle", "the same, slowest", "stop switch"
    )


def test_fault_28_a_motor_is_stalled_or_its_cable_shorted(circuits: Any) -> None:
    hold(
        circuits("mat_figures").fault_28(),
        "B, cable shorted, MOSFET on: first current",
        "a multiple of the chip's absolute maximum",
        "stalled, MOSFET shorted",
    )
    hold(
        circuits("heat_figures").all_day(),
        "stalled, MOSFET shorted: surface when the cut-off opens",
        "the same, cut-off bridged: surface in the end",
    )


def test_heat_of_each_shipped_profile_stays_below_cut_off_and_surface_limit(circuits: Any) -> None:
    figures = circuits("heat_figures")
    assert len(figures.entries()) == len(list((ROOT / "profiles").glob("*.yaml")))
    hold(figures.profiles(), *(f"{e.name}: surface, hottest build" for e in figures.entries()))


def test_heat_of_a_glass_fibre_plate_opens_a_cut_off_and_the_chosen_plate_does_not(
    circuits: Any,
) -> None:
    found = {row.what: row.value for row in circuits("heat_figures").plates()}
    first_c, _ = circuits("heat_figures").CUT_OFF_C
    assert found["glass fibre 40 x 40 x 2: motor, full-body once"] > first_c
    assert found["aluminium 60 x 60 x 2: motor, 15 min at the cap"] < first_c - 10
    assert found["aluminium 60 x 60 x 1.5: motor, 15 min at the cap"] < first_c - 10


def test_texts_say_the_heat_that_was_simulated(circuits: Any) -> None:
    figures = circuits("heat_figures")
    rows = {row.what: row.value for row in (*figures.profiles(), *figures.all_day())}
    motor_c = max(v for what, v in rows.items() if what.endswith("that motor, hottest build"))
    surface_c = max(rows[f"{e.name}: surface, hottest build"] for e in figures.entries())
    readme, decision = (
        " ".join((ROOT / name).read_text("utf-8").split())
        for name in ("hw/README.md", "docs/decisions/0008-the-motor.md")
    )
    assert motor_c < 49
    assert "no shipped profile warms a motor above 49 °C" in readme
    assert "no profile warms a motor above 49 °C" in decision
    assert surface_c < 37
    assert "or the surface above 37 °C" in readme
    opens_c = rows["stalled, MOSFET shorted: surface when the cut-off opens"]
    assert f"the surface has at most {opens_c:.0f} °C by then" in readme
    opens = "stalled, MOSFET shorted: 73 °C after, "
    fastest, slowest = rows[f"{opens}fastest"], rows[f"{opens}slowest"]
    assert f"opens its cut-off after {fastest:.0f} to {slowest:.0f} minutes" in readme
    never_c = rows["the same, cut-off bridged: surface in the end, hottest build"]
    assert f"it would go up to {never_c:.0f} °C" in readme
    bridged = [
        rows[f"the same, cut-off bridged: {what} in the end"] for what in ("motor", "surface")
    ]
    assert f"reaches {bridged[0]:.0f} °C in the end" in decision
    assert f"the surface then still has {bridged[1]:.0f} °C" in decision
    assert f"gives {heat.MOTOR.k_per_w:.0f} K/W" in decision


@pytest.mark.parametrize(("node", "path"), [("motor", "WORST_MOTOR"), ("skin", "WORST_SURFACE")])
def test_heat_of_the_program_is_never_below_the_network_and_close_to_it(
    circuits: Any, node: str, path: str
) -> None:
    figures = circuits("heat_figures")
    for minutes in (5, 15, 30, 60):
        network_k = (
            figures.temperature_range(figures.steady(1.0, minutes * 60), node)[1] - heat.SKIN_C
        )
        program_k = getattr(heat, path).after(0.0, 1.0, minutes * 60_000)
        assert network_k <= program_k <= 1.2 * network_k, minutes


def test_heat_of_the_simulated_motor_follows_the_network(circuits: Any) -> None:
    figures = circuits("heat_figures")
    for minutes in (5, 15, 30, 60):
        course = figures.steady(figures.CAP_W, minutes * 60)
        network_k = figures.peak_temperatures(course, {})["motor"] - heat.SKIN_C
        assert heat.MOTOR.after(0.0, figures.CAP_W, minutes * 60_000) == pytest.approx(
            network_k, abs=2.0
        )


def test_ptc_model_is_as_slow_as_its_data_sheet_allows(circuits: Any) -> None:
    """MF-R025: at 1.25 A it trips within 2.5 s; at 0.25 A never, even with 3 ohm after a trip."""
    run = circuits("bench").run
    bench = """
V1 a 0 PWL(0 0 1m {volts})
R1 a b {ohm}
X1 b 0 MFR025
.tran 10m 60 0 20m
"""
    trips = [".meas tran trips WHEN v(x1.warm)=75 RISE=1"]
    slow = run("", bench.format(volts=5.25, ohm=5.25 / 1.25 - 1.0), trips, {"rptc": 1.0})
    assert 2.0 < slow["trips"] < 2.6
    assert run("", bench.format(volts=5.0, ohm=17.0), trips, {"rptc": 3.0}) == {}


def test_fault_29_pins_float_or_are_stuck_and_the_heartbeat_stops(figures: ModuleType) -> None:
    hold(
        figures.fault_29(),
        "heartbeat pin stuck high",
        "heartbeat stops low → rail off",
        "the Pi's 3.3 V falls within 1 s",
        "B: gate, strongest pull-up",
        "A: input, strongest pull-up",
    )


def test_driver_without_its_pull_down_has_its_gate_above_the_threshold(circuits: Any) -> None:
    driver = circuits("driver_figures")
    bare_v = driver.floating_pin("B", driver.PULLED_UP, "v(xd.g)", {"Rp": 1e6})
    assert bare_v > driver.THRESHOLD_V[0]


def test_gate_no_single_fault_leaves_the_rail_on_unseen(circuits: Any) -> None:
    gate = circuits("gate_figures")
    found = gate.single_faults()
    parts = [name for _, _, (name, *_) in circuits("bench").parts(gate.GATE)]
    assert {fault.part for fault in found} == {circuits("bench").reference(name) for name in parts}
    assert [fault for fault in found if fault.detected_by == "nothing"] == []


# ---- the build guide


def test_check_on_a_correct_build_shows_its_range(circuits: Any) -> None:
    found = [r for r in circuits("checks").readings() if not r.mistake.what and not r.is_right]
    assert found == []


def test_check_on_each_mistake_that_it_is_there_for_misses_its_range(circuits: Any) -> None:
    found = [r for r in circuits("checks").readings() if r.mistake.what and not r.is_caught]
    assert found == []


def test_check_that_cannot_show_a_mistake_is_said_to(circuits: Any) -> None:
    """What stands in the document as shown by no check really passes the nearest one."""
    found = circuits("checks").undetected()
    assert [reading.mistake.what for reading, _ in found] == [
        "Q2 turned round",
        "Q3 turned round",
        "a cut-off that was bridged",
    ]
    assert [reading for reading, _ in found if not reading.is_right] == []


def test_guide_and_readme_say_what_was_simulated_elsewhere(circuits: Any) -> None:
    """Figures of the texts that are no check of a meter."""
    build, readme = (
        " ".join((ROOT / f"hw/{name}").read_text("utf-8").split())
        for name in ("build.md", "README.md")
    )
    wrong = {row.what: row.value for row in circuits("mat_figures").wrong_supply()}
    held = [wrong[f"12 V, limited to {amps} A: behind the fuse"] for amps in ("1.5", "5.0")]
    assert 7 <= min(held) <= max(held) <= 8
    assert "D1 holds the mat at 7 to 8 V" in build
    assert wrong["5 V reversed: behind the fuse"] == pytest.approx(-1, abs=0.3)
    assert "it holds the mat at -1 V" in build
    assert wrong["TVS turned round: behind the fuse"] == pytest.approx(1, abs=0.3)
    assert "about 1 V: D1 is turned round" in build
    short = {row.what: row.value for row in circuits("mat_figures").fault_28()}
    assert round(short["that current, as a multiple of the chip's absolute maximum"]) == 3
    assert "a short drives three times the current that the ULN2803A may carry" in build
    gate = circuits("gate_figures")
    assert f"on for {gate.LEAST_MS} to {gate.MOST_MS} ms" in readme
    turns = {row.what: row.value for row in circuits("driver_figures").duty_at_cap()}
    holds = [
        turns[f"{name}, its hold: DC voltage of the same speed"] for name in ("A, 42 %", "B, 32 %")
    ]
    assert holds[0] == pytest.approx(holds[1], rel=0.1)


def test_decision_on_the_pwm_says_how_far_each_frequency_is_from_the_motors(circuits: Any) -> None:
    rows = {row.what: row.value for row in circuits("driver_figures").duty_at_cap()}
    fastest = rows["fastest motor at the cap"]
    text = (ROOT / "docs/decisions/0014-pwm-frequency.md").read_text("utf-8")
    (row,) = [line for line in text.splitlines() if line.startswith("| nearest that")]
    said = [float(figure) for figure in re.findall(r"(\d+) Hz", row)]
    assert said == pytest.approx([0, 200 - fastest, 250 - fastest, 400 - fastest], abs=2)


@cache
def steps() -> dict[int, str]:
    """The guide's text by its steps, without line breaks."""
    parts = re.split(r"^## (\d+)\. ", BUILD.read_text("utf-8"), flags=re.MULTILINE)
    return {
        int(n): " ".join(text.split()) for n, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def test_guide_says_each_check_with_its_figures(circuits: Any) -> None:
    missing = [c.text for c in circuits("checks").CHECKS if c.text not in steps()[c.step]]
    assert missing == [], "hw/build.md and hw/circuits/checks.py differ"


MEASURED = re.compile(r"\b\d[\d.]*(?: to \d[\d.]*)? (?:V|kΩ|s)\b")


def test_guide_has_no_measured_figure_that_no_check_gives(circuits: Any) -> None:
    """In the steps that are simulated whole, the left column of a table has figures of checks only."""
    given: dict[int, str] = {}
    for check in circuits("checks").CHECKS:
        given[check.step] = given.get(check.step, "") + check.text + " "
    for step in (2, 3, 4):
        rows = re.findall(r"\| ([^|]*) \| [^|]* \|", steps()[step])
        stray = [m for row in rows for m in MEASURED.findall(row) if m not in given[step]]
        assert stray == [], f"step {step}"


# ---- the document

FIGURE = re.compile(r"-?\b\d+(\.\d+)?\b")


def test_document_has_these_figures(figures: ModuleType) -> None:
    """Other releases of ngspice step differently: words alike, figures to a twentieth."""
    was = (CIRCUITS / "figures.md").read_text(encoding="utf-8")
    now = figures.document()
    assert FIGURE.sub("#", now) == FIGURE.sub("#", was), "run python hw/circuits/figures.py"
    for before, after in zip(was.splitlines(), now.splitlines(), strict=True):
        old, new = ([float(m[0]) for m in FIGURE.finditer(line)] for line in (before, after))
        assert new == pytest.approx(old, rel=0.05, abs=0.3), after
