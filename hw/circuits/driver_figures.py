"""The two drivers, the motor at the end of its cable, and the start button's inputs.

The mat's figures come from `hw/mat.yaml` and the motor's from the simulator, so that they always
agree with the circuits.
"""

import re
from functools import cache, partial
from pathlib import Path
from typing import Final

from bench import NOMINAL, Parts, Row, netlist, run, worst
from gate_figures import GATE, PULL_UP_OHM, READS_HIGH_V, READS_LOW_V, TEMPERATURE, beats

from firmware_ctl import limits
from firmware_ctl.config.mat import Motor, read_mat
from firmware_ctl.session.button import DEBOUNCE_MS
from firmware_ctl.simulator import erm

ROOT: Final = Path(__file__).resolve().parent.parent.parent
MAT: Final = read_mat((ROOT / "hw/mat.yaml").read_bytes(), "hw/mat.yaml")
MOTOR: Final = MAT.motors[0]
SLOT_MS: Final = 1_000 / MAT.pwm_hz
BRANCH: Final = netlist("motor.cir")
DRIVERS: Final = {
    "A": f"{netlist('driver_a.cir')}\n{BRANCH}",
    "B": f"{netlist('driver_b.cir')}\n{BRANCH}",
}

PIN_MA: Final = 8.0
THRESHOLD_V: Final = (0.65, 1.45)
"""AO3400A: lowest and highest threshold."""

INPUT_UA: Final = 50.0
"""ULN2803A: input current at which an output may begin to conduct at 70 °C."""

CHIP_A: Final = 0.5
"""ULN2803A: absolute maximum of one output."""

STARTS_V: Final = 2.8
NOMINAL_V: Final = 3.6
ROTOR_HZ: Final = (150 - 33, 150 + 33)
"""DEV-3408E03: the highest voltage that a motor may need to start, the nominal voltage, and the
range of its speed at that voltage."""

HOLD_A_PCT: Final = 42
"""The `hold` for driver A, which loses 1 V: the motor turns as fast as with `hold` of the mat file
and driver B."""

BEAT_HZ: Final = 40.0
"""Two vibrations that differ by less than this are felt as one that swells and fades."""

TOLERANCES: Final = {
    "vth_n": THRESHOLD_V,
    "lmotor": (0.05e-3, 1e-3),
    "rptc": (1.0, 3.0),
    "v5": (4.75, 5.25),
    "v33": (3.3 * 0.95, 3.3 * 1.05),
    "Rp": (0.95, 1.05),
    **TEMPERATURE,
}
"""Only the order of the motor's inductance is known: 0.1 mH is assumed."""

WEAK_PULL_UP_OHM: Final = 73_000


def motor_ohm(motor: Motor) -> float:
    """The motor's resistance at rest, from the mat file: at the cap `start_ma` flows."""
    return erm.SUPPLY_V * motor.cap_pct / 100 / (motor.start_ma / 1_000)


def branch(name: str, plus: str, core: str, motor: Motor) -> str:
    """Netlist of a motor with its capacitor at the end of its cable."""
    induced = 1 - motor.run_ma / motor.start_ma
    return (
        f"XW{name} {core} far{name} CABLE\n"
        f"XB{name} {plus} far{name} BRANCH rstall={motor_ohm(motor):.3f} induced={induced:.3f}\n"
    )


def pwm(name: str, node: str, duty_pct: int, first_ms: float = 1.0) -> str:
    """Netlist of a pin of the Pi with PWM."""
    pulse = f"PULSE(0 {{v33}} {first_ms}m 20n 20n {SLOT_MS * duty_pct / 100}m {SLOT_MS}m)"
    return f"VL{name} lv{name} 0 {pulse}\nX{name} {node} lv{name} one PIPIN\n"


ONE: Final = "VONE one 0 1\n"


def floating_pin(which: str, bench: str, what: str, changed: Parts) -> float:
    """One figure of a driver whose pin floats, with a motor on the rail."""
    stage = "VR rail 0 {v5}\nXD pin rail out DRIVER\nVM rail red 0\n"
    stage += branch("M", "red", "out", MOTOR)
    measure = f".meas tran what FIND {what} AT=900u"
    return run(DRIVERS[which], bench + stage + ".tran 1u 1m\n", [measure], changed)["what"]


PULLED_UP: Final = f"VPU pu 0 {{v33}}\nRPU pu pin {PULL_UP_OHM}\n"


