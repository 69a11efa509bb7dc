"""What the circuits do over their tolerances: `python hw/circuits/figures.py` writes `figures.md`.

Each figure is a row with its limits; the tests hold every row against them and against that file.
The mat's figures come from `hw/mat.yaml`, the motor's from the simulator, so that neither can drift
away from the circuits.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent.parent
sys.path[:0] = [str(HERE), str(ROOT)]

from bench import NOMINAL, netlist, run  # noqa: E402

from firmware_ctl import limits  # noqa: E402
from firmware_ctl.mat import Motor, read_mat  # noqa: E402
from firmware_ctl.simulator import erm  # noqa: E402
from firmware_ctl.simulator.board import STAGE_MS  # noqa: E402

Case = TypeVar("Case")
Result = TypeVar("Result")
Parts = Mapping[str, float]
"""Parameters of the netlists that differ from the nominal ones."""

MAT: Final = read_mat((ROOT / "hw/mat.yaml").read_bytes(), "hw/mat.yaml")
MOTOR: Final = MAT.motors[0]
SLOT_MS: Final = 1_000 / MAT.pwm_hz
GATE: Final = netlist("gate.cir")
DRIVERS: Final = {"A": netlist("driver_a.cir"), "B": netlist("driver_b.cir")}

LEAST_MS, MOST_MS = STAGE_MS
LATE_MS: Final = 250.0 + limits.TICK_MS
"""Between two beats when the later one is as late as the software lets it be."""

HIGH_V: Final = 3.3 * 1.05
PULL_UP_OHM: Final = 33_000
"""The strongest pull-up inside a Pi 4."""

READS_LOW_V: Final = 0.8
READS_HIGH_V: Final = 2.0
"""What a pin of a Pi 4 surely takes for low and for high."""

PIN_MA: Final = 8.0
THRESHOLD_MV: Final = 650.0
"""AO3400A, least."""

INPUT_UA: Final = 50.0
"""ULN2803A: the input current at which it may begin to conduct at 70 °C."""

STARTS_V: Final = 2.8
"""DEV-3408E03: the highest voltage that one may need to start."""

HOLD_MA: Final = 250.0
"""MF-R025: what it carries for ever."""

FUSE_MA: Final = 2_000.0
CUT_OFF_C: Final = 70.0
SKIN_C: Final = 35.0

# Film capacitor 5 %, 2 % for its temperature, and the 1 % of Rt: only their product matters. Of Rh
# and Ri, 1 % each, only the quotient.
TIMING: Final = {
    "k_ct": (0.92, 1.08),
    "k_ri": (0.98, 1.02),
    "ibias": (0.0, 400e-9),
    "voffset": (-9e-3, 9e-3),
}
FASTEST: Final = {"k_ct": 0.92, "k_ri": 1.02, "ibias": 0.0, "voffset": -9e-3}
SLOWEST: Final = {"k_ct": 1.08, "k_ri": 0.98, "ibias": 400e-9, "voffset": 9e-3}


class Row(NamedTuple):
    what: str
    value: float
    unit: str
    least: float | None = None
    most: float | None = None

    @property
    def holds(self) -> bool:
        low, high = self.least, self.most
        return (low is None or self.value >= low) and (high is None or self.value <= high)


class Broken(NamedTuple):
    """What one part of the gate does to it, open or shorted; nothing where it still works."""

    part: str
    how: str
    does: str = ""
    seen: str = ""


def corners(ends: Mapping[str, tuple[float, ...]]) -> list[Parts]:
    return [dict(zip(ends, values, strict=True)) for values in product(*ends.values())]


def each(job: Callable[[Case], Result], cases: list[Case]) -> list[Result]:
    with ThreadPoolExecutor(2) as pool:  # each waits for a process of its own
        return list(pool.map(job, cases))


# ---- the motor gate


def ticks(first_ms: float, count: int) -> list[float]:
    return [first_ms + limits.TICK_MS * i for i in range(count)]


def beats(edges_ms: list[float], level_v: float = 0.0) -> str:
    """The heartbeat's level: it changes at these times."""
    points = [f"0 {level_v}"]
    for at_ms in edges_ms:
        points.append(f"{at_ms}m {level_v}")
        level_v = 3.3 - level_v
        points.append(f"{at_ms + 0.001}m {level_v}")
    return f"VLEV lev 0 PWL({' '.join(points)})\n"


