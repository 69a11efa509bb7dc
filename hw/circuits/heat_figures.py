"""Where the heat of a motor goes: plates compared, each shipped profile, a motor that stands still.

`heat.cir` is the network; all of its parts are taken 30 % either way.
"""

from functools import cache
from typing import Final, NamedTuple

from bench import Parts, Row, edited, netlist, parts, run, worst
from driver_figures import MAT, MOTOR, motor_ohm

from firmware_ctl.config.shipped import profiles_dir
from firmware_ctl.limits import DAILY_MS
from firmware_ctl.timeline import heat
from firmware_ctl.timeline.catalogue import GoodEntry
from firmware_ctl.timeline.folder import read_catalogue

HEAT: Final = netlist("heat.cir")
EITHER_WAY: Final = (0.7, 1.3)
ENDS: Final = {words[0]: EITHER_WAY for _, _, words in parts(HEAT)}

QUARTER_S: Final = 900
HALF_S: Final = 1_800
DAY_S: Final = DAILY_MS // 1_000

CUT_OFF_C: Final = (68.0, 73.0)
"""SEFUSE SF70E: where the first opens, and Tf, at which the last has opened."""

ONE_FAULT_C: Final = 43.0
"""The surface while something is broken: what ISO 13732-1 gives for eight hours of contact."""

CAP_W: Final = heat.SUPPLY_V * MOTOR.run_ma / 1_000
STALL_W: Final = heat.SUPPLY_V**2 / motor_ohm(MOTOR) * MOTOR.cap_pct / 100
SHORT_W: Final = 5.25**2 / motor_ohm(MOTOR)
"""Stalled behind a shorted MOSFET, with the supply at its highest."""


class Plate(NamedTuple):
    name: str
    side_m: float
    thick_m: float
    leads: float
    """W/mK"""
    holds: float
    """J/m3K"""

    def changes(self) -> dict[str, str]:
        """What differs in the network from the plate that it was written for."""
        spread = 1.70 / (6.283 * self.leads * self.thick_m) * self.side_m**0.5 / 0.06**0.5
        up = 0.01 / 0.04 / (self.side_m + 0.01) ** 2 / 2
        return {
            "Rspread": f"Rspread foot plate {spread:.4g}",
            "Cplate": f"Cplate plate 0 {self.side_m**2 * self.thick_m * self.holds:.4g}",
            "Rf1": f"Rf1 plate mid {up:.4g}",
            "Rf2": f"Rf2 mid skin {up:.4g}",
            "Rskin": f"Rskin skin 0 {1 / 20 / (self.side_m + 0.02) ** 2:.4g}",
            "Rbed": "Rbed plate 0 174",
        }


PLATES: Final = (
    Plate("glass fibre 40 x 40 x 2", 0.04, 0.002, 0.3, 1.85e6),
    Plate("aluminium 40 x 40 x 2", 0.04, 0.002, 180, 2.43e6),
    Plate("aluminium 60 x 60 x 1.5", 0.06, 0.0015, 180, 2.43e6),
    Plate("aluminium 60 x 60 x 2", 0.06, 0.002, 180, 2.43e6),
)

Course = tuple[tuple[float, float], ...]
"""Powers in watt, each with the seconds that it holds."""


def warmed(course: Course, changed: Parts, circuit: str = HEAT) -> dict[str, float]:
    """The most of each temperature under a course of powers, in °C."""
    points, at_s = [], 0.0
    for watt, for_s in course:
        points.append(f"{at_s + 0.001:.3f} {watt:.5f} {at_s + for_s:.3f} {watt:.5f}")
        at_s += for_s
    bench = f"""IP 0 motor PWL({" ".join(points)})
X1 motor plate skin HEAT
.tran {max(1, at_s / 400)} {at_s} 0 {max(1, at_s / 400)} uic
"""
    measures = [
        f".meas tran {node} MAX v({node}) FROM=0 TO={at_s}" for node in ("motor", "plate", "skin")
    ]
    return {node: heat.SKIN_C + k for node, k in run(circuit, bench, measures, changed).items()}


def steady(watt: float, for_s: float) -> Course:
    return ((watt, for_s),)


@cache
def entries() -> tuple[GoodEntry, ...]:
    return tuple(read_catalogue([profiles_dir()], MAT).good)


def courses(entry: GoodEntry) -> list[Course]:
    """Of each motor: what the program counts for it, phase by phase."""
    return [
        tuple((watt, ms / 1_000) for ms, watt in heat.power_course(entry.timeline, i))
        for i in range(len(MAT.motors))
    ]


def hottest(entry: GoodEntry) -> Course:
    """Of the motor that gets most heat in the whole session."""
    return max(courses(entry), key=lambda course: sum(watt * s for watt, s in course))