def rising_rail_v(changed: Parts) -> float:
    """The peak at the gate of driver B's MOSFET, which its drain lifts as the rail rises."""
    bench = f"""{beats([50])}{ONE}
V33 v33 0 {{v33}}
VIN vin 0 PWL(0 0 1m {{v5}})
XPIN hb lev one PIPIN
XG hb sense v33 vin rail GATE
RPU v33 pin {PULL_UP_OHM}
XD pin rail out DRIVER
{branch("M", "rail", "out", MOTOR)}
.tran 1u 60m 45m 5u
"""
    peak = ".meas tran peak MAX v(xd.g) FROM=45m TO=60m"
    return run(f"{GATE}\n{DRIVERS['B']}", bench, [peak], changed)["peak"]


@cache
def pins() -> list[Row]:
    """Fault 29: a motor pin floats, pulled up by the strongest pull-up of a Pi."""
    pulled_up_v = worst(partial(floating_pin, "B", PULLED_UP, "v(xd.g)"), TOLERANCES)
    alone_v = worst(partial(floating_pin, "B", "", "v(xd.g)"), TOLERANCES).high
    leaks_ma = worst(partial(floating_pin, "B", PULLED_UP, "i(vm)"), TOLERANCES)
    input_a = worst(partial(floating_pin, "A", PULLED_UP, "i(v.xd.xu.vin)"), TOLERANCES)
    allowed_v = 0.7 * THRESHOLD_V[0]
    tolerances = {
        "v33": TOLERANCES["v33"],
        "DRIVER.Rp": (0.95, 1.05),
        "vth_n": THRESHOLD_V,
        "v5": TOLERANCES["v5"],
        "vth_p": (0.5, 1.3),
        "GATE.Cm": (0.7, 1.1),
        **TEMPERATURE,
    }
    rises_v = worst(rising_rail_v, tolerances)
    return [
        Row("B: gate, pin floating", alone_v * 1e3, "mV", None, allowed_v * 1e3),
        Row("B: gate, strongest pull-up", pulled_up_v.high * 1e3, "mV", None, allowed_v * 1e3),
        Row("B: motor current with the strongest pull-up", leaks_ma.high * 1e3, "mA", None, 0.1),
        Row("B: gate while the rail comes on, peak", rises_v.high * 1e3, "mV", None, 540),
        Row("A: input, strongest pull-up", input_a.high * 1e6, "µA", None, 0.7 * INPUT_UA),
    ]


def switching(
    which: str, duty_pct: int, measures: list[str], changed: Parts = NOMINAL
) -> dict[str, float]:
    """Simulates one stage and its motor for eight PWM periods, from the motor's nominal speed."""
    bench = f"""VR rail 0 {{v5}}
{ONE}{pwm("P", "pin", duty_pct)}
XD pin rail out DRIVER
VM rail red 0
{branch("M", "red", "out", MOTOR)}
.ic v(xbm.xm.speed)={NOMINAL_V}
.tran 2u {8 * SLOT_MS + 1}m 0 20u
"""
    return run(DRIVERS[which], bench, measures, changed)


WINDOW: Final = f"FROM={4 * SLOT_MS + 1}m TO={8 * SLOT_MS + 1}m"


@cache
def drivers() -> list[Row]:
    """A stage in normal operation: its drain and its pin."""
    rows = []
    measures = [
        f".meas tran high MAX v(xd.d) {WINDOW}",
        f".meas tran low FIND v(xd.d) AT={4 * SLOT_MS + 2}m",
        f".meas tran pin MAX i(v.xp.vpin) FROM={4 * SLOT_MS + 1.1}m TO={4 * SLOT_MS + 2}m",
        f".meas tran spike MAX i(v.xp.vpin) {WINDOW}",
    ]

    def figure(which: str, what: str, changed: Parts) -> float:
        return switching(which, limits.DUTY_PCT, measures, changed)[what]

    for which, on_mv, clamp_v in (("A", 1_300, 1.7), ("B", 100, 0.6)):
        extremes = {
            what: worst(partial(figure, which, what), TOLERANCES)
            for what in ("high", "low", "pin", "spike")
        }
        rows += [
            Row(f"{which}: highest drain", extremes["high"].high, "V", None, 5.25 + clamp_v),
            Row(f"{which}: drain while on", extremes["low"].high * 1e3, "mV", None, on_mv),
            Row(f"{which}: pin current", extremes["pin"].high * 1e3, "mA", None, PIN_MA),
            Row(
                f"{which}: pin current in the first microsecond",
                extremes["spike"].high * 1e3,
                "mA",
                None,
                2 * PIN_MA,
            ),
        ]
    return rows


