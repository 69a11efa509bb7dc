"""The whole mat: its supply, a wrong supply, all motors at once, and the faults 27 and 28."""

from functools import cache
from typing import Final

from bench import NOMINAL, Parts, Row, edited, netlist, run
from driver_figures import DRIVERS, MAT, MOTOR, ONE, SLOT_MS, branch, motor_ohm, pwm
from gate_figures import CLAMP_MA, GATE, MOST_MS, beats, longest, ticks

from firmware_ctl.simulator import erm

POWER: Final = netlist("power.cir")
FUSE_MA: Final = 2_000.0
HOLD_MA: Final = 250.0
"""MF-R025: current that it carries without tripping."""

CHIP_MA: Final = 500.0
"""ULN2803A: absolute maximum of one output."""

ADAPTER_LIMIT_A: Final = 5.0
"""Current limit of the strongest plug-in supply of this size."""


def run_mat(
    bench: str, measures: list[str], changed: Parts = NOMINAL, which: str = "B"
) -> dict[str, float]:
    """Simulates supply, fuse, stop switch and gate; `bench` adds drivers and motors to the rail.

    The stop switch is closed while `stop` is above 0.5 V. The supply has 0.1 ohm.
    """
    deck = f"""VSUP sup 0 {{v5}}
RSUP sup jack 0.1
VFUSE jack in 0
XP in vin stop POWER
V33 v33 0 {{v33}}
XG hb sense v33 vin rail GATE
XHB hb lev one PIPIN
{ONE}{bench}"""
    return run(f"{POWER}\n{GATE}\n{DRIVERS[which]}", deck, measures, changed)


@cache
def inrush() -> list[Row]:
    """All motors start from rest at the same instant, at their caps, with all PWM periods in phase.

    The software spreads the starts and never does this, but the supply must withstand it.
    """
    stages = "".join(
        pwm(f"P{i}", f"pin{i}", each_one.cap_pct, first_ms=20)
        + f"XD{i} pin{i} rail out{i} DRIVER\n"
        + branch(f"M{i}", "rail", f"out{i}", each_one)
        for i, each_one in enumerate(MAT.motors)
    )
    end = 20 + 4 * SLOT_MS
    high = run_mat(
        f"{beats([1])}VST stop 0 1\n{stages}.tran 5u {end}m 0 20u\n",
        [
            f".meas tran peak MAX i(vfuse) FROM=20m TO={end}m",
            f".meas tran mean AVG i(vfuse) FROM=20m TO={20 + SLOT_MS}m",
        ],
        {"v5": 5.25, "rptc": 1.0},
    )
    low = run_mat(
        f"{beats([1])}VST stop 0 1\n{stages}.tran 5u {end}m 0 20u\n",
        [f".meas tran least MIN v(rail) FROM=20.5m TO={20 + SLOT_MS / 2}m"],
        {"v5": 4.75, "rptc": 1.0, "vth_p": 1.3, "temp": 60.0},
    )
    counted_ma = sum(each_one.start_ma for each_one in MAT.motors)
    return [
        Row(
            "all motors from rest: peak current through the fuse, 5 V at +5 %",
            high["peak"] * 1e3,
            "mA",
            None,
            FUSE_MA,
        ),
        Row(
            "mean current in their first PWM period",
            high["mean"] * 1e3,
            "mA",
            None,
            1.05 * counted_ma,
        ),
        Row("current that the software assumes for all motors", counted_ma, "mA", None, MAT.max_ma),
        Row("rail meanwhile, 5 V at -5 %", low["least"], "V", 4.2),
    ]


def adapter(volt: float | str, limit_a: float, reverse: bool = False) -> str:
    """Netlist of a plug-in supply that limits its current."""
    sign = "-" if reverse else ""
    # A smooth function for the solver, steep enough to act as a limit. It loses up to 0.1 V.
    return (
        f"VS source 0 {sign}{volt}\nBS source jack I={limit_a}*tanh(10*V(source,jack)/{limit_a})\n"
    )


