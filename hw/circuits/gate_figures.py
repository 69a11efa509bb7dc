"""The motor gate over its tolerances: the hold of a beat, the rail at rest, and broken parts.

A beat is one change of the heartbeat pin. Here beats are as rare as the program allows: a checked
tick at least every 50 ms, or as late as `firmware_ctl/limits.py` allows. So the figures do not
depend on the length of the program's tick.
"""

from collections.abc import Iterator, Mapping
from functools import cache, partial
from typing import Final, NamedTuple

from bench import (
    NOMINAL,
    Parts,
    Row,
    Worst,
    edited,
    netlist,
    parts,
    reference,
    run,
    run_each,
    scaled,
    worst,
)

from firmware_ctl import limits
from firmware_ctl.simulator.board import STAGE_MS

GATE: Final = netlist("gate.cir")
LEAST_MS, MOST_MS = STAGE_MS
"""How long one edge holds the rail. The program and its simulator rely on these limits."""

PULL_UP_OHM: Final = 33_000
"""The strongest pull-up inside a Pi 4."""

READS_LOW_V: Final = 0.8
READS_HIGH_V: Final = 2.0
"""Below the first a pin of a Pi 4 always reads low, above the second always high."""

CLAMP_MA: Final = 0.5
"""The most current into a pin's clamp diode, for a while. No data sheet of the Pi gives a figure;
CMOS inputs of other makers withstand 1 to 20 mA."""

SUPPLIES: Final = {"v33": (3.3 * 0.95, 3.3 * 1.05), "v5": (4.75, 5.25)}
TEMPERATURE: Final = {"temp": (5.0, 60.0)}

RESISTORS: Final = {
    name: (0.95, 1.05)
    for _, _, (name, *_) in parts(GATE)
    if name[0] == "R" and name not in ("Rt", "Rh", "Ri")
}
"""5 %, even where the parts list has 1 %, because its alternatives have 5 %."""

ONE_PERCENT: Final = {"Rt": (0.9865, 1.0135), "Rh": (0.99, 1.01), "Ri": (0.99, 1.01)}
"""1 %. Rt also changes by 100 ppm/K over 35 K. Rh and Ri lie side by side and warm up together, and
only their difference matters."""

FILM: Final = {"Ct": (0.90, 1.10)}
"""5 % when new, 2 % for temperature, 3 % for twenty years."""

CERAMIC: Final = {"Cm": (0.7, 1.1), "Cr": (0.7, 1.1), "Cu": (0.7, 1.1)}
"""X7R: 10 % when new, 15 % for temperature, and the loss at its voltage."""

COUPLING: Final = {"Ca": (0.85, 1.15), "Cb": (0.85, 1.15), "Cc": (0.85, 1.15)}
"""Film, 10 % when new."""

SEMICONDUCTORS: Final = {
    "vth_p": (0.5, 1.3),
    "gain": (100.0, 400.0),
    "ibias": (0.0, 400e-9),
    "voffset": (-9e-3, 9e-3),
    "rsink": (30.0, 175.0),
    "ileak": (0.0, 1e-6),
    "icbo": (0.0, 170e-9),
}
"""From the data sheets. `icbo` is at most 15 nA at 25 °C and doubles every 10 K, up to 60 °C."""

EVERYTHING: Final = {
    **RESISTORS,
    **ONE_PERCENT,
    **FILM,
    **CERAMIC,
    **COUPLING,
    **SEMICONDUCTORS,
    **SUPPLIES,
    **TEMPERATURE,
}

VIN: Final = "PWL(0 0 1m {v5})"


class Broken(NamedTuple):
    """A failure of one part of the gate, and its effect; no effect if the gate still works."""

    part: str
    failure: str
    effect: str = ""
    detected_by: str = ""


BEAT_MS: Final = 50.0
"""Longest normal time between two ticks, from the safety concept."""


def ticks(first_ms: float, count: int, every_ms: float = BEAT_MS) -> list[float]:
    return [first_ms + every_ms * i for i in range(count)]


