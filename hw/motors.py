"""Motors that can be bought, and what follows from each: `python hw/motors.py` writes `motors.md`
and a mat file for each motor.

This module holds only the published figures of each motor, with their source. All other figures
are calculated from them.
"""

import re
from math import pi
from pathlib import Path
from typing import Final, NamedTuple

from build_data import HW, PTC_HOLD_MA, read

from firmware_ctl.config.mat import read_mat
from firmware_ctl.timeline.heat import SKIN_C, SUPPLY_V, SURFACE_LIMIT_C, WORST_SURFACE

TABLE: Final = "https://makeabilitylab.github.io/physcomp/advancedio/vibromotor.html"
SHOP: Final = "https://www.precisionmicrodrives.com/product/"
SLED_G: Final = 100
"""Mass on which the maker measures the amplitude in g. Assumed: the table does not give it."""

PWM_HZ: Final = 400
"""Higher than the reference mat's 250 Hz, because these motors turn 230 times a second."""


class Motor(NamedTuple):
    name: str
    page: str
    rated_v: float
    run_ma: int
    rpm: int
    amplitude_g: float
    diameter_mm: float
    length_mm: float

    @property
    def turns_hz(self) -> float:
        return self.rpm / 60

    @property
    def force_n(self) -> float:
        return self.amplitude_g * 9.81 * SLED_G / 1_000

    @property
    def unbalance_gmm(self) -> float:
        return self.force_n / (2 * pi * self.turns_hz) ** 2 * 1e6

    @property
    def cap_pct(self) -> int:
        return round(100 * self.rated_v / SUPPLY_V)

    def displacement_um(self, mass_g: float) -> float:
        """How far the spinning weight moves a mass."""
        return self.unbalance_gmm / mass_g * 1_000


MOTORS: Final = (
    Motor(
        "307-103", f"{SHOP}307-103-9mm-vibration-motor-25mm-type", 3.0, 100, 13_800, 7.0, 8.7, 25.1
    ),
    Motor(
        "306-10H", f"{SHOP}306-10h-7mm-vibration-motor-25mm-type", 3.0, 50, 13_800, 1.84, 7.0, 24.5
    ),
)

START_PCT: Final = 50
HOLD_PCT: Final = 36
"""Guesses: no table that was found gives them. `firmware-ctl wiring --calibrate` measures both."""


def mat_path(motor: Motor) -> Path:
    return HW / f"mat-{motor.name.lower()}.yaml"


def mat_file(motor: Motor) -> str:
    """The text of the reference mat with this motor, including the comments."""
    text = (HW / "mat.yaml").read_text(encoding="utf-8")
    shipped = next(iter(read().motors))
    old = (
        f"start: {shipped.start_pct}%, hold: {shipped.hold_pct}%, cap: {shipped.cap_pct}%, "
        f"kick: 120ms, run_ma: {shipped.run_ma}, start_ma: {shipped.start_ma}"
    )
    new = (
        f"start: {START_PCT}%, hold: {HOLD_PCT}%, cap: {motor.cap_pct}%, "
        f"kick: 120ms, run_ma: {motor.run_ma}, start_ma: {PTC_HOLD_MA}"
    )
    if text.count(old) != len(read().motors):
        raise SystemExit("hw/mat.yaml does not have the same motor line for each of its motors")
    comment = f"""# The figures are for Precision Microdrives' {motor.name}
# ({motor.rated_v:g} V, {motor.run_ma} mA, {motor.rpm} rpm: hw/motors.md), on 5 V:
#   cap    {motor.cap_pct} %    the duty at level 100: {motor.rated_v:g} V of 5 V
#   start  {START_PCT} %    the duty that starts it from rest; a guess
#   hold   {HOLD_PCT} %    the duty that keeps it turning; a guess
#   kick   120ms   the highest duty from rest, to get past `start` quickly
# `firmware-ctl wiring --calibrate` measures `start` and `hold`. No source gives the starting
# current: `start_ma` is the most that the PTC carries, and step 1 of the build guide shows whether
# your motor stays below it.
"""
    text = text.replace(old, new).replace("name: Reference mat", f"name: Mat with {motor.name}")
    old_comment = r"# The figures are for .*?(?=# `cap` of a zone)"
    text = re.sub(old_comment, comment, text, flags=re.DOTALL)
    text = re.sub(
        r"# How often a motor is.*?pwm_hz: \d+",
        f"""# How often a motor is switched on and off each second. These motors turn
# {motor.turns_hz:.0f} times a second: near that, at 200 or 250 Hz, the vibration swells and fades.
# See docs/decisions/0014-pwm-frequency.md.
pwm_hz: {PWM_HZ}""",
        text,
        flags=re.DOTALL,
    )
    text = text.replace(
        "All eight motors started at once draw 1200 mA.",
        f"All eight motors started at once draw {8 * PTC_HOLD_MA} mA.",
    )
    return "# Made from mat.yaml by `python hw/motors.py`.\n" + text