@cache
def wrong_supply() -> list[Row]:
    """An adapter of 9 V or 12 V, or one with minus on its centre: the TVS takes its current."""
    deck = f"""VFUSE jack in 0
XP in vin stop POWER
VST stop 0 1
{ONE}{beats([50])}V33 v33 0 {{v33}}
XG hb sense v33 vin rail GATE
XHB hb lev one PIPIN
.model PINCLAMP D(Is=1f N=1 Rs=20)
VCL cl 0 {{v33}}
DCL sense cl PINCLAMP
VM rail red 0
XD high rail out DRIVER
VH high 0 {{v33}}
{branch("M", "red", "out", MOTOR)}
.tran 0.1m 100m 0 0.2m
"""
    measures = [
        ".meas tran fused FIND v(xp.fused) AT=99m",
        ".meas tran rail FIND v(rail) AT=99m",
        ".meas tran motor FIND i(vm) AT=99m",
        ".meas tran pin FIND i(vcl) AT=99m",
        ".meas tran fuse FIND i(vfuse) AT=99m",
    ]
    most = {"vbr": 7.14, "temp": 60.0, "v33": 3.135, "rptc": 1.0}
    circuit = f"{POWER}\n{GATE}\n{DRIVERS['B']}"
    rows = []
    for volt, limit_a in ((9, 1.0), (12, 1.5), (12, ADAPTER_LIMIT_A)):
        results = run(circuit, adapter(volt, limit_a) + deck, measures, most)
        tvs_a = results["fuse"] - results["motor"]
        name = f"{volt} V, limited to {limit_a:.1f} A"
        rows += [
            Row(f"{name}: behind the fuse", results["fused"], "V", None, 8.0),
            Row(f"{name}: heat of the TVS", results["fused"] * tvs_a, "W"),
            Row(f"{name}: current into GPIO 8", results["pin"] * 1e3, "mA", None, CLAMP_MA),
            Row(f"{name}: motor at full duty", results["motor"] * 1e3, "mA", None, 300),
        ]
    bare = edited(circuit, {"D1": ""})
    bare_v = run(bare, adapter(12, 1.5) + deck, measures, most)
    turned = run(circuit, adapter(5, ADAPTER_LIMIT_A, reverse=True) + deck, measures)
    wrong = edited(circuit, {"D1": "D1 fused 0 P6KE6V8A"})
    wrong_v = run(wrong, adapter(5.25, ADAPTER_LIMIT_A) + deck, measures)["fused"]
    plain = run(circuit, adapter(5.25, 3.0) + deck, measures, {"vbr": 6.45, "temp": 60.0})
    return [
        *rows,
        Row("12 V without the TVS: behind the fuse", bare_v["fused"], "V"),
        Row("the same: motor at full duty", bare_v["motor"] * 1e3, "mA"),
        Row("5 V reversed: behind the fuse", turned["fused"], "V", -1.5, 0),
        Row("5 V reversed: rail", turned["rail"], "V", -1.5, 0.1),
        Row("TVS turned round: behind the fuse", wrong_v, "V", None, 1.5),
        Row(
            "5.25 V: current of the TVS and the rest, without the motor",
            (plain["fuse"] - plain["motor"]) * 1e3,
            "mA",
            None,
            15,
        ),
    ]


@cache
def fault_27() -> list[Row]:
    """A driver's MOSFET always conducts: the motor's low side is at ground."""
    edges = ticks(50, 11)
    last = edges[-1]
    slow = {
        key if key in NOMINAL else f"GATE.{key}": value
        for key, value in longest().high_parts.items()
    }

    def shorted(
        edges_ms: list[float], end_ms: float, changed: Parts = NOMINAL, stop: str = "1"
    ) -> dict[str, float]:
        load = "VM rail mp 0\nRSHORT out 0 0.05\n" + branch("M", "mp", "out", MOTOR)
        bench = f"{beats(edges_ms)}VST stop 0 {stop}\n{load}.tran 0.1m {end_ms}m 0 0.5m\n"
        measures = [
            ".meas tran off WHEN i(vm)=1m FALL=LAST",
            f".meas tran on MAX i(vm) FROM={end_ms / 3}m TO={end_ms}m",
        ]
        return run_mat(bench, measures, changed)

    opens = "PWL(0 1 400m 1 400.01m 0)"
    until = ticks(50, 12)
    pin_high = run_mat(
        f"{beats(edges)}VST stop 0 1\nVHIGH high 0 {{v33}}\nXP pin high one PIPIN\n"
        "XD pin rail out DRIVER\nVM rail mp 0\n"
        f"{branch('M', 'mp', 'out', MOTOR)}.tran 0.1m {last + 450}m 0 0.5m\n",
        [".meas tran off WHEN i(vm)=1m FALL=LAST"],
        slow,
    )
    idle = shorted([], 300, {"v5": 5.25, "vth_p": 0.5, "temp": 60.0})
    ends = shorted(edges, last + 450)
    slowest = shorted(edges, last + 450, slow)
    stopped = shorted(until, 600, stop=opens)
    no_load = run_mat(
        f"{beats(until)}VST stop 0 {opens}\n.tran 0.1m 800m 0 1m\n",
        [".meas tran off WHEN v(rail)=0.5 FALL=LAST"],
    )
    return [
        Row("shorted while idle: motor current", idle["on"] * 1e3, "mA", None, 0.5),
        Row("shorted while running: motor current", ends["on"] * 1e3, "mA", 150),
        Row("last beat → below 1 mA", ends["off"] * 1e3 - last, "ms", None, MOST_MS),
        Row("the same, slowest", slowest["off"] * 1e3 - last, "ms", None, MOST_MS),
        Row(
            "motor pin stuck high, slowest: last beat → below 1 mA",
            pin_high["off"] * 1e3 - last,
            "ms",
            None,
            MOST_MS,
        ),
        Row("stop switch → below 1 mA", stopped["off"] * 1e3 - 400, "ms", None, 100),
        Row("stop switch, no load → rail below 0.5 V", no_load["off"] * 1e3 - 400, "ms", None, 400),
    ]