def beats(edges_ms: list[float], is_high: bool = False) -> str:
    """A source for the heartbeat pin, which changes at these times."""
    level = ("0", "{v33}")
    points = [f"0 {level[is_high]}"]
    for at_ms in edges_ms:
        points.append(f"{at_ms}m {level[is_high]}")
        is_high = not is_high
        points.append(f"{at_ms + 0.001}m {level[is_high]}")
    return f"VLEV lev 0 PWL({' '.join(points)})\n"


def gate(
    heartbeat: str,
    measures: list[str],
    end_ms: float,
    changed: Parts = NOMINAL,
    *,
    circuit: str = GATE,
    drive: str = "1",
    v33: str = "{v33}",
    vin: str = VIN,
    load_ohm: float = 100,
    step_ms: float = 1.0,
) -> dict[str, float]:
    """Simulates the gate alone, with a load of 50 mA. With `drive` 0 the heartbeat pin floats."""
    bench = f"""{heartbeat}
V33 pi 0 {v33}
RV33 pi v33 0.2
VIN vin 0 {vin}
VDRV drive 0 {drive}
XPIN hb lev drive PIPIN
XG hb sense v33 vin rail GATE
RL rail 0 {load_ohm}
IQ1 xg.hf xg.full {{icbo}}
IQ2 xg.pull xg.hc {{icbo}}
.tran 1m {end_ms}m 0 {step_ms}m
"""
    return run(circuit, bench, measures, changed)


def hold_ms(
    edges_ms: list[float], changed: Parts = NOMINAL, *, v33: str = "{v33}", drive: str = "1"
) -> float:
    """The time from the last of these edges until the rail is below 0.5 V. The first edge is up."""
    off = [".meas tran off WHEN v(rail)=0.5 FALL=LAST"]
    measured = gate(beats(edges_ms), off, edges_ms[-1] + 450, changed, v33=v33, drive=drive)
    return measured["off"] * 1e3 - edges_ms[-1]


LONG_MS: Final = 1_000.0
"""Without a beat for this long, Ct is empty."""

EDGES: Final[Mapping[str, list[float]]] = {
    "a single beat up, from rest": [50],
    "a single beat down, from rest": [50, 50 + LONG_MS],
    "the last of many beats, up": ticks(50, 11),
    "the last of many beats, down": ticks(50, 10),
}


@cache
def hold_range() -> dict[str, Worst]:
    """The shortest and the longest hold over all tolerances, for each kind of last beat."""
    return {what: worst(partial(hold_ms, edges), EVERYTHING) for what, edges in EDGES.items()}


def shortest() -> Worst:
    return min(hold_range().values(), key=lambda extremes: extremes.low)


def longest() -> Worst:
    return max(hold_range().values(), key=lambda extremes: extremes.high)


def lowest_v(edges_ms: list[float], changed: Parts) -> float:
    """The lowest rail from the first beat until one beat time after the last, with 5 V at -5 %."""
    changed = {**changed, "v5": 4.75}
    until_ms = edges_ms[-1] + BEAT_MS
    least = f".meas tran least MIN v(rail) FROM={edges_ms[0] + 10}m TO={until_ms}m"
    return gate(beats(edges_ms), [least], until_ms + 1, changed)["least"]


@cache
def hold() -> list[Row]:
    """How long the last beat holds the rail, and whether the beats of the program suffice."""
    shortest_hold = shortest()
    missing = [at_ms for i, at_ms in enumerate(ticks(50, 12)) if i % 3]
    late = [50.0 + limits.TICK_LATE_MS * i for i in range(4)]

    def on_ms(changed: Parts) -> float:
        on = ".meas tran on WHEN v(rail)=4.5 RISE=1"
        return gate(beats([50]), [on], 110, changed, step_ms=0.2)["on"] * 1e3 - 50

    rows = [
        Row(f"{what}, nominal", hold_ms(edges), "ms", LEAST_MS, MOST_MS)
        for what, edges in EDGES.items()
    ]
    for what, extremes in hold_range().items():
        rows += [
            Row(f"{what}, shortest", extremes.low, "ms", LEAST_MS, MOST_MS),
            Row(f"{what}, longest", extremes.high, "ms", LEAST_MS, MOST_MS),
        ]
    return [
        *rows,
        Row(
            "hold left when the latest allowed beat comes",
            shortest_hold.low - limits.TICK_LATE_MS,
            "ms",
            0,
        ),
        Row(
            "every third beat missed: lowest rail",
            lowest_v(missing, shortest_hold.low_parts),
            "V",
            4.5,
        ),
        Row(
            "every beat as late as allowed: lowest rail",
            lowest_v(late, shortest_hold.low_parts),
            "V",
            4.5,
        ),
        Row(
            "first beat → rail at 4.5 V, slowest",
            worst(on_ms, EVERYTHING).high,
            "ms",
            None,
            limits.RAIL_ON_MS / 10,
        ),
    ]