def gate(
    heartbeat: str,
    measures: list[str],
    end_ms: float,
    parts: Parts = NOMINAL,
    *,
    circuit: str = GATE,
    drive: str = "1",
    v33: str = "3.3",
    vin: str = "PWL(0 0 1m 5)",
    step_ms: float = 1.0,
) -> dict[str, float]:
    """The motor gate by itself, with a load of 50 mA. `drive` 0: the heartbeat pin floats."""
    bench = f"""{heartbeat}
V33 v33 0 {v33}
VIN vin 0 {vin}
VDRV drive 0 {drive}
XPIN hb lev drive PIPIN
XG hb sense v33 vin rail GATE
RL rail 0 100
.tran 1m {end_ms}m 0 {step_ms}m
"""
    return run(circuit, bench, measures, parts)


def hold_ms(
    count: int, parts: Parts, v33: str = "3.3", vin: str = "PWL(0 0 1m 5)", drive: str = "1"
) -> float:
    """From the last of `count` beats, the first of them up, to the rail below 0.5 V."""
    edges_ms = ticks(50, count)
    off = [".meas tran off WHEN v(rail)=0.5 FALL=LAST"]
    found = gate(beats(edges_ms), off, edges_ms[-1] + 450, parts, v33=v33, vin=vin, drive=drive)
    return found["off"] * 1e3 - edges_ms[-1]


def lowest_v(edges_ms: list[float], until_ms: float) -> float:
    """The lowest rail from the first beat on, in the corner that holds shortest."""
    least = f".meas tran least MIN v(rail) FROM={edges_ms[0] + 3}m TO={until_ms}m"
    return gate(beats(edges_ms), [least], until_ms, FASTEST)["least"]


def highest_mv(heartbeat: str, **how: str) -> float:
    """The highest rail from 0.1 to 1 s."""
    peak = ".meas tran peak MAX v(rail) FROM=100m TO=1000m"
    return gate(heartbeat, [peak], 1000, **how)["peak"] * 1e3  # type: ignore[arg-type]


@cache
def hold() -> list[Row]:
    """How long the last beat holds the rail, over all ends of all tolerances."""
    cases = [(count, parts) for count in (1, 3) for parts in corners(TIMING)]
    held = each(lambda case: hold_ms(*case), cases)
    supplied = [
        hold_ms(4, {"vth_p": 1.3}, "3.135", "PWL(0 0 1m 4.75)"),
        hold_ms(4, {"vth_p": 0.5}, "3.465", "PWL(0 0 1m 5.25)"),
    ]
    missed_v = lowest_v([50, 70, 110, 130, 170, 190], 230)
    late_v = lowest_v([50 + LATE_MS * i for i in range(4)], 1100)
    comes = gate(
        beats([50]),
        [".meas tran on WHEN v(rail)=4.5 RISE=1", ".meas tran sense FIND v(sense) AT=100m"],
        110,
        SLOWEST,
        vin="PWL(0 0 1m 4.75)",
        step_ms=0.2,
    )
    pulled_up = beats([]) + f"VPU pu 0 {HIGH_V}\nRPU pu sense {PULL_UP_OHM}\n"
    unread_v = gate(pulled_up, [".meas tran sense FIND v(sense) AT=100m"], 110)["sense"]
    return [
        Row("last beat up → rail below 0.5 V, nominal", hold_ms(3, {}), "ms", LEAST_MS, MOST_MS),
        Row("last beat down → the same", hold_ms(4, {}), "ms", LEAST_MS, MOST_MS),
        Row("a single beat from rest → the same", hold_ms(1, {}), "ms", LEAST_MS, MOST_MS),
        Row("shortest of all corners", min(held), "ms", LATE_MS),
        Row("longest of all corners", max(held), "ms", None, MOST_MS),
        Row("3.3 V and 5 V at -5 %", supplied[0], "ms", LEAST_MS, MOST_MS),
        Row("3.3 V and 5 V at +5 %", supplied[1], "ms", LEAST_MS, MOST_MS),
        Row("lowest rail, every second beat missed, shortest corner", missed_v, "V", 4.5),
        Row("lowest rail, every beat 250 ms late, shortest corner", late_v, "V", 4.5),
        Row("first beat → rail at 4.5 V, 5 V at -5 %", comes["on"] * 1e3 - 50, "ms", None, 10),
        Row("read-back, rail on, 5 V at -5 %", comes["sense"], "V", READS_HIGH_V, 3.3),
        Row("read-back, rail off, strongest pull-up", unread_v, "V", None, READS_LOW_V),
    ]


