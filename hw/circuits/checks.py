"""The build guide's checks, simulated: what the meter shows on a correct build and on wrong builds.

Each check has a range and a list of mistakes. Over all tolerances a correct build is inside the
range, and a build with one of the mistakes is outside. The figures in `hw/build.md` are these
ranges; a test compares the guide with this table.
"""

from collections.abc import Callable, Mapping
from functools import cache, partial
from types import MappingProxyType
from typing import Final, NamedTuple

from bench import Parts, edited, run, worst
from driver_figures import DRIVERS, MAT, MOTOR, TOLERANCES, branch
from gate_figures import (
    COUPLING,
    FILM,
    GATE,
    ONE_PERCENT,
    RESISTORS,
    SEMICONDUCTORS,
    SUPPLIES,
    TEMPERATURE,
)
from mat_figures import ADAPTER_LIMIT_A, POWER, adapter, short_bench

METER: Final = 10e6
"""Input resistance of a meter, in ohms."""

OHMS: Final = {"vohm": (0.25, 3.0)}
"""Some meters measure a resistance with less than 0.3 V, some with up to 3 V."""

Edits = Mapping[str, str]
"""Parts that are soldered wrongly: each part's reference, and its line in the netlist instead."""


class Mistake(NamedTuple):
    """One mistake of a builder."""

    what: str
    edits: Edits = MappingProxyType({})
    deck: str = ""
    """What the mistake adds to the circuit: a solder bridge, flux, another adapter."""
    parts: Parts = MappingProxyType({})
    """Fixed values for a mistake that a meter can show only with these values."""


CORRECT: Final = Mistake("")


class Check(NamedTuple):
    step: int
    wording: str
    """The text of the guide; each `{}` stands for a limit."""
    measure: Callable[[Mistake, Parts], float]
    tolerances: Mapping[str, tuple[float, float]]
    unit: str
    least: float | None
    most: float | None
    mistakes: tuple[Mistake, ...]

    @property
    def text(self) -> str:
        """The text of the guide, with its limits."""
        limits = [f"{end:g}" for end in (self.least, self.most) if end is not None]
        return self.wording.format(*limits)

    def is_met(self, value: float) -> bool:
        low, high = self.least, self.most
        return (low is None or value >= low) and (high is None or value <= high)


class Reading(NamedTuple):
    """The lowest and the highest value that the meter shows over the tolerances."""

    check: Check
    mistake: Mistake
    low: float
    high: float

    @property
    def is_caught(self) -> bool:
        """Whether the mistake fails the check over all tolerances."""
        check = self.check
        below = check.least is not None and self.high < check.least
        return below or (check.most is not None and self.low > check.most)

    @property
    def is_right(self) -> bool:
        return self.check.is_met(self.low) and self.check.is_met(self.high)


def chosen(
    names: str, *tables: Mapping[str, tuple[float, float]]
) -> dict[str, tuple[float, float]]:
    """The tolerances with these names, from all tables."""
    together = {key: limits for table in tables for key, limits in table.items()}
    return {name: together[name] for name in names.split()}


def measured(circuit: str, mistake: Mistake, changed: Parts, deck: str, measure: str) -> float:
    """One measured value of a circuit with a mistake in it."""
    results = run(
        edited(circuit, mistake.edits), deck + mistake.deck, [measure], {**changed, **mistake.parts}
    )
    return results["what"]


# ---- step 2: supply, fuse, stop switch


def supply_v(
    what: str, after_s: float, stop: str, mistake: Mistake, changed: Parts, fuse: bool = True
) -> float:
    """A voltage of the supply's board, `after_s` after the fuse is out or the switch pressed."""
    # That happens at 0.2 s.
    fuse_at = "1" if fuse else "PWL(0 1 200m 1 200.1m 0)"
    supply = "" if "BS " in mistake.deck else adapter("{v5}", ADAPTER_LIMIT_A)
    deck = f"""{supply}VST stop 0 {stop}
VF fuse 0 {fuse_at}
SF jack in fuse 0 CONTACT
XP in vin stop POWER
RM vin 0 {METER}
.tran 1m {after_s + 0.2} 0 2m
"""
    measure = f".meas tran what FIND {what} AT={after_s + 0.199}"
    return measured(POWER, mistake, changed, deck, measure)