@cache
def read_back() -> list[Row]:
    """The voltage at the read-back pin over the tolerances, and its current with a broken
    divider."""
    sense = ".meas tran sense FIND v(sense) AT=100m"
    divider = {
        key: end
        for key, end in {**RESISTORS, **SUPPLIES}.items()
        if key in ("Rn", "Ro", "Rs", "v5")
    }
    pulled_up = f"VPU pu 0 {{v33}}\nRPU pu sense {PULL_UP_OHM}\n"
    clamp = "VCL cl 0 {v33}\n.model PINCLAMP D(Is=1f N=1 Rs=20)\nDCL sense cl PINCLAMP\n"

    # The program switches on the pin's pull-down, which lowers the voltage.
    pulled_down = f"RPD sense 0 {PULL_UP_OHM}\n"

    def on_v(changed: Parts) -> float:
        return gate(beats([50]), [sense], 110, changed)["sense"]

    def loaded_v(changed: Parts) -> float:
        return gate(beats([50]) + pulled_down, [sense], 110, changed)["sense"]

    def off_v(changed: Parts) -> float:
        return gate(beats([]) + pulled_up, [sense], 110, {"v33": 3.3 * 1.05, **changed})["sense"]

    def clamp_ma(changes: Mapping[str, str]) -> float:
        current = ".meas tran current MAX i(VCL) FROM=90m TO=110m"
        circuit = edited(GATE, changes)
        high = {"v5": 5.25, "v33": 3.3 * 0.95}
        return gate(beats([50]) + clamp, [current], 110, high, circuit=circuit)["current"] * 1e3

    on, loaded = worst(on_v, divider), worst(loaded_v, divider)
    off = worst(off_v, {key: end for key, end in divider.items() if key != "v5"})
    return [
        Row("read-back, rail on, strongest pull-down", loaded.low, "V", READS_HIGH_V),
        Row("read-back, rail on, highest", on.high, "V", None, 3.3 * 0.95 + 0.3),
        Row("read-back, rail off, strongest pull-up", off.high, "V", None, READS_LOW_V),
        Row(
            "Rn shorted: current into the pin",
            clamp_ma({"Rn": "Rn rail back 10m"}),
            "mA",
            None,
            CLAMP_MA,
        ),
        Row("Ro open: current into the pin", clamp_ma({"Ro": ""}), "mA", None, CLAMP_MA),
    ]


def resting_mv(heartbeat: str, changed: Parts = NOMINAL, **how: str) -> float:
    """The highest rail from 0.1 to 1 s. The only load is the read-back and the meter."""
    peak = ".meas tran peak MAX v(rail) FROM=100m TO=1000m"
    measured = gate(heartbeat, [peak], 1000, changed, load_ohm=10e6, step_ms=5, **how)  # type: ignore[arg-type]
    return measured["peak"] * 1e3


REST_MV: Final = 200
"""A rail below this reads as off, does not light the LED and turns no motor."""