def dc(volt: float, measures: list[str]) -> dict[str, float]:
    """Simulates the motor on a constant voltage until its speed is constant."""
    bench = f"VR red 0 {volt}\n{branch('M', 'red', '0', MOTOR)}.tran 1m 600m\n"
    return run(BRANCH, bench, measures)


STALLED_EMF: Final = "0.001"
"""Share of the back EMF for a motor that is held still: almost none."""


def at_duty(
    which: str, duty_pct: int, measures: list[str], changed: Parts, induced: str = ""
) -> dict[str, float]:
    """Simulates one stage at this duty, when its motor has reached its speed."""
    stage = branch("M", "red", "out", MOTOR)
    bench = f"""VR rail 0 {{v5}}
{ONE}{pwm("P", "pin", duty_pct)}
XD pin rail out DRIVER
VM rail red 0
{re.sub("induced=.*", f"induced={induced}", stage) if induced else stage}
.ic v(xbm.xm.speed)={NOMINAL_V}
.tran 5u 60m 40m 40u
"""
    # A motor with a quarter of the time constant reaches the same speed in a quarter of the time.
    return run(DRIVERS[which], bench, measures, {**changed, "cspeed": 0.25e-3})


@cache
def duty_at_cap() -> list[Row]:
    """What a motor gets at the duty of its cap, compared with its nominal voltage without PWM.

    The current stops within microseconds after each pulse. So the motor's mean voltage is not the
    duty's share of 5 V, and its current flows in pulses, which heat more than a constant current.
    """
    end = "FROM=40m TO=60m"
    direct = run(
        BRANCH,
        f"VR red 0 {NOMINAL_V}\n{branch('M', 'red', '0', MOTOR)}.tran 1m 600m\n",
        [".meas tran mean AVG i(l.xbm.xm.l1) FROM=500m TO=600m"],
    )
    measures = [
        f".meas tran mean AVG i(vm) {end}",
        f".meas tran rms RMS i(l.xbm.xm.l1) {end}",
        f".meas tran speed AVG v(xbm.xm.speed) {end}",
    ]
    tolerances = {key: TOLERANCES[key] for key in ("rptc", "lmotor", "v5", "temp")}
    rows, fastest_v = [], 0.0
    for which, duty_pct in (("A", MAT.limits.duty_pct), ("B", MOTOR.cap_pct)):

        def figure(what: str, changed: Parts, which: str = which, pct: int = duty_pct) -> float:
            return at_duty(which, pct, measures, changed)[what]

        def starting_v(changed: Parts, which: str = which, pct: int = duty_pct) -> float:
            return at_duty(which, pct, measures, changed, STALLED_EMF)["mean"] * motor_ohm(MOTOR)

        mean, rms, speed = (
            worst(partial(figure, what), tolerances) for what in ("mean", "rms", "speed")
        )
        power = figure("mean", {}) * erm.SUPPLY_V / (direct["mean"] * NOMINAL_V)
        name = f"{which}, {duty_pct} %"
        fastest_v = max(fastest_v, speed.high)
        rows += [
            Row(f"{name}: mean current, highest", mean.high * 1e3, "mA", None, MOTOR.start_ma),
            Row(f"{name}: DC voltage of the same speed, lowest", speed.low, "V DC"),
            Row(f"{name}: DC voltage of the same speed, highest", speed.high, "V DC"),
            Row(f"{name}: more power than at {NOMINAL_V} V DC", 100 * (power - 1), "%"),
            Row(
                f"{name}: more heat in the winding than at {NOMINAL_V} V DC, most",
                100 * ((rms.high / direct["mean"]) ** 2 - 1),
                "%",
                None,
                80,
            ),
            Row(
                f"{name}: DC voltage of the same starting torque, lowest",
                worst(starting_v, tolerances).low,
                "V DC",
                STARTS_V if which == "B" else None,
            ),
        ]
    # The speed at `hold` of each driver's mat file.
    for which, duty_pct in (("A", HOLD_A_PCT), ("B", MOTOR.hold_pct)):
        speed_v = at_duty(which, duty_pct, measures, {})["speed"]
        rows.append(
            Row(f"{which}, {duty_pct} %, its hold: DC voltage of the same speed", speed_v, "V DC")
        )
    highest_hz = ROTOR_HZ[1] * fastest_v / NOMINAL_V
    return [
        *rows,
        Row("fastest motor at the cap", highest_hz, "Hz"),
        Row("PWM frequency above that by", MAT.pwm_hz - highest_hz, "Hz", BEAT_HZ),
    ]