CLOSED: Final = "1"
PRESSED: Final = "PWL(0 1 200m 1 200.1m 0)"

STEP_2: Final = (
    Check(
        2,
        "at the socket alone, with the meter's plus on its centre: {} to {} V",
        lambda mistake, changed: measured(
            "",
            mistake,
            changed,
            ("" if "BS " in mistake.deck else adapter("{v5}", ADAPTER_LIMIT_A))
            + f"RM jack 0 {METER}\n.tran 1m 100m\n",
            ".meas tran what FIND v(jack) AT=99m",
        ),
        chosen("v5", SUPPLIES),
        "V",
        4.75,
        5.25,
        (
            Mistake("a 12 V adapter", deck=adapter(12, 1.5)),
            Mistake("a 9 V adapter", deck=adapter(9, 1.0)),
            Mistake("an adapter with minus on its centre", deck=adapter(5, 3, reverse=True)),
        ),
    ),
    Check(
        2,
        "behind the stop switch: {} to {} V",
        partial(supply_v, "v(vin)", 1.0, CLOSED),
        chosen("v5", SUPPLIES),
        "V",
        4.7,
        5.25,
        (
            Mistake("D1 turned round", {"D1": "D1 fused 0 P6KE6V8A"}),
            Mistake("no fuse in its holder", {"F1": ""}),
            Mistake("a stop switch that closes when pressed", {"S1": ""}),
            Mistake("a 12 V adapter", deck=adapter(12, 1.5)),
            Mistake("an adapter with minus on its centre", deck=adapter(5, 3, reverse=True)),
        ),
    ),
    Check(
        2,
        "one second after you press the stop switch: at most {} V",
        partial(supply_v, "v(vin)", 1.0, PRESSED),
        chosen("v5", SUPPLIES),
        "V",
        None,
        0.1,
        (
            Mistake("R1 missing", {"R1": ""}),
            Mistake("R1 of 1 MΩ", {"R1": "R1 vin 0 1e6"}),
            Mistake("a stop switch that does not open", {"S1": "R99 fused vin 0.1"}),
        ),
    ),
    Check(
        2,
        "five seconds after you take the fuse out: at most {} V",
        partial(supply_v, "v(vin)", 5.0, CLOSED, fuse=False),
        chosen("v5", SUPPLIES),
        "V",
        None,
        0.1,
        (Mistake("a wire that bypasses the fuse", deck="RX jack in 0.1\n"),),
    ),
)


# ---- step 3: the drivers


OPEN_KOHM: Final = 1e5
"""Stands for a resistance above the meter's range."""


def kohm_to_ground(
    circuit: str, joined: str, probe: str, mistake: Mistake, changed: Parts
) -> float:
    """The resistance from `probe` to ground that a meter shows, in kilohms."""
    deck = f"""{joined}VT test 0 {{vohm}}
RT test {probe} 10k
.tran 1m 3 0 5m
"""
    results = run(
        edited(circuit, mistake.edits),
        deck + mistake.deck,
        [f".meas tran v FIND v({probe}) AT=2.99", ".meas tran i FIND i(vt) AT=2.99"],
        {**changed, **mistake.parts},
    )
    if abs(results["i"]) < 1e-11:
        return OPEN_KOHM
    return min(-results["v"] / results["i"] / 1e3, OPEN_KOHM)


def higher_kohm(circuit: str, joined: str, probe: str, mistake: Mistake, changed: Parts) -> float:
    """The higher resistance of the two ways round, in kilohms."""
    ways = [
        kohm_to_ground(
            circuit, joined, probe, mistake, {**changed, "vohm": way * changed.get("vohm", 1.0)}
        )
        for way in (1, -1)
    ]
    return max(ways)