@cache
def rest() -> list[Row]:
    """The rail without a beat, and without a load, because a load would hide M1's leakage."""
    low, high = beats([]), beats([], is_high=True)
    pull_up = f"VPU pu 0 {{v33}}\nRPU pu hb {PULL_UP_OHM}\n"

    def worst_mv(changed: Parts) -> float:
        return resting_mv(low, changed)

    extremes = worst(worst_mv, EVERYTHING)
    at = extremes.high_parts
    cases: dict[str, float] = {
        "M1 at its lowest threshold, 25 °C": resting_mv(low, {"vth_p": 0.5}),
        "the same at 60 °C": resting_mv(low, {"vth_p": 0.5, "temp": 60}),
        "worst over all tolerances and leakage, 5 to 60 °C": extremes.high,
        "the same, heartbeat pin stuck high": resting_mv(high, at),
        "the same, heartbeat pin floating": resting_mv(low, at, drive="0"),
        "the same, heartbeat pin pulled up": resting_mv(low + pull_up, at, drive="0"),
        "the same, 3.3 V comes after 5 V": resting_mv(low, at, v33="PWL(0 0 150m 0 155m {v33})"),
        "the same, 5 V comes after 3.3 V": resting_mv(low, at, vin="PWL(0 0 150m 0 150.01m {v5})"),
        "the same, 3.3 V never comes": resting_mv(low, at, v33="0"),
    }
    return [Row(f"{what}: highest rail", mv, "mV", None, REST_MV) for what, mv in cases.items()]


@cache
def stops() -> list[Row]:
    """Fault 29: the heartbeat stops, or the Pi's 3.3 V fails, quickly or slowly."""
    slow = longest().high_parts
    up, down = EDGES["the last of many beats, up"], EDGES["the last of many beats, down"]
    last_up = up[-1]
    # The process dies one millisecond after its last beat, and its pin becomes an input.
    dead = f"PWL(0 1 {last_up + 1}m 1 {last_up + 1.001}m 0)"

    def fails_ms(ramp_ms: float) -> float:
        fails = f"PWL(0 {{v33}} {last_up + 1}m {{v33}} {last_up + 1 + ramp_ms}m 0)"
        return hold_ms(up, slow, v33=fails)

    def sag_ms(changed: Parts) -> float:
        """A pin that is high follows its supply, so a quick sag of the supply acts as an edge."""
        off = [".meas tran off WHEN v(rail)=0.5 FALL=LAST"]
        sag = "PULSE({v33} 2.2 200m 0.5m 0.5m 20m)"
        measured = gate("ELEV lev 0 v33 0 1\n", off, 1_000, changed, v33=sag)
        return measured.get("off", 0.221) * 1e3 - 221

    held_ms = {
        "heartbeat stops high": hold_ms(up, slow),
        "heartbeat stops low": hold_ms(down, slow),
        "heartbeat line released from high": hold_ms(up, slow, drive=dead),
    }
    ramps = {"5 ms": 5, "0.3 s": 300, "1 s": 1_000, "3 s": 3_000}
    return [
        *(
            Row(f"{what} → rail off, slowest", ms, "ms", None, MOST_MS)
            for what, ms in held_ms.items()
        ),
        *(
            Row(
                f"the Pi's 3.3 V falls within {name} → rail off, slowest",
                fails_ms(ms),
                "ms",
                None,
                500,
            )
            for name, ms in ramps.items()
        ),
        Row(
            "pin stuck high, the Pi's 3.3 V sags to 2.2 V: end of the sag → rail off, slowest",
            worst(sag_ms, EVERYTHING).high,
            "ms",
            None,
            MOST_MS,
        ),
    ]


# ---- one part of the gate at a time

ENDS: Final = {"Q": (0, 2), "M": (0, 2), "X": (2, 4)}
"""The two nodes between which a part is shorted: collector and emitter, drain and source, the
comparator's output and ground. All other parts are shorted between their two ends."""

TURNED: Final = {
    "Q": (("C and E exchanged", (2, 1, 0)),),
    "M": (("D and S exchanged", (2, 1, 0)), ("G and S exchanged", (0, 2, 1))),
    "X": (("pins 2 and 3 exchanged", (1, 0, 2, 3, 4)),),
}
"""The ways in which a part with more than two legs can be soldered wrongly."""


