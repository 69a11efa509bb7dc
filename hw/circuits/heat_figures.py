"""Where a motor's heat goes: a comparison of plates, each shipped profile, and a stalled motor.

`heat.cir` is the thermal model. Each of its parts is varied by 30 % in both directions.
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
PLUS_MINUS_30_PERCENT: Final = (0.7, 1.3)
TOLERANCES: Final = {words[0]: PLUS_MINUS_30_PERCENT for _, _, words in parts(HEAT)}

QUARTER_S: Final = 900
HALF_S: Final = 1_800
DAY_S: Final = DAILY_MS // 1_000

CUT_OFF_C: Final = (68.0, 73.0)
"""SEFUSE SF70E: the temperature at which the first one opens, and Tf, at which the last one has
opened."""

ONE_FAULT_C: Final = 43.0
"""Limit of the surface with one fault: what ISO 13732-1 gives for eight hours of contact."""

CAP_W: Final = heat.SUPPLY_V * MOTOR.run_ma / 1_000
STALL_W: Final = heat.SUPPLY_V**2 / motor_ohm(MOTOR) * MOTOR.cap_pct / 100
SHORT_W: Final = 5.25**2 / motor_ohm(MOTOR)
"""Heat of a motor stalled behind a shorted MOSFET, at the highest supply voltage."""


class Plate(NamedTuple):
    name: str
    side_m: float
    thick_m: float
    conducts_w_mk: float
    holds_j_m3k: float

    def changes(self) -> dict[str, str]:
        """The parts of the model that differ with this plate, as lines of the netlist."""
        spread = 1.70 / (6.283 * self.conducts_w_mk * self.thick_m) * self.side_m**0.5 / 0.06**0.5
        up = 0.01 / 0.04 / (self.side_m + 0.01) ** 2 / 2
        return {
            "Rspread": f"Rspread foot plate {spread:.4g}",
            "Cplate": f"Cplate plate 0 {self.side_m**2 * self.thick_m * self.holds_j_m3k:.4g}",
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

PowerCourse = tuple[tuple[float, float], ...]
"""A course of powers: each in watts, with its duration in seconds."""


def peak_temperatures(course: PowerCourse, changed: Parts, circuit: str = HEAT) -> dict[str, float]:
    """The highest temperature of each node under a course of powers, in °C."""
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


def steady(watt: float, for_s: float) -> PowerCourse:
    return ((watt, for_s),)


@cache
def entries() -> tuple[GoodEntry, ...]:
    return tuple(read_catalogue([profiles_dir()], MAT).good)


def courses(entry: GoodEntry) -> list[PowerCourse]:
    """The power of each motor as the program calculates it, phase by phase."""
    return [
        tuple((watt, ms / 1_000) for ms, watt in heat.power_course(entry.timeline, i))
        for i in range(len(MAT.motors))
    ]


def hottest_course(entry: GoodEntry) -> PowerCourse:
    """The powers of the motor that gets the most heat in the whole session."""
    return max(courses(entry), key=lambda course: sum(watt * s for watt, s in course))


def temperature_range(course: PowerCourse, node: str) -> tuple[float, float]:
    """The lowest and the highest peak of a node over ± 30 %, in °C."""
    extremes = worst(lambda changed: peak_temperatures(course, changed)[node], TOLERANCES)
    return extremes.low, extremes.high


@cache
def plates() -> list[Row]:
    """A comparison of plates: `full-body` once, and 15 minutes at the cap."""
    (full,) = [entry for entry in entries() if entry.name == "full-body"]
    rows = []
    for plate in PLATES:
        circuit = edited(HEAT, plate.changes())
        rows += [
            Row(
                f"{plate.name}: motor, full-body once",
                peak_temperatures(hottest_course(full), {}, circuit)["motor"],
                "°C",
            ),
            Row(
                f"{plate.name}: motor, 15 min at the cap",
                peak_temperatures(steady(CAP_W, QUARTER_S), {}, circuit)["motor"],
                "°C",
            ),
        ]
    return rows


@cache
def profiles() -> list[Row]:
    """The hottest motor of each shipped profile, played once, over ± 30 %."""
    rows = []
    for entry in entries():
        course = hottest_course(entry)
        mean_w = sum(watt * s for watt, s in course) / sum(s for _, s in course)
        low, high = temperature_range(course, "motor")
        rows += [
            Row(f"{entry.name}: mean power of its hottest motor", mean_w, "W"),
            Row(f"{entry.name}: that motor, coolest build", low, "°C"),
            Row(f"{entry.name}: that motor, hottest build", high, "°C", None, CUT_OFF_C[0]),
            Row(
                f"{entry.name}: surface, hottest build",
                temperature_range(course, "skin")[1],
                "°C",
                None,
                heat.SURFACE_LIMIT_C,
            ),
        ]
    return rows


@cache
def all_day() -> list[Row]:
    """A motor at its cap without a rest, and a stalled motor, over ± 30 %."""
    day = steady(CAP_W, MAT.limits.daily_ms / 1_000)
    stall = steady(STALL_W, HALF_S)
    opened = worst(lambda changed: cut_off_opens(SHORT_W, changed)[0], TOLERANCES)
    surface = worst(lambda changed: cut_off_opens(SHORT_W, changed)[1], TOLERANCES)
    minutes = MAT.limits.daily_ms // 60_000
    return [
        Row(
            f"at the cap for {minutes} min: motor, hottest build",
            temperature_range(day, "motor")[1],
            "°C",
        ),
        Row(
            f"at the cap for {minutes} min: surface, hottest build",
            temperature_range(day, "skin")[1],
            "°C",
            None,
            heat.SURFACE_LIMIT_C,
        ),
        Row(
            "stalled at the cap for 30 min: motor, nominal",
            peak_temperatures(stall, {})["motor"],
            "°C",
        ),
        Row(
            "stalled at the cap for 30 min: motor, hottest build",
            temperature_range(stall, "motor")[1],
            "°C",
        ),
        Row(
            "stalled at the cap for 30 min: surface, hottest build",
            temperature_range(stall, "skin")[1],
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
            heat.SKIN_C + final_k(SHORT_W, "motor"),
            "°C",
        ),
        Row(
            "the same, cut-off bridged: surface in the end",
            heat.SKIN_C + final_k(SHORT_W, "skin"),
            "°C",
        ),
        Row(
            "the same, cut-off bridged: surface in the end, hottest build",
            heat.SKIN_C + worst(lambda changed: final_k(SHORT_W, "skin", changed), TOLERANCES).high,
            "°C",
        ),
    ]


def cut_off_opens(watt: float, changed: Parts) -> tuple[float, float]:
    """When the motor reaches the cut-off's Tf, in seconds, and the surface then in °C.

    If the motor never reaches it: two hours, and the surface then.
    """
    bench = f"""IP 0 motor {watt}
X1 motor plate skin HEAT
.tran 10 7200 0 10 uic
"""
    over_k = CUT_OFF_C[1] - heat.SKIN_C
    results = run(
        HEAT,
        bench,
        [
            f".meas tran opens WHEN v(motor)={over_k} RISE=1",
            f".meas tran skin FIND v(skin) WHEN v(motor)={over_k} RISE=1",
            ".meas tran late FIND v(skin) AT=7190",
        ],
        changed,
    )
    return results.get("opens", 7200.0), heat.SKIN_C + results.get("skin", results["late"])


def final_k(watt: float, node: str, changed: Parts = {}) -> float:  # noqa: B006
    """How far a node is above the skin at rest after a long time at this power."""
    bench = f"IP 0 motor {watt}\nX1 motor plate skin HEAT\n.tran 100 50000 0 100 uic\n"
    return run(HEAT, bench, [f".meas tran end FIND v({node}) AT=49900"], changed)["end"]