class N20:
    """M5Stack U059: figures of its maker's page, and what a mat with eight of them would need."""

    page = "https://docs.m5stack.com/en/unit/vibrator"
    run_ma = 424
    """At half duty."""
    start_factor = 2.5
    """Starting current over running current; a guess. Data sheets of massage motors have 2 to 5."""
    ptc_ma = 1_100
    rail_ohm = 0.06
    """M1 of the gate, AO3401A at -4.5 V."""
    package_k_per_w = 125
    """Thermal resistance of an SOT-23 on a small board."""

    @property
    def start_ma(self) -> float:
        return self.run_ma * self.start_factor

    @property
    def watt(self) -> float:
        return self.run_ma * SUPPLY_V / 1_000

    def rail_switch_warming_k(self, ma: float) -> float:
        return (ma / 1_000) ** 2 * self.rail_ohm * self.package_k_per_w


def n20_rows(max_ma: int) -> list[tuple[str, str, str]]:
    n20 = N20()
    most_at_once = max_ma // n20.run_ma
    all_ma = 8 * n20.run_ma
    allowed_w = (SURFACE_LIMIT_C - SKIN_C) / WORST_SURFACE.k_per_w
    resistances = "60 mΩ x 125 K/W"
    drop_v = 0.0178 * 2 / 0.25 * max_ma / 1_000
    return [
        (
            "running current, starting current of one",
            f"{n20.run_ma} mA, {n20.start_ma:.0f} mA",
            "its maker's page, at half duty; the factor 2.5 is a guess",
        ),
        ("all eight at once", f"{all_ma} mA", f"8 x {n20.run_ma} mA"),
        (
            "M1 of the gate at that current",
            f"{n20.rail_switch_warming_k(all_ma):.0f} K warmer",
            f"({all_ma / 1000:.1f} A)² x {resistances}: too much",
        ),
        (
            "M1 at the fuse's current",
            f"{n20.rail_switch_warming_k(max_ma):.0f} K warmer",
            f"({max_ma / 1000:.0f} A)² x {resistances}",
        ),
        (
            "so the most that may run at once",
            f"{most_at_once} motors",
            f"{max_ma} mA / {n20.run_ma} mA; the program keeps to `max_ma`",
        ),
        ("supply and fuse", "5 V 3 A, T 2 A", "unchanged, because of the row above"),
        (
            "PTC",
            f"{n20.ptc_ma / 1000:.1f} A hold",
            f"above {n20.start_ma:.0f} mA; MF-R110 in the series of MF-R025",
        ),
        (
            "red core of the cable",
            f"{drop_v:.2f} V lost with 0.25 mm²",
            "2 m, one way; use 0.75 mm², or three cores",
        ),
        ("driver", "B", "driver A carries at most 500 mA at each output and loses 1 V"),
        ("heat of one motor at half duty", f"{n20.watt:.1f} W", f"{n20.run_ma} mA x 5 V"),
        (
            "surface over it, if it never pauses",
            f"{SKIN_C + n20.watt * WORST_SURFACE.k_per_w:.0f} °C",
            f"{SKIN_C:.0f} °C + {n20.watt:.1f} W x {WORST_SURFACE.k_per_w:g} K/W: `check` refuses",
        ),
        (
            "so it may run for",
            f"{100 * allowed_w / n20.watt:.0f} % of the time",
            f"a mean of {allowed_w:.2f} W gives {SURFACE_LIMIT_C:.0f} °C",
        ),
    ]