def driver_on_bench(which: str, what: str, lead: str, mistake: Mistake, changed: Parts) -> float:
    """One value of a stage on 5 V with its motor. `lead` is what its input is joined to."""
    deck = f"""VR supply 0 {{v5}}
RR supply rail 0.3
V33 v33 0 {{v33}}
{lead}XD pin rail out DRIVER
{branch("M", "rail", "out", MOTOR)}RM pin 0 {METER}
BACROSS across 0 V=V(rail,out)
.tran 1m 500m
"""
    return measured(DRIVERS[which], mistake, changed, deck, f".meas tran what FIND {what} AT=499m")


TOUCHED: Final = "RTOUCH v33 pin 1k\n"
THROUGH_33K: Final = "RTOUCH v33 pin 33k\n"

STAGE_TOLERANCES: Final = chosen("vth_n rptc v5 v33 Rp temp", TOLERANCES)
INPUT_TOLERANCES: Final = {"Rp": (0.95, 1.05), **OHMS}
WITHOUT_MOTOR: Final = "XD pin rail out DRIVER\n"
B_SHORTED: Final = Mistake("a solder bridge from drain to source", deck="RX out 0 0.1\n")
B_TURNED: Final = Mistake("M1's drain and source exchanged", {"M1": "M1 0 g d AO3400A"})
B_GATE: Final = Mistake("M1's gate and source exchanged", {"M1": "M1 d 0 g AO3400A"})
NO_PTC: Final = Mistake("no PTC", {"ptc": ""})

STEP_3: Final = (
    Check(
        3,
        "driver B: {} to {} kΩ from each input to ground",
        partial(kohm_to_ground, DRIVERS["B"], WITHOUT_MOTOR, "pin"),
        {"Rg": (0.95, 1.05), **INPUT_TOLERANCES},
        "kΩ",
        3.5,
        4.0,
        (
            Mistake("Rp missing", {"Rp": ""}),
            Mistake("Rp of 33 kΩ", {"Rp": "Rp g 0 33k"}),
            Mistake("Rp of 330 Ω", {"Rp": "Rp g 0 330"}),
            Mistake("Rp of 4.7 kΩ", {"Rp": "Rp g 0 4.7k"}),
            Mistake("Rg of 4.7 kΩ", {"Rg": "Rg pin g 4.7k"}),
            Mistake("Rg missing", {"Rg": ""}),
        ),
    ),
    Check(
        3,
        "driver A: {} to {} kΩ from each input to ground",
        partial(kohm_to_ground, DRIVERS["A"], WITHOUT_MOTOR, "pin"),
        INPUT_TOLERANCES,
        "kΩ",
        2.3,
        3.5,
        (
            Mistake("Rp missing", {"Rp": ""}),
            Mistake("Rp of 33 kΩ", {"Rp": "Rp pin 0 33k"}),
            Mistake("Rp of 330 Ω", {"Rp": "Rp pin 0 330"}),
        ),
    ),
    Check(
        3,
        "more than {} kΩ from each output to ground, "
        "with the meter's leads one way round or the other",
        partial(higher_kohm, DRIVERS["B"], WITHOUT_MOTOR, "out"),
        {**OHMS, "temp": (5.0, 60.0)},
        "kΩ",
        100,
        None,
        (B_SHORTED, Mistake("a bridge from output to input", deck="RX out pin 0.1\n")),
    ),
    Check(
        3,
        "driver B, input not connected: at most {} V across the motor",
        partial(driver_on_bench, "B", "v(across)", ""),
        STAGE_TOLERANCES,
        "V",
        None,
        0.1,
        (B_SHORTED, B_TURNED),
    ),
    Check(
        3,
        "driver A, input not connected: at most {} V across the motor",
        partial(driver_on_bench, "A", "v(across)", ""),
        STAGE_TOLERANCES,
        "V",
        None,
        0.1,
        (B_SHORTED,),
    ),
    Check(
        3,
        "driver B, input joined to 3.3 V through 1 kΩ: at least {} V across the motor",
        partial(driver_on_bench, "B", "v(across)", TOUCHED),
        STAGE_TOLERANCES,
        "V",
        4.0,
        None,
        (
            B_GATE,
            NO_PTC,
            Mistake("Rg missing", {"Rg": ""}),
            Mistake("Rg and Rp exchanged", {"Rg": "Rg pin g 3.3k", "Rp": "Rp g 0 470"}),
            Mistake("Dfly turned round", {"Dfly": "Dfly rail d D1N5819"}),
        ),
    ),
    Check(
        3,
        "driver A, input joined to 3.3 V through 1 kΩ: at least {} V across the motor",
        partial(driver_on_bench, "A", "v(across)", TOUCHED),
        STAGE_TOLERANCES,
        "V",
        2.8,
        None,
        (NO_PTC, Mistake("the chip turned round or a pin bent", {"U": ""})),
    ),
    Check(
        3,
        "driver B, input joined to 3.3 V through 33 kΩ: at most {} V at the MOSFET's gate",
        partial(driver_on_bench, "B", "v(xd.g)", THROUGH_33K),
        STAGE_TOLERANCES,
        "V",
        None,
        0.35,
        (
            Mistake("Rp of 4.7 kΩ", {"Rp": "Rp g 0 4.7k"}),
            Mistake("Rp of 10 kΩ", {"Rp": "Rp g 0 10k"}),
            Mistake("Rp missing", {"Rp": ""}),
        ),
    ),
    Check(
        3,
        "driver A, input joined to 3.3 V through 33 kΩ: at most {} V at the input",
        partial(driver_on_bench, "A", "v(pin)", THROUGH_33K),
        STAGE_TOLERANCES,
        "V",
        None,
        0.3,
        (
            Mistake("Rp of 10 kΩ", {"Rp": "Rp pin 0 10k"}),
            Mistake("Rp missing", {"Rp": ""}),
        ),
    ),
)