def short_bench(duty_pct: int, end_s: float) -> str:
    """A core shorted to the rail behind two metres of cable. PWM at 10 Hz heats the PTC as 250 Hz
    does."""
    pulse = f"PULSE(0 {{v33}} 1m 1u 1u {duty_pct}m 100m)"
    level = "PWL(0 0 1m 0 2m {v33})" if duty_pct == 100 else pulse
    return f"""VR rail 0 {{v5}}
{ONE}VL lv 0 {level}
XP pin lv one PIPIN
XD pin rail out DRIVER
VS rail short 0
RS short out 0.2
.tran 5m {end_s} 0 20m
"""


@cache
def fault_28() -> list[Row]:
    """A motor's cable is shorted, or the motor is stalled."""

    def shorted(which: str, duty_pct: int, end_s: float) -> dict[str, float]:
        """The PTC with the lowest resistance, which trips last."""
        measures = [
            ".meas tran first MAX i(vs) FROM=0 TO=50m",
            ".meas tran trips WHEN v(xd.xptc.warm)=75 RISE=1",
            f".meas tran then RMS i(vs) FROM={end_s - 2} TO={end_s}",
        ]
        slow = {"v5": 5.25, "rptc": 1.0}
        return run(DRIVERS[which], short_bench(duty_pct, end_s), measures, slow)

    carried = run(
        DRIVERS["B"],
        f"""VR rail 0 {{v5}}
{ONE}VL lv 0 PWL(0 0 1m 0 2m 3.3)
XP pin lv one PIPIN
XD pin rail out DRIVER
RM rail out {motor_ohm(MOTOR)}
.tran 20m 60
""",
        [".meas tran warm FIND v(xd.xptc.warm) AT=59"],
        {"rptc": 3.0, "v5": 5.25},
    )["warm"]
    full, cap = shorted("B", 100, 10), shorted("B", MOTOR.cap_pct, 20)
    chip = shorted("A", 100, 10)
    stall_ma = erm.SUPPLY_V / motor_ohm(MOTOR) * 1_000
    return [
        Row("B, cable shorted, MOSFET on: first current", full["first"], "A", None, 5.7),
        Row("PTC trips after", full["trips"], "s", None, 5),
        Row("current after it has tripped", full["then"] * 1e3, "mA", None, HOLD_MA),
        Row(f"B, cable shorted at {MOTOR.cap_pct} %: PTC trips after", cap["trips"], "s", None, 5),
        Row("A, cable shorted, output on: first current", chip["first"], "A"),
        Row(
            "that current, as a multiple of the chip's absolute maximum",
            chip["first"] * 1e3 / CHIP_MA,
            "",
        ),
        Row("PTC trips after", chip["trips"], "s", None, 5),
        Row("PTC temperature over ambient at a motor's highest current", carried, "K", None, 45),
        Row(
            f"stalled at {MOTOR.cap_pct} %: current",
            stall_ma * MOTOR.cap_pct / 100,
            "mA",
            None,
            HOLD_MA,
        ),
        Row("stalled, MOSFET shorted: current", stall_ma, "mA", None, HOLD_MA),
    ]