def document() -> str:
    lines = [
        "# Motors",
        "",
        "Made by `python hw/motors.py`; a test makes it again and compares. Nothing was measured.",
        "",
        "The motor of the first drawings, DEV-3408E03, has a data sheet of 2008, and no seller was",
        "found. A table of the Makeability Lab gives figures of the two motors below and links to",
        f"the maker's pages ([table]({TABLE}),",
        "read in November 2026). Whether a shop has them today, and at what price, is not known:",
        "ask before you plan. `307-103` is the first choice: it shakes four times as hard, and",
        "others have put eight of them into the foam of a cushion, or some into a vest.",
        "",
        "| | " + " | ".join(f"[{m.name}]({m.page})" for m in MOTORS) + " |",
        "|---" * (1 + len(MOTORS)) + "|",
    ]
    rows = [
        ("diameter x length, mm", lambda m: f"{m.diameter_mm:g} x {m.length_mm:g}"),
        ("rated", lambda m: f"{m.rated_v:g} V, {m.run_ma} mA"),
        ("speed", lambda m: f"{m.rpm} rpm, {m.turns_hz:.0f} Hz"),
        ("amplitude", lambda m: f"{m.amplitude_g:g} g"),
        ("so force, if the amplitude is the peak on 100 g", lambda m: f"{m.force_n:.1f} N"),
        ("so unbalance (mass times radius)", lambda m: f"{m.unbalance_gmm:.2f} g mm"),
        (
            "so it moves 100 g by, and 300 g by",
            lambda m: f"{m.displacement_um(100):.0f} µm, {m.displacement_um(300):.0f} µm",
        ),
        ("`cap` on 5 V", lambda m: f"{m.cap_pct} %"),
        ("heat at the cap", lambda m: f"{m.run_ma * SUPPLY_V / 1000:.2f} W"),
        ("starting current, starting voltage", lambda m: "found in no source: step 1 measures it"),
        ("mat file", lambda m: f"[{mat_path(m).name}]({mat_path(m).name})"),
        ("cup", lambda m: f"[section](mechanics/cup-{m.name.lower()}.svg)"),
    ]
    lines += [f"| {what} | {' | '.join(show(m) for m in MOTORS)} |" for what, show in rows]
    lines += [
        "",
        "If the maker's amplitude is from peak to peak, force, unbalance and movement are half as",
        "large.",
        "The buttocks are reported to feel 14 µm (Wilska 1954, not checked in the original).",
        "",
        "## If both are too weak: a motor of the N20's kind",
        "",
        f"[M5Stack's vibrator unit]({N20.page}) (U059), eight of them.",
        "Only supply, fuse and PTCs are designed for it. There is no cup and no mat file, because",
        "its heat allows only short runs.",
        "",
        "| what | figure | calculation |",
        "|---|---|---|",
    ]
    lines += [f"| {' | '.join(row)} |" for row in n20_rows(read().max_ma)]
    return "\n".join(lines) + "\n"


def files() -> dict[Path, str]:
    return {HW / "motors.md": document(), **{mat_path(motor): mat_file(motor) for motor in MOTORS}}


if __name__ == "__main__":
    for path, content in files().items():
        path.write_text(content, encoding="utf-8")
        if path.suffix == ".yaml":
            read_mat(content.encode(), str(path))