# ---- step 4: the motor gate

LED: Final = "RLED rail led 1k\nDLED led 0 LED\n.model LED D(Is=1e-20 N=1.8 Rs=5)\n"


def gate_on_bench(
    what: str,
    changed: Parts,
    mistake: Mistake,
    *,
    hand: str = "0",
    second_hand: str = "0",
    joined: str = LED,
    end_s: float = 1.5,
    kind: str = "FIND",
    at: str = "AT=1.49",
    vin: str = "PWL(0 0 1m {v5})",
) -> float:
    """One value of the gate on the bench.

    While `hand` is above 0.5 V, the heartbeat is held to 3.3 V through 1 kΩ. While `second_hand` is
    above 0.5 V, the heartbeat is held to ground with a wire.
    """
    deck = f"""V33 v33 0 {{v33}}
VIN supply 0 {vin}
RIN supply vin 0.3
VH hand 0 {hand}
RT v33 touch 1k
SH touch hb hand 0 TIP
VH2 hand2 0 {second_hand}
SH2 hb 0 hand2 0 TIP
.model TIP SW(Ron=1 Roff=1G Vt=0.5 Vh=0.1)
XG hb sense v33 vin rail GATE
RM rail 0 {METER}
IQ1 xg.hf xg.full {{icbo}}
IQ2 xg.pull xg.hc {{icbo}}
{joined}.tran 1m {end_s} 0 5m
"""
    return measured(GATE, mistake, changed, deck, f".meas tran what {kind} {what} {at}")


TOUCH_S: Final = 0.3
TOUCHES: Final = f"PWL(0 0 {TOUCH_S} 0 {TOUCH_S + 0.001} 1)"
GROUND_S: Final = 1.2
GROUNDS: Final = f"PWL(0 0 {GROUND_S} 0 {GROUND_S + 0.001} 1)"