@cache
def fault_29() -> list[Row]:
    """Motor pins and the heartbeat pin that float or are stuck; power that comes and goes."""
    low, high = beats([]), beats([], 3.3)
    pull_up = f"VPU pu 0 {HIGH_V}\nRPU pu hb {PULL_UP_OHM}\n"
    rails_mv = {
        "heartbeat pin stuck high": highest_mv(high),
        "heartbeat pin stuck low": highest_mv(low),
        "heartbeat pin floating": highest_mv(low, drive="0"),
        "heartbeat pin pulled up": highest_mv(low + pull_up, drive="0"),
        "3.3 V comes after 5 V": highest_mv(low, v33="PWL(0 0 150m 0 155m 3.3)"),
        "5 V comes after 3.3 V": highest_mv(low, vin="PWL(0 0 150m 0 150.01m 5)"),
        "3.3 V never comes": highest_mv(low, v33="0"),
    }
    # The process dies a millisecond after its last beat, at 250 ms, and its line becomes an input.
    dead = "PWL(0 1 251m 1 251.001m 0)"
    held_ms = {
        "heartbeat stops high, slowest corner": hold_ms(11, SLOWEST),
        "heartbeat stops low, slowest corner": hold_ms(10, SLOWEST),
        "heartbeat line released from high, slowest corner": hold_ms(11, SLOWEST, drive=dead),
        "the Pi's 3.3 V fails": hold_ms(11, {}, v33="PWL(0 3.3 251m 3.3 256m 0)"),
    }
    pulled_up = f"VPU pu 0 {HIGH_V}\nRPU pu pin {PULL_UP_OHM}\n"
    off_by = {"k_rp": 1.05}
    gate_mv = still("B", pulled_up, "v(xd.g)", off_by) * 1e3
    input_ua = still("A", pulled_up + ".temp 70\n", "i(v.xd.xu.vin)", off_by) * 1e6
    alone_mv = still("B", "", "v(xd.g)", off_by) * 1e3
    held = whole(
        f"{beats(ticks(50, 11))}VST stop 0 1\nVHIGH high 0 3.3\nXP pin high one PIPIN\n"
        "XD pin rail out DRIVER\nVM rail mp 0\n"
        + motor("M", "mp", "out", MOTOR)
        + ".tran 0.1m 700m 0 0.5m\n",
        [".meas tran off WHEN i(vm)=1m FALL=LAST"],
    )
    return [
        *(Row(f"{what}: highest rail", mv, "mV", None, 10) for what, mv in rails_mv.items()),
        *(Row(f"{what} → rail off", ms, "ms", None, MOST_MS) for what, ms in held_ms.items()),
        Row("motor pin stuck high → below 1 mA", held["off"] * 1e3 - 250, "ms", None, MOST_MS),
        Row("B: gate, pin floating", alone_mv, "mV", None, 0.7 * THRESHOLD_MV),
        Row("B: gate, strongest pull-up, resistor +5 %", gate_mv, "mV", None, 0.7 * THRESHOLD_MV),
        Row("B: the same while the rail comes on, peak", gate_peak_mv(), "mV", None, THRESHOLD_MV),
        Row("A: input, strongest pull-up, resistor +5 %", input_ua, "µA", None, 0.7 * INPUT_UA),
    ]


# ---- the drivers


def motor_ohm(motor: Motor) -> float:
    """At rest, from the mat file: `start_ma` flows at the cap."""
    return erm.SUPPLY_V * motor.cap_pct / 100 / (motor.start_ma / 1_000)