def ends(course: Course, node: str) -> tuple[float, float]:
    found = worst(lambda changed: warmed(course, changed)[node], ENDS)
    return found.low, found.high


@cache
def plates() -> list[Row]:
    """Which plate: `full-body` once, and the cap for a quarter of an hour."""
    (full,) = [entry for entry in entries() if entry.name == "full-body"]
    rows = []
    for plate in PLATES:
        circuit = edited(HEAT, plate.changes())
        rows += [
            Row(
                f"{plate.name}: motor, full-body once",
                warmed(hottest(full), {}, circuit)["motor"],
                "°C",
            ),
            Row(
                f"{plate.name}: motor, 15 min at the cap",
                warmed(steady(CAP_W, QUARTER_S), {}, circuit)["motor"],
                "°C",
            ),
        ]
    return rows


@cache
def profiles() -> list[Row]:
    """Each shipped profile once, its hottest motor, over ± 30 %."""
    rows = []
    for entry in entries():
        course = hottest(entry)
        mean_w = sum(watt * s for watt, s in course) / sum(s for _, s in course)
        low, high = ends(course, "motor")
        rows += [
            Row(f"{entry.name}: mean power of its hottest motor", mean_w, "W"),
            Row(f"{entry.name}: that motor, coolest build", low, "°C"),
            Row(f"{entry.name}: that motor, hottest build", high, "°C", None, CUT_OFF_C[0]),
            Row(
                f"{entry.name}: surface, hottest build",
                ends(course, "skin")[1],
                "°C",
                None,
                heat.SURFACE_LIMIT_C,
            ),
        ]
    return rows


@cache
def all_day() -> list[Row]:
    """The cap without a rest, and a motor that stands still, over ± 30 %."""
    day = steady(CAP_W, MAT.limits.daily_ms / 1_000)
    stall = steady(STALL_W, HALF_S)
    opened = worst(lambda changed: warmed_until(SHORT_W, changed)[0], ENDS)
    surface = worst(lambda changed: warmed_until(SHORT_W, changed)[1], ENDS)
    minutes = MAT.limits.daily_ms // 60_000
    return [
        Row(f"at the cap for {minutes} min: motor, hottest build", ends(day, "motor")[1], "°C"),
        Row(
            f"at the cap for {minutes} min: surface, hottest build",
            ends(day, "skin")[1],
            "°C",
            None,
            heat.SURFACE_LIMIT_C,
        ),
        Row("stalled at the cap for 30 min: motor, nominal", warmed(stall, {})["motor"], "°C"),
        Row("stalled at the cap for 30 min: motor, hottest build", ends(stall, "motor")[1], "°C"),
        Row(
            "stalled at the cap for 30 min: surface, hottest build",
            ends(stall, "skin")[1],
            "°C",
            None,
            ONE_FAULT_C,
        ),
        Row("stalled, MOSFET shorted: 73 °C after, fastest", opened.low / 60, "min"),
        Row("stalled, MOSFET shorted: 73 °C after, slowest", opened.high / 60, "min"),
        Row(
            "stalled, MOSFET shorted: surface when the cut-off opens",
            surface.high,
            "°C",
            None,
            ONE_FAULT_C,
        ),
        Row(
            "the same, cut-off bridged: motor in the end",
            heat.SKIN_C + end_k(SHORT_W, "motor"),
            "°C",
        ),
        Row(
            "the same, cut-off bridged: surface in the end",
            heat.SKIN_C + end_k(SHORT_W, "skin"),
            "°C",
        ),
        Row(
            "the same, cut-off bridged: surface in the end, hottest build",
            heat.SKIN_C + worst(lambda changed: end_k(SHORT_W, "skin", changed), ENDS).high,
            "°C",
        ),
    ]


def warmed_until(watt: float, changed: Parts) -> tuple[float, float]:
    """When the motor reaches the cut-off's Tf, in seconds, and the surface then.

    Where it never does: the end of two hours."""
    bench = f"""IP 0 motor {watt}
X1 motor plate skin HEAT
.tran 10 7200 0 10 uic
"""
    over_k = CUT_OFF_C[1] - heat.SKIN_C
    found = run(
        HEAT,
        bench,
        [
            f".meas tran opens WHEN v(motor)={over_k} RISE=1",
            f".meas tran skin FIND v(skin) WHEN v(motor)={over_k} RISE=1",
            ".meas tran late FIND v(skin) AT=7190",
        ],
        changed,
    )
    return found.get("opens", 7200.0), heat.SKIN_C + found.get("skin", found["late"])


def end_k(watt: float, node: str, changed: Parts = {}) -> float:  # noqa: B006
    bench = f"IP 0 motor {watt}\nX1 motor plate skin HEAT\n.tran 100 50000 0 100 uic\n"
    return run(HEAT, bench, [f".meas tran end FIND v({node}) AT=49900"], changed)["end"]