def flash_s(mistake: Mistake, changed: Parts, first: bool = True) -> float:
    """How long the LED is lit after the heartbeat goes to 3.3 V, or then to ground; to 0.85 s."""
    begin = TOUCH_S if first else GROUND_S
    end = begin + 0.85
    # v(lit) is 1 while the rail is above 2.5 V, so its integral is the time.
    joined = f"{LED}BLIT lit 0 V=0.5+0.5*tanh(50*(V(rail)-2.5))\n"
    return gate_on_bench(
        "v(lit)",
        changed,
        mistake,
        hand=TOUCHES,
        second_hand="0" if first else GROUNDS,
        joined=joined,
        end_s=end + 0.01,
        kind="INTEG",
        at=f"FROM={begin} TO={end}",
    )


def resting(what: str, mistake: Mistake, changed: Parts, joined: str = "") -> float:
    return gate_on_bench(what, changed, mistake, joined=joined)


def stuck_high_v(bridge: str, mistake: Mistake, changed: Parts) -> float:
    """The rail one second after the heartbeat is held to 3.3 V, with a wire across a capacitor."""
    return gate_on_bench("v(rail)", changed, mistake, hand=TOUCHES, joined=LED + bridge)


def stopped_v(mistake: Mistake, changed: Parts) -> float:
    """The highest rail while the stop switch is pressed and the heartbeat is held to 3.3 V."""
    return gate_on_bench(
        "v(rail)", changed, mistake, hand=TOUCHES, vin="0", kind="MAX", at="FROM=0.2 TO=1.4"
    )


def read_back_v(mistake: Mistake, changed: Parts) -> float:
    joined = f"RBRIDGE vin rail 0.1\nRM2 sense 0 {METER}\n"
    return gate_on_bench("v(sense)", changed, mistake, joined=joined)


REST_TOLERANCES: Final = {
    **chosen("Rm Rk Rl Rn Ro", RESISTORS),
    **chosen("vth_p ileak ibias icbo gain", SEMICONDUCTORS),
    **SUPPLIES,
    **TEMPERATURE,
}
HOLD_TOLERANCES: Final = {
    **FILM,
    **ONE_PERCENT,
    **chosen("Cc", COUPLING),
    **chosen("v33", SUPPLIES),
    **TEMPERATURE,
    **chosen("ibias voffset gain", SEMICONDUCTORS),
}
THRESHOLD_TOLERANCES: Final = {
    **chosen("Rh Ri", ONE_PERCENT),
    **chosen("Rk Rm Rl", RESISTORS),
    **SUPPLIES,
    **chosen("ibias", SEMICONDUCTORS),
}
LED_TOLERANCES: Final = {**SUPPLIES, **TEMPERATURE, **chosen("vth_p ibias gain", SEMICONDUCTORS)}
Q1_TURNED: Final = Mistake(
    "Q1 turned round", {"Q1": "Q1 v33 hf full BC557"}, parts={"reverse_gain": 1.0}
)