def motor(name: str, plus: str, minus: str, motor: Motor) -> str:
    induced = 1 - motor.run_ma / motor.start_ma
    return f"X{name} {plus} {minus} MOTOR rstall={motor_ohm(motor):.3f} induced={induced:.3f}\n"


def pwm(name: str, node: str, duty_pct: int, first_ms: float = 1.0) -> str:
    """A pin of the Pi in PWM."""
    pulse = f"PULSE(0 3.3 {first_ms}m 20n 20n {SLOT_MS * duty_pct / 100}m {SLOT_MS}m)"
    return f"VL{name} lv{name} 0 {pulse}\nX{name} {node} lv{name} one PIPIN\n"


ONE: Final = "VONE one 0 1\n"


def still(which: str, bench: str, what: str, parts: Parts) -> float:
    """One driver whose pin nobody drives, on the highest rail."""
    stage = "VR rail 0 5.25\nXD pin rail out DRIVER\n" + motor("M", "rail", "out", MOTOR)
    measure = f".meas tran what FIND {what} AT=90u"
    return run(DRIVERS[which], bench + stage + ".tran 1u 100u\n", [measure], parts)["what"]


def gate_peak_mv() -> float:
    """The rail's rise lifts the drain, and the drain lifts the gate."""
    bench = f"""{beats([50])}{ONE}
V33 v33 0 {HIGH_V}
VIN vin 0 PWL(0 0 1m 5.25)
XPIN hb lev one PIPIN
XG hb sense v33 vin rail GATE
RPU v33 pin {PULL_UP_OHM}
XD pin rail out DRIVER
{motor("M", "rail", "out", MOTOR)}
.tran 1u 60m 45m 5u
"""
    peak = ".meas tran peak MAX v(xd.g) FROM=45m TO=60m"
    return run(GATE + DRIVERS["B"], bench, [peak], {"vth_n": 0.65, "k_rp": 1.05})["peak"] * 1e3


def switching(
    which: str, duty_pct: int, rail_v: float, measures: list[str], parts: Parts = NOMINAL
) -> dict[str, float]:
    bench = f"""VR rail 0 {rail_v}
{ONE}{pwm("P", "pin", duty_pct)}
XD pin rail out DRIVER
{motor("M", "rail", "out", MOTOR)}
.tran 2u {8 * SLOT_MS + 1}m 0 20u
"""
    return run(DRIVERS[which], bench, measures, parts)


@cache
def drivers() -> list[Row]:
    """What a stage does when it works: its drain, its pin, and the volts that the motor gets."""
    rows = []
    window = f"FROM={4 * SLOT_MS + 1}m TO={8 * SLOT_MS + 1}m"
    watch = [
        f".meas tran high MAX v(xd.d) {window}",
        f".meas tran low FIND v(xd.d) AT={4 * SLOT_MS + 2}m",
        f".meas tran pin MAX i(v.xp.vpin) {window}",
    ]
    for which, on_mv, clamp_v in (("A", 1_300, 1.7), ("B", 100, 0.6)):
        job = partial(switching, which, limits.DUTY_PCT, 5.25, watch)
        found = each(job, corners({"lmotor": (0.1e-3, 5e-3), "vth_n": (0.65, 1.45)}))
        drain_v = max(f["high"] for f in found)
        low_mv = max(f["low"] for f in found) * 1e3
        pin_ma = max(f["pin"] for f in found) * 1e3
        mean = [f".meas tran out AVG v(out) {window}"]
        cap_v, most_v = (
            erm.SUPPLY_V - switching(which, duty_pct, erm.SUPPLY_V, mean)["out"]
            for duty_pct in (MOTOR.cap_pct, MAT.limits.duty_pct)
        )
        rows += [
            Row(f"{which}: highest drain, 0.1 to 5 mH", drain_v, "V", None, 5.25 + clamp_v),
            Row(f"{which}: drain while on", low_mv, "mV", None, on_mv),
            Row(f"{which}: highest pin current", pin_ma, "mA", None, PIN_MA),
            Row(f"{which}: motor's mean voltage at {MOTOR.cap_pct} %, its cap", cap_v, "V"),
            Row(f"{which}: at {MAT.limits.duty_pct} %, the mat's limit", most_v, "V", STARTS_V),
        ]
    return rows