# ---- the start button

BUTTON: Final = netlist("button.cir")
COUPLED_PF: Final = 200
"""Capacitance between a core of the button's cable and one of the mat's, two metres side by side;
assumed."""

CLAMP_MA: Final = 20.0
"""The most current into a pin's clamp diode for a millisecond. CMOS inputs of other makers
withstand 1 to 20 mA."""


@cache
def button() -> list[Row]:
    """The RC filter at the header: how fast its edges are, and how well it protects the pin."""
    tolerances = {
        "BUTTON.R1": (0.95, 1.05),
        "BUTTON.R2": (0.95, 1.05),
        "BUTTON.C1": (0.7, 1.1),
        "v33": TOLERANCES["v33"],
    }

    def edge_ms(closes: bool, pull_ohm: int, changed: Parts) -> float:
        hand = "PWL(0 0 100m 0 100.001m 1)" if closes else "PWL(0 1 100m 1 100.001m 0)"
        level, way = (READS_LOW_V, "FALL") if closes else (READS_HIGH_V, "RISE")
        bench = f"""VPU pu 0 {{v33}}
RPU pu pin {pull_ohm}
XB wire pin BUTTON
VH hand 0 {hand}
SB wire 0 hand 0 BTN
.model BTN SW(Ron=1 Roff=1G Vt=0.5 Vh=0.1)
.tran 10u 200m 0 50u
"""
        edge = f".meas tran edge WHEN v(pin)={level} {way}=1"
        return run(BUTTON, bench, [edge], changed)["edge"] * 1e3 - 100

    def coupled_mv(circuit: str) -> float:
        """How far the pin falls when a motor's core beside the cable jumps by 5 V in 100 ns."""
        bench = f"""VPU pu 0 3.3
RPU pu pin {WEAK_PULL_UP_OHM}
XB wire pin BUTTON
VN noise 0 PULSE(0 5 1m 100n 100n 1m 4m)
CN noise wire {COUPLED_PF}p
.tran 0.1u 4m 0 0.5u
"""
        lowest = ".meas tran low MIN v(pin) FROM=0.5m TO=4m"
        return (3.3 - run(circuit, bench, [lowest])["low"]) * 1e3

    def struck_ma(circuit: str) -> float:
        """Peak current into the pin after 8 kV from a finger (150 pF, 330 ohm) into the cable."""
        bench = f"""VPU pu 0 3.3
RPU pu pin {PULL_UP_OHM}
XB wire pin BUTTON
.model PINCLAMP D(Is=1f N=1 Rs=2)
VCL cl 0 3.3
DCL pin cl PINCLAMP
CF finger 0 150p ic=8000
RF finger wire 330
.tran 1n 100u 0 5n uic
"""
        return run(circuit, bench, [".meas tran peak MAX i(VCL) FROM=0 TO=100u"])["peak"] * 1e3

    bare = ".subckt BUTTON wire pin\nR1 wire pin 1m\n.ends"
    return [
        Row(
            "contact closes → pin reads low",
            worst(partial(edge_ms, True, PULL_UP_OHM), tolerances).high,
            "ms",
            None,
            1,
        ),
        Row(
            "contact opens → pin reads high, weakest pull-up",
            worst(partial(edge_ms, False, WEAK_PULL_UP_OHM), tolerances).high,
            "ms",
            None,
            DEBOUNCE_MS / 2,
        ),
        Row(
            "a motor's edge beside the cable lowers the pin by", coupled_mv(BUTTON), "mV", None, 50
        ),
        Row("the same without R1, C1 and R2", coupled_mv(bare), "mV"),
        Row("8 kV from a finger: current into the pin", struck_ma(BUTTON), "mA", None, CLAMP_MA),
        Row("the same without R1, C1 and R2", struck_ma(bare) / 1e3, "A"),
    ]