STEP_4: Final = (
    Check(
        4,
        "without power: {} to {} kΩ from heartbeat to ground",
        partial(kohm_to_ground, GATE, "XG hb sense v33 vin rail GATE\n", "hb"),
        {"Rhb": (0.95, 1.05), **OHMS},
        "kΩ",
        9,
        11,
        (
            Mistake("Rhb missing", {"Rhb": ""}),
            Mistake("Rhb of 1 kΩ", {"Rhb": "Rhb hb 0 1k"}),
            Mistake("Rhb of 100 kΩ", {"Rhb": "Rhb hb 0 100k"}),
            Mistake("Ra bridged to ground behind it", deck="RX xg.ha 0 0.1\n"),
        ),
    ),
    Check(
        4,
        "3.3 V and 5 V switched on, in either order, without the LED: at most {} V at the rail",
        partial(resting, "v(rail)"),
        REST_TOLERANCES,
        "V",
        None,
        0.2,
        (
            Mistake("M1's drain and source exchanged", {"M1": "M1 vin g rail AO3401A"}),
            Mistake("M1 bridged", deck="RX vin rail 0.1\n"),
            Mistake("Rm missing", {"Rm": "RX vin g 1e9"}),
            Mistake("Rm of 220 kΩ", {"Rm": "Rm vin g 220k"}, parts={"vth_p": 0.9}),
            Mistake("pins 2 and 3 of U1 exchanged", {"U1": "XU1 ct th drv v33 0 LM393"}),
            Mistake("Rt missing", {"Rt": ""}, parts={"ibias": 25e-9}),
            Mistake("flux from M1's gate to ground, 47 kΩ", deck="RX xg.g 0 47k\n"),
        ),
    ),
    Check(
        4,
        "at U1's pin 3: {} to {} V",
        partial(resting, "v(xg.th)"),
        THRESHOLD_TOLERANCES,
        "V",
        1.05,
        1.25,
        (
            Mistake("Rh and Ri exchanged", {"Rh": "Rh v33 th 10k", "Ri": "Ri th 0 20k"}),
            Mistake("Rh of 2 kΩ", {"Rh": "Rh v33 th 2k"}),
            Mistake("Rh of 200 kΩ", {"Rh": "Rh v33 th 200k"}),
            Mistake("Ri of 1 kΩ", {"Ri": "Ri th 0 1k"}),
            Mistake("Ri missing", {"Ri": ""}),
            Mistake("Rk of 47 kΩ", {"Rk": "Rk th drv 47k"}),
        ),
    ),
    Check(
        4,
        "at U1's pin 2, after a few seconds without touching anything: at most {} V",
        partial(resting, "v(xg.ct)"),
        {**chosen("ibias icbo gain", SEMICONDUCTORS), **SUPPLIES, **TEMPERATURE},
        "V",
        None,
        0.12,
        (
            Mistake("flux from 3.3 V to Ct, 1 MΩ", deck="RX v33 xg.ct 1e6\n"),
            Mistake("flux from 5 V to Ct, 2 MΩ", deck="RX vin xg.ct 2e6\n"),
            Mistake("Rt of 1.3 MΩ", {"Rt": "Rt ct 0 1.3e6"}, parts={"ibias": 200e-9}),
            Mistake("Q1 bridged", deck="RX v33 xg.full 1\n"),
        ),
    ),
    Check(
        4,
        "heartbeat held to 3.3 V through 1 kΩ: one flash of {} to {} s",
        flash_s,
        HOLD_TOLERANCES,
        "s",
        0.2,
        0.5,
        (
            Mistake("Q2 missing", {"Q2": ""}),
            Q1_TURNED,
            Mistake("Ct of 220 nF", {"Ct": "Ct ct 0 220n"}),
            Mistake("Rt of 1.3 MΩ", {"Rt": "Rt ct 0 1.3e6"}),
            Mistake("Rt of 13 kΩ", {"Rt": "Rt ct 0 13k"}),
            Mistake("flux from 3.3 V to Ct, 270 kΩ", deck="RX v33 xg.ct 270k\n"),
            Mistake("M1's gate and source exchanged", {"M1": "M1 rail vin g AO3401A"}),
        ),
    ),
    Check(
        4,
        "the heartbeat, still held so, also held to ground with a wire: "
        "again one flash of {} to {} s",
        partial(flash_s, first=False),
        HOLD_TOLERANCES,
        "s",
        0.2,
        0.5,
        (
            Mistake("Q3 missing", {"Q3": ""}),
            Mistake("Cc missing", {"Cc": ""}),
            Mistake("Rd of 100 Ω", {"Rd": "Rd he 0 100"}),
        ),
    ),
    Check(
        4,
        "heartbeat held to 3.3 V through 1 kΩ, a wire across Ca: "
        "at most {} V at the rail one second later",
        partial(stuck_high_v, "RX xg.ha xg.ham 0.1\n"),
        LED_TOLERANCES,
        "V",
        None,
        0.2,
        (Mistake("Cb bridged", deck="RY xg.ham xg.hc 0.1\n"),),
    ),
    Check(
        4,
        "the same with the wire across Cb: at most {} V",
        partial(stuck_high_v, "RX xg.ham xg.hc 0.1\n"),
        LED_TOLERANCES,
        "V",
        None,
        0.2,
        (Mistake("Ca bridged", deck="RY xg.ha xg.ham 0.1\n"),),
    ),
    Check(
        4,
        "stop switch pressed, heartbeat held to 3.3 V through 1 kΩ: at most {} V at the rail",
        stopped_v,
        SUPPLIES,
        "V",
        None,
        0.2,
        (
            Mistake(
                "the gate's 5 V comes from before the stop switch",
                deck="RX supply5 vin 0.1\nV5 supply5 0 5\n",
            ),
        ),
    ),
    Check(
        4,
        "a wire from M1's drain to its source, for this check only: {} to {} V at the read-back",
        read_back_v,
        {**chosen("Rn Ro Rs", RESISTORS), **SUPPLIES},
        "V",
        2.6,
        3.25,
        (
            Mistake("Rn and Ro exchanged", {"Rn": "Rn rail back 4.7k", "Ro": "Ro back 0 3.3k"}),
            Mistake("Rn bridged", {"Rn": "Rn rail back 0.1"}),
            Mistake("Rn of 330 Ω", {"Rn": "Rn rail back 330"}),
            Mistake("Ro missing", {"Ro": ""}),
            Mistake("Rs missing", {"Rs": ""}),
        ),
    ),
)