# ---- the whole mat


def whole(bench: str, measures: list[str], parts: Parts = NOMINAL) -> dict[str, float]:
    """Supply, fuse, stop switch and gate; the bench adds drivers and motors behind the rail.

    The supply has 0.1 ohm and the stop switch's cable 2 uH; `stop` above 0.5 V closes it.
    """
    supply = """VSUP sup 0 5.25
RSUP sup jack 0.1
RF jack fused 40m
CJ fused 0 470u
LCAB fused sw 2u
RCAB fused sw 100
SSTOP sw vin stop 0 STOP
.model STOP SW(Ron=20m Roff=100Meg Vt=0.5 Vh=0.1)
CIN vin 0 10u
V33 v33 0 3.3
XG hb sense v33 vin rail GATE
XHB hb lev one PIPIN
"""
    return run(GATE + DRIVERS["B"], supply + ONE + bench, measures, parts)


@cache
def inrush() -> list[Row]:
    """All motors from rest in the same instant, at their caps, all PWM periods together.

    The software spreads starts and never does this; the supply has to bear it all the same.
    """
    stages = "".join(
        pwm(f"P{i}", f"pin{i}", each_one.cap_pct, first_ms=20)
        + f"XD{i} pin{i} rail out{i} DRIVER\n"
        + motor(f"M{i}", "rail", f"out{i}", each_one)
        for i, each_one in enumerate(MAT.motors)
    )
    found = whole(
        f"{beats([1])}VST stop 0 1\n{stages}.tran 5u 41m 0 20u\n",
        [
            ".meas tran peak MAX i(lcab) FROM=20m TO=41m",
            f".meas tran mean AVG i(lcab) FROM=20m TO={20 + SLOT_MS}m",
            ".meas tran least MIN v(rail) FROM=20m TO=41m",
        ],
    )
    counted_ma = sum(each_one.start_ma for each_one in MAT.motors)
    return [
        Row("all motors from rest: peak", found["peak"] * 1e3, "mA", None, FUSE_MA),
        Row("mean of their first PWM period", found["mean"] * 1e3, "mA", None, counted_ma),
        Row("what the software counts for it", counted_ma, "mA", None, MAT.max_ma),
        Row("lowest rail meanwhile", found["least"], "V", 4.5),
    ]


@cache
def fault_27() -> list[Row]:
    """A driver's MOSFET conducts whatever its gate says: the motor's low side is at ground."""
    off = ".meas tran off WHEN i(vm)=1m FALL=LAST"
    on = ".meas tran on MAX i(vm) FROM=200m TO=240m"

    def shorted(
        count: int, end_ms: float, parts: Parts = NOMINAL, stop: str = "1"
    ) -> dict[str, float]:
        load = "VM rail mp 0\nRSHORT out 0 0.05\n" + motor("M", "mp", "out", MOTOR)
        bench = f"{beats(ticks(50, count))}VST stop 0 {stop}\n{load}.tran 0.1m {end_ms}m 0 0.5m\n"
        return whole(bench, [off, on], parts)

    opens = "PWL(0 1 400m 1 400.01m 0)"
    ends, slow = shorted(11, 700), shorted(11, 700, SLOWEST)
    stopped = shorted(30, 600, stop=opens)
    quiet = whole(
        f"{beats(ticks(50, 40))}VST stop 0 {opens}\n.tran 0.1m 800m 0 1m\n",
        [".meas tran off WHEN v(rail)=0.5 FALL=LAST"],
    )
    idle_ma, running_ma = shorted(0, 300)["on"] * 1e3, ends["on"] * 1e3
    return [
        Row("shorted while idle: motor current", idle_ma, "mA", None, 0.1),
        Row("shorted while running: motor current", running_ma, "mA", 150),
        Row("last beat → below 1 mA", ends["off"] * 1e3 - 250, "ms", None, MOST_MS),
        Row("the same, slowest corner", slow["off"] * 1e3 - 250, "ms", None, MOST_MS),
        Row("stop switch → below 1 mA", stopped["off"] * 1e3 - 400, "ms", None, 100),
        Row("stop switch, no load → rail below 0.5 V", quiet["off"] * 1e3 - 400, "ms", None, 400),
    ]