def broken_parts() -> Iterator[tuple[str, str, str]]:
    """Every failure of every part: the part's reference, the failure, and the netlist that has
    it."""
    for _, _, (name, *nodes, value) in parts(GATE):
        label = reference(name)
        first, second = (nodes[end] for end in ENDS.get(name[0], (0, 1)))
        line = " ".join([name, *nodes, value])
        yield label, "open", edited(GATE, {label: f"RFAULT {first} {second} 10G"})
        yield label, "shorted", edited(GATE, {label: f"{line}\nRFAULT {first} {second} 10m"})
        for failure, order in TURNED.get(name[0], ()):
            turned = " ".join([name, *(nodes[i] for i in order), *nodes[len(order) :], value])
            yield label, failure, edited(GATE, {label: turned})
        if name[0] in "RC":
            yield label, "a tenth", scaled(GATE, {label: 0.1})
            yield label, "ten times", scaled(GATE, {label: 10})


ON_V: Final = 2.5
"""A rail above this counts as on."""


def effect_of(case: tuple[str, str, str]) -> Broken:
    """The effect of one failure, found with an even number of beats, which leaves the pin low, with
    an odd number, and without beats.

    Without beats the circuit is tried at its worst: hot, with M1's lowest threshold and all
    leakage.
    """
    part, failure, circuit = case
    first = 200.0
    hot = {
        "vth_p": 0.5,
        "temp": 60.0,
        "ileak": 1e-6,
        "ibias": 400e-9,
        "icbo": 170e-9,
        "gain": 400.0,
        "v5": 5.25,
    }
    pulled_down = "RPD sense 0 50k\n"

    def after_beats(count: int) -> tuple[dict[str, float], float]:
        last = ticks(first, count)[-1]
        end = last + limits.RAIL_OFF_MS + 200
        measures = [
            f".meas tran before MAX v(rail) FROM=50m TO={first - 1}m",
            f".meas tran on MIN v(rail) FROM={first + limits.RAIL_ON_MS}m TO={last}m",
            f".meas tran after MAX v(rail) FROM={last + limits.RAIL_OFF_MS}m TO={end}m",
            f".meas tran off WHEN v(rail)={ON_V} FALL=LAST",
            f".meas tran sense FIND v(sense) AT={last}m",
        ]
        heartbeat = beats(ticks(first, count)) + pulled_down
        return gate(heartbeat, measures, end, circuit=circuit, step_ms=3), last

    def resting_v(is_high: bool) -> float:
        """The rail after one second, with a load that stands for the mat's own resistors."""
        peak = [".meas tran peak MAX v(rail) FROM=900m TO=1000m"]
        still = beats([], is_high) + pulled_down
        return gate(still, peak, 1000, hot, circuit=circuit, load_ohm=10e3, step_ms=3)["peak"]

    # Enough beats for the program to check the rail.
    count = 2 * -(-limits.RAIL_ON_MS // int(2 * BEAT_MS)) + 4
    low, last = after_beats(count)
    held_ms = low.get("off", 0) * 1e3 - last
    if max(low["before"], resting_v(is_high=False)) > ON_V:
        return Broken(
            part, failure, "the rail is on before the first beat", "read-back, next start"
        )
    if low["on"] < ON_V:
        return Broken(part, failure, "the rail does not stay on", "read-back, at once")
    if low["after"] > ON_V:
        return Broken(part, failure, "the rail stays on too long", "read-back, after the last beat")
    if after_beats(count + 1)[0]["after"] > ON_V or resting_v(is_high=True) > ON_V:
        return Broken(part, failure, "a pin stuck high holds the rail", "nothing")
    if held_ms > MOST_MS:
        return Broken(part, failure, f"a beat holds for {held_ms:.0f} ms", "nothing")
    if low["sense"] < READS_HIGH_V:
        return Broken(part, failure, "the read-back shows off", "read-back, at once")
    if low["sense"] > 3.3:
        return Broken(
            part,
            failure,
            f"{low['sense']:.1f} V at the read-back, behind Rs",
            "the build guide's check",
        )
    if held_ms < LEAST_MS:
        return Broken(part, failure, f"a beat holds for {held_ms:.0f} ms only", "a late beat")
    return Broken(part, failure)


@cache
def single_faults() -> list[Broken]:
    return run_each(effect_of, broken_parts())