# ---- steps 7, 8 and 10: everything connected

WHOLE: Final = f"{POWER}\n{GATE}\n{DRIVERS['B']}"
ONE_OF_ALL: Final = f"""XP jack vin stop POWER
VST stop 0 1
XG hb sense v33 vin rail GATE
XD pin rail out DRIVER
{branch("M", "rail", "out", MOTOR)}"""


def lower_kohm(probe: str, mistake: Mistake, changed: Parts) -> float:
    """The lower resistance of the two ways round, in kilohms."""
    ways = [
        kohm_to_ground(
            WHOLE, ONE_OF_ALL, probe, mistake, {**changed, "vohm": way * changed.get("vohm", 1.0)}
        )
        for way in (1, -1)
    ]
    return min(ways)


def drop_v(mistake: Mistake, changed: Parts) -> float:
    """The fall of the voltage behind the stop switch when one motor runs at full duty."""
    deck = f"""VSUP sup 0 {{v5}}
RSUP sup jack 0.1
{ONE_OF_ALL}RG rail vin 0.06
V33 v33 0 {{v33}}
VP pin 0 PWL(0 0 200m 0 200.1m {{v33}})
.tran 1m 500m
"""
    before, after = ".meas tran a FIND v(vin) AT=199m", ".meas tran b FIND v(vin) AT=499m"
    results = run(edited(WHOLE, mistake.edits), deck + mistake.deck, [before, after], changed)
    return results["a"] - results["b"]


def tripped_a(mistake: Mistake, changed: Parts) -> float:
    """The current through a short at the socket after five seconds, with driver B on."""
    measure = ".meas tran what RMS i(vs) FROM=5 TO=6"
    supply = short_bench(100, 6).replace("VR rail 0 {v5}", "VR far 0 {v5}\nRR far rail 0.3")
    return measured(DRIVERS["B"], mistake, changed, supply, measure)


STEP_7: Final = (
    Check(
        7,
        "both supplies unplugged, the Pi not connected: "
        "more than {} kΩ from rail to ground, with the meter's leads both ways round",
        partial(lower_kohm, "rail"),
        {**OHMS, "Rn": (0.95, 1.05), "Ro": (0.95, 1.05)},
        "kΩ",
        1,
        None,
        (
            Mistake("rail and ground touch", deck="RX rail 0 10\n"),
            Mistake(
                "rail and the motor's core touch, M1 bridged",
                deck="RX rail out 0.1\nRY out 0 0.1\n",
            ),
        ),
    ),
    Check(
        7,
        "more than {} kΩ from the gate's 3.3 V to ground, both ways round",
        partial(lower_kohm, "v33"),
        {**OHMS, "Rh": (0.99, 1.01), "Ri": (0.99, 1.01)},
        "kΩ",
        1,
        None,
        (Mistake("3.3 V and ground touch", deck="RX v33 0 10\n"),),
    ),
)