@cache
def fault_28() -> list[Row]:
    """A motor's cable is shorted, or the motor stands still under power."""

    def shorted(duty_pct: int, end_s: float) -> dict[str, float]:
        """The PTC with the lowest resistance trips last. PWM at 10 Hz heats it the same way."""
        pulse = f"PULSE(0 3.3 1m 1u 1u {duty_pct}m 100m)"
        level = "PWL(0 0 1m 0 2m 3.3)" if duty_pct == 100 else pulse
        bench = f"""VR rail 0 5.25
{ONE}VL lv 0 {level}
XP pin lv one PIPIN
XD pin rail out DRIVER
VS rail short 0
RS short out 0.2
.tran 5m {end_s} 0 20m
"""
        measures = [
            ".meas tran first MAX i(vs) FROM=0 TO=50m",
            ".meas tran trips WHEN v(xd.xptc.warm)=75 RISE=1",
            f".meas tran then RMS i(vs) FROM={end_s - 2} TO={end_s}",
        ]
        return run(DRIVERS["B"].replace("MFR025", "MFR025 r0=1.0"), bench, measures)

    def stalled(duty_pct: int) -> tuple[float, dict[str, float]]:
        """Its current in mA; what its housing does, by the simulator's own constants."""
        current_ma = erm.SUPPLY_V / motor_ohm(MOTOR) * duty_pct * 10
        bench = f"""IH 0 warm {current_ma / 1e3 * erm.SUPPLY_V}
RH warm 0 {erm.HEAT_K_PER_W}
CH warm 0 {erm.HEAT_MS / 1e3 / erm.HEAT_K_PER_W}
.tran 1 1800 uic
"""
        cut = f".meas tran cut WHEN v(warm)={CUT_OFF_C - SKIN_C}"
        return current_ma, run("", bench, [".meas tran end FIND v(warm) AT=1799", cut])

    carried = run(
        DRIVERS["B"].replace("MFR025", "MFR025 r0=3.0"),
        f"""VR rail 0 5.25
{ONE}VL lv 0 PWL(0 0 1m 0 2m 3.3)
XP pin lv one PIPIN
XD pin rail out DRIVER
RM rail out {motor_ohm(MOTOR)}
.tran 20m 60
""",
        [".meas tran warm FIND v(xd.xptc.warm) AT=59"],
    )["warm"]
    full, cap = shorted(100, 10), shorted(MOTOR.cap_pct, 20)
    cap_ma, stands = stalled(MOTOR.cap_pct)
    full_ma, burns = stalled(100)
    return [
        Row("cable shorted, MOSFET on: first current", full["first"], "A", None, 5.7),
        Row("PTC trips after", full["trips"], "s", None, 5),
        Row("current then", full["then"] * 1e3, "mA", None, HOLD_MA),
        Row(f"cable shorted at {MOTOR.cap_pct} %: PTC trips after", cap["trips"], "s", None, 5),
        Row("PTC over ambient at a motor's highest current", carried, "K", None, 45),
        Row(f"stalled at {MOTOR.cap_pct} %: current", cap_ma, "mA", None, HOLD_MA),
        # The motor's skin may not get much above the cut-off even where that never opens.
        Row("motor over ambient in the end", stands["end"], "K", None, CUT_OFF_C + 5 - SKIN_C),
        Row("stalled, MOSFET shorted: current", full_ma, "mA", None, HOLD_MA),
        Row("70 °C on a skin of 35 °C, cut-off opens, after", burns["cut"], "s", None, 600),
    ]


# ---- one part of the gate at a time

ENDS: Final = {"Q": (0, 2), "M": (0, 2), "X": (2, 4)}
"""Between which of its nodes a part is shorted: collector and emitter, drain and source, the
comparator's output and ground. Of all others, their two ends."""


def broken_gates() -> Iterator[tuple[str, str, str]]:
    """Each part open, then shorted: its name, which of both, and the netlist."""
    lines = GATE.splitlines()
    for number, line in enumerate(lines):
        if line[:1] not in tuple("RCQMX"):
            continue
        name, *nodes = line.split()
        first, second = ENDS.get(name[0], (0, 1))
        label = name.removeprefix("X")
        for how, rest, ohm in (("open", [], "10G"), ("shorted", [line], "10m")):
            fault = f"RFAULT {nodes[first]} {nodes[second]} {ohm}"
            yield label, how, "\n".join([*lines[:number], *rest, fault, *lines[number + 1 :]])


def judge(case: tuple[str, str, str]) -> Broken:
    """Ten beats, which leave the pin low, and eleven, which leave it high."""
    part, how, circuit = case
    measures = [
        ".meas tran before MAX v(rail) FROM=50m TO=199m",
        ".meas tran on MIN v(rail) FROM=280m TO=380m",
        ".meas tran after MAX v(rail) FROM=880m TO=1000m",
        ".meas tran off WHEN v(rail)=2.5 FALL=LAST",
        ".meas tran sense FIND v(sense) AT=375m",
    ]

    def after(count: int) -> dict[str, float]:
        return gate(beats(ticks(200, count)), measures, 1000, circuit=circuit, step_ms=3)

    low = after(10)
    held_ms = low.get("off", 0) * 1e3 - 380
    if low["before"] > 2.5:
        return Broken(part, how, "the rail is on before the first beat", "read-back, next start")
    if low["on"] < 2.5:
        return Broken(part, how, "the rail does not stay on", "read-back, at once")
    if low["after"] > 2.5:
        return Broken(part, how, "the rail stays on", "read-back, next start")
    if after(11)["after"] > 2.5:
        return Broken(part, how, "a pin stuck high holds the rail", "nothing")
    if not LEAST_MS <= held_ms <= MOST_MS:
        return Broken(part, how, f"a beat holds for {held_ms:.0f} ms", "nothing")
    if low["sense"] < 2.0:
        return Broken(part, how, "the read-back says off", "read-back, at once")
    return Broken(part, how)


@cache
def single_faults() -> list[Broken]:
    return each(judge, list(broken_gates()))


# ---- the document

GROUPS: Final[Mapping[str, Callable[[], list[Row]]]] = {
    "How long a beat holds the rail": hold,
    "The drivers at work": drivers,
    "Inrush of the shipped mat": inrush,
    "Fault 27: a MOSFET is shorted": fault_27,
    "Fault 28: a motor is stalled or its cable shorted": fault_28,
    "Fault 29: a pin floats or is stuck, the heartbeat stops": fault_29,
}


def number(value: float) -> str:
    """Three figures, and 0 for what is next to nothing."""
    if abs(value) < 0.05:
        return "0"
    digits = 0 if abs(value) >= 99.5 else 1 if abs(value) >= 9.95 else 2
    return f"{value:.{digits}f}"


def document() -> str:
    lines = [
        "# What the circuits do",
        "",
        "Made by `python hw/circuits/figures.py` with ngspice from the netlists beside it; the",
        "tests make it again and compare. Simulated, not measured: [the build guide](../build.md)",
        "says what a meter has to show.",
    ]
    for title, rows in GROUPS.items():
        lines += ["", f"## {title}", "", "| what | figure | at least | at most |"]
        lines.append("|---|---|---|---|")
        for row in rows():
            low, high = ("" if bound is None else number(bound) for bound in (row.least, row.most))
            lines.append(f"| {row.what} | {number(row.value)} {row.unit} | {low} | {high} |")
    lines += [
        "",
        "## One part of the gate broken",
        "",
        "Each part open, and shorted (a transistor from collector to emitter or drain to source,",
        "the comparator at its output). Left out: what still holds for 260 to 400 ms and is off",
        "else. None leaves the rail on unseen.",
        "",
        "| part | is | then | seen by |",
        "|---|---|---|---|",
    ]
    for part, how, does, seen in single_faults():
        if does:
            lines.append(f"| {part} | {how} | {does} | {seen} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (HERE / "figures.md").write_text(document(), encoding="utf-8")