STEP_8: Final = (
    Check(
        8,
        "behind the stop switch: at most {} V less while a motor runs than before",
        drop_v,
        {"v5": SUPPLIES["v5"], "rptc": (1.0, 3.0)},
        "V",
        None,
        0.1,
        (
            Mistake(
                "a contact of 1 Ω in the fuse holder or the stop switch", {"F1": "R99 jack fused 1"}
            ),
            Mistake("five metres of thin cable to the stop switch", {"S1": "R99 fused vin 1.4"}),
        ),
    ),
)

STEP_10: Final = (
    Check(
        10,
        "after five seconds: less than {} A through the wire",
        tripped_a,
        {"rptc": (1.0, 3.0), "v5": SUPPLIES["v5"]},
        "A",
        None,
        0.25,
        (
            Mistake("the PTC bridged", {"ptc": "R99 out d 0.1"}),
            Mistake("a fuse or wire instead of the PTC", {"ptc": "R99 out d 0.05"}),
        ),
    ),
)

# ---- step 5: the cut-offs of a mat in series

CUT_OFFS: Final = sum(motor.zone != "neck" for motor in MAT.motors)
CHAIN: Final = "\n".join(
    f"RT{i} {'red' if i == 1 else f'c{i - 1}'} {'0' if i == CUT_OFFS else f'c{i}'} 0.05"
    for i in range(1, CUT_OFFS + 1)
)
"""The cut-offs in series, each 50 milliohms with its crimps, which is a high value."""


def chain_ohm(mistake: Mistake, changed: Parts) -> float:
    return 1e3 * kohm_to_ground(CHAIN, "", "red", mistake, changed)


STEP_5: Final = (
    Check(
        5,
        "from red before the first cut-off to red after the last: below {} Ω",
        chain_ohm,
        OHMS,
        "Ω",
        None,
        1,
        (Mistake("a cut-off that soldering opened", {"RT2": ""}),),
    ),
)

CHECKS: Final = (*STEP_2, *STEP_3, *STEP_4, *STEP_5, *STEP_7, *STEP_8, *STEP_10)


def check_with(words: str) -> Check:
    return next(check for check in CHECKS if words in check.wording)


UNDETECTED: Final = (
    (
        check_with("one flash"),
        Mistake("Q2 turned round", {"Q2": "Q2 0 hc pull BC547"}, parts={"reverse_gain": 1.0}),
        "none: Q2 works with its small reverse gain, and the other edge holds the rail alone",
    ),
    (
        check_with("again one flash"),
        Mistake("Q3 turned round", {"Q3": "Q3 he 0 pull BC547"}, parts={"reverse_gain": 1.0}),
        "none: as with Q2",
    ),
    (
        check_with("first cut-off"),
        Mistake("a cut-off that was bridged", {"RT2": "RT2 c1 c2 0.001"}),
        "nothing switches off a motor that is stalled behind a shorted MOSFET (fault 28)",
    ),
)
"""Mistakes that no check finds: the nearest check, the mistake, and its consequence."""


def read(check: Check, mistake: Mistake) -> Reading:
    """What the meter shows over the tolerances of all parts that the mistake does not change."""
    tolerances = {
        key: limits
        for key, limits in check.tolerances.items()
        if key.split(".")[-1] not in mistake.edits and key not in mistake.parts
    }
    extremes = worst(partial(check.measure, mistake), tolerances)
    return Reading(check, mistake, extremes.low, extremes.high)


@cache
def readings() -> list[Reading]:
    """Every check on a correct build and on each of its mistakes."""
    return [read(check, mistake) for check in CHECKS for mistake in (CORRECT, *check.mistakes)]


@cache
def undetected() -> list[tuple[Reading, str]]:
    """Mistakes that no check finds: the reading of the nearest check, and the consequence."""
    return [(read(check, mistake), consequence) for check, mistake, consequence in UNDETECTED]
