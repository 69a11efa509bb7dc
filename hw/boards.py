"""Perfboards: where each leg goes, and which holes are joined on the solder side.

`differences` compares a board with its netlists: it lists legs that are joined but should not be,
and legs that should be joined but are not. Holes are counted from the upper left corner of the
component side, across and down.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Final, NamedTuple

from build_data import connections, read
from build_data import gate as gate_pins

Hole = tuple[int, int]
Leg = tuple[str, str]
"""A part and one of its legs, as (`Q2`, `B`)."""

LEGS: Final[Mapping[str, tuple[str, ...]]] = {
    "BC547": ("C", "B", "E"),
    "BC557": ("C", "B", "E"),
    "AO3400A": ("D", "G", "S"),
    "AO3401A": ("D", "G", "S"),
    "LM393": ("3", "2", "1", "8", "4"),
}
"""The legs of a part in the order of its nodes in the netlist. All other parts have legs `1`, `2`
and so on."""


class Part(NamedTuple):
    """A part on a board, as the drawing shows it."""

    name: str
    value: str
    legs: Mapping[str, Hole]
    shape: str = "box"


class Board(NamedTuple):
    title: str
    size: Hole
    """Holes across and down."""
    parts: tuple[Part, ...]
    terminals: Mapping[str, Hole]
    """The hole of each wire that leaves the board, by its net."""
    wires: tuple[tuple[Hole, ...], ...]
    """Bare wires on the solder side, each as its corners. A wire joins all holes on its way."""
    bridges: tuple[tuple[Hole, Hole], ...]
    """Insulated wires on the component side, which join only their two ends."""
    nets: Mapping[Leg, str]
    """Each leg's net according to the netlists."""
    labels: Mapping[str, str]
    """Where each terminal's wire leads, in words."""
    note: str
    labels_at_edge: bool = False
    """Draw the terminals' labels at the edge of the board, in their rows."""


def holes_passed(wire: tuple[Hole, ...]) -> Iterator[Hole]:
    """Every hole that a bare wire passes, including its ends."""
    yield wire[0]
    for (x, y), (to_x, to_y) in pairwise(wire):
        if x != to_x and y != to_y:
            raise ValueError(
                f"the wire from {(x, y)} to {(to_x, to_y)} is neither horizontal nor vertical"
            )
        while (x, y) != (to_x, to_y):
            x += (to_x > x) - (to_x < x)
            y += (to_y > y) - (to_y < y)
            yield x, y


def groups(board: Board) -> dict[Hole, int]:
    """Every hole that is in use, with a number that all holes joined to it share."""
    joined: list[set[Hole]] = []
    for holes in (
        *(set(holes_passed(wire)) for wire in board.wires),
        *(set(bridge) for bridge in board.bridges),
        *({hole} for _, hole in placed(board)),
    ):
        touching = [group for group in joined if group & holes]
        joined = [group for group in joined if not group & holes]
        joined.append(holes.union(*touching))
    return {hole: number for number, group in enumerate(joined) for hole in group}


def placed(board: Board) -> list[tuple[str, Hole]]:
    """Every leg and terminal with its hole, under the name that messages use."""
    legs = [(f"{part.name}.{leg}", hole) for part in board.parts for leg, hole in part.legs.items()]
    return [*legs, *((f"wire {net}", hole) for net, hole in board.terminals.items())]


def differences(board: Board) -> list[str]:
    """Everything in which a board differs from its netlists, as sentences."""
    mistakes = []
    holes: dict[Hole, str] = {}
    for name, hole in placed(board):
        if hole in holes:
            mistakes.append(f"{name} and {holes[hole]} are both in hole {hole}")
        holes[hole] = name
        if not (0 <= hole[0] < board.size[0] and 0 <= hole[1] < board.size[1]):
            mistakes.append(f"{name} is off the board")
    legs = {(part.name, leg): hole for part in board.parts for leg, hole in part.legs.items()}
    if missing := board.nets.keys() - legs.keys():
        mistakes.append(f"in a netlist but not on the board: {sorted(missing)}")
    if extra := legs.keys() - board.nets.keys():
        mistakes.append(f"on the board but in no netlist: {sorted(extra)}")
    group = groups(board)
    net_of: dict[int, str] = {}
    group_of: dict[str, int] = {}
    named = [
        (f"{part}.{leg}", net, legs[part, leg])
        for (part, leg), net in board.nets.items()
        if (part, leg) in legs
    ]
    named += [(f"wire {name}", terminal_net(name), hole) for name, hole in board.terminals.items()]
    for name, net, hole in named:
        number = group[hole]
        if net_of.setdefault(number, net) != net:
            mistakes.append(f"{name} belongs to {net} but is joined to {net_of[number]}")
        if group_of.setdefault(net, number) != number:
            mistakes.append(f"{name} is not joined to the rest of {net}")
    return mistakes


def terminal_net(name: str) -> str:
    """The net of a terminal. Several terminals of one net have the net's name with primes."""
    return name.rstrip("'")


def motor_labels() -> dict[str, str]:
    """Labels of a driver's terminals: the GPIO of each input and the motor of each output."""
    labels = {"rail": "rail", "0": "ground"}
    for number, motor in enumerate(read().motors, start=1):
        labels |= {f"pin{number}": f"GPIO {motor.pin}", f"out{number}": motor.name}
    return labels


def netlist(circuit: str, shared: tuple[str, ...] = (), number: str = "") -> dict[Leg, str]:
    """Each leg's net in one copy of a netlist.

    The copy's number is added to each part's name and to each net that the copies do not share.
    """
    nets = {}
    for ref, (nodes, value) in connections(circuit).items():
        names = LEGS.get(value, tuple(str(i + 1) for i in range(len(nodes))))
        for leg, node in zip(names, nodes, strict=True):
            nets[f"{ref}-{number}" if number else ref, leg] = (
                node if node == "0" or node in shared else node + number
            )
    return nets


def shown(circuit: str, ref: str) -> str:
    """A part's value with its unit, as in `4.7 kΩ`."""
    value = connections(circuit)[ref][1]
    units = {"k": " kΩ", "n": " nF", "u": " µF"}
    if value[0].isdigit():
        return value[:-1] + units[value[-1]] if value[-1] in units else f"{value} Ω"
    return {"MFR025": "MF-R025", "D1N5819": "1N5819"}.get(value, value)


# ---- the gate

GATE_LEGS: Final[Mapping[str, Mapping[str, Hole]]] = {
    "Rhb": {"1": (1, 10), "2": (1, 14)},
    "Ra": {"1": (2, 8), "2": (2, 4)},
    "Ca": {"1": (3, 3), "2": (5, 3)},
    "Cb": {"1": (7, 3), "2": (9, 3)},
    "Rb": {"1": (10, 5), "2": (10, 9)},
    "Q2": {"C": (14, 5), "B": (13, 5), "E": (12, 5)},
    "Rc": {"1": (2, 11), "2": (2, 15)},
    "Cc": {"1": (4, 15), "2": (6, 15)},
    "Rd": {"1": (8, 14), "2": (8, 18)},
    "Q3": {"C": (14, 13), "B": (13, 13), "E": (12, 13)},
    "Rf": {"1": (16, 4), "2": (16, 8)},
    "Re": {"1": (18, 1), "2": (18, 5)},
    "Q1": {"C": (20, 5), "B": (21, 5), "E": (22, 5)},
    "Rg": {"1": (20, 7), "2": (20, 11)},
    "Ct": {"1": (19, 13), "2": (19, 15)},
    "Rt": {"1": (21, 13), "2": (21, 17)},
    "U1": {
        "1": (25, 8),
        "2": (25, 9),
        "3": (25, 10),
        "4": (25, 11),
        "8": (28, 8),
        "7": (28, 9),
        "6": (28, 10),
        "5": (28, 11),
    },
    "Cu": {"1": (28, 6), "2": (30, 6)},
    "Rh": {"1": (30, 13), "2": (26, 13)},
    "Ri": {"1": (25, 13), "2": (25, 17)},
    "Rk": {"1": (23, 12), "2": (23, 8)},
    "Rl": {"1": (25, 6), "2": (25, 2)},
    "Rm": {"1": (32, 2), "2": (28, 2)},
    "Cm": {"1": (31, 0), "2": (29, 0)},
    "M1": {"G": (33, 6), "S": (34, 6), "D": (35, 6)},
    "Cr": {"1": (35, 9), "2": (33, 9)},
    "Rn": {"1": (36, 8), "2": (36, 12)},
    "Ro": {"1": (34, 13), "2": (34, 17)},
    "Rs": {"1": (36, 13), "2": (36, 17)},
}

GATE_WIRES: Final[Mapping[str, tuple[tuple[Hole, ...], ...]]] = {
    "hb": (
        ((2, 11), (2, 10), (1, 10)),
        ((2, 8), (2, 10)),
        ((0, 9), (2, 9)),
    ),
    "ha": (((3, 3), (3, 4), (2, 4)),),
    "ham": (((7, 3), (5, 3)),),
    "hc": (
        ((13, 5), (13, 4), (10, 4), (10, 5)),
        ((9, 3), (10, 3), (10, 4)),
    ),
    "hd": (((2, 15), (4, 15)),),
    "he": (
        ((8, 14), (6, 14), (6, 15)),
        ((8, 14), (12, 14), (12, 13)),
    ),
    "pull": (
        ((14, 13), (14, 8), (16, 8)),
        ((14, 8), (14, 5)),
    ),
    "hf": (
        ((16, 4), (18, 4), (18, 5)),
        ((18, 4), (21, 4), (21, 5)),
    ),
    "full": (((20, 7), (20, 5)),),
    "ct": (
        ((20, 11), (20, 13), (19, 13)),
        ((20, 13), (21, 13)),
        ((25, 9), (20, 9), (20, 11)),
    ),
    "th": (
        ((23, 12), (25, 12), (25, 13)),
        ((26, 13), (25, 13)),
        ((25, 10), (24, 10), (24, 12)),
    ),
    "drv": (
        ((25, 8), (23, 8)),
        ((25, 6), (25, 8)),
    ),
    "g": (
        ((29, 0), (29, 2), (28, 2)),
        ((28, 2), (25, 2)),
        ((33, 6), (33, 3), (29, 3), (29, 2)),
    ),
    "back": (
        ((34, 13), (36, 13)),
        ((36, 13), (36, 12)),
    ),
    "sense": (((36, 17), (36, 18)),),
    "rail": (
        ((35, 6), (35, 5), (36, 5)),
        ((35, 9), (35, 8), (36, 8)),
        ((35, 8), (35, 6)),
    ),
    "vin": (
        ((31, 0), (31, 2), (32, 2)),
        ((34, 6), (34, 2), (32, 2)),
        ((34, 2), (36, 2), (36, 1)),
    ),
    "v33": (
        ((22, 5), (28, 5), (28, 6)),
        ((18, 1), (22, 1), (22, 5)),
        ((28, 8), (28, 6)),
        ((30, 13), (30, 8), (28, 8)),
        ((18, 1), (0, 1)),
    ),
    "0": (
        ((8, 18), (0, 18)),
        ((33, 9), (31, 9), (31, 6), (30, 6)),
        ((33, 9), (33, 17), (34, 17)),
        ((33, 17), (25, 17)),
        ((12, 5), (12, 9), (10, 9)),
        ((19, 15), (19, 17), (21, 17)),
        ((25, 11), (28, 11)),
        ((28, 11), (28, 10)),
        ((25, 17), (21, 17)),
        ((1, 14), (1, 18)),
        ((27, 17), (27, 11)),
        ((8, 18), (13, 18), (13, 13)),
        ((13, 13), (13, 9), (12, 9)),
        ((13, 16), (19, 16)),
    ),
}
"""The wires by net. The names of the nets are for the reader: `differences` finds the joins itself.
No hole of Ct's net is next to a hole of 3.3 V or 5 V: flux between them would hold the rail on."""


def gate() -> Board:
    pins = gate_pins(read())
    # The unused half of U1: inputs at ground, output open.
    nets = netlist("gate") | {("U1", "5"): "0", ("U1", "6"): "0", ("U1", "7"): "open"}
    shapes = {"C": "disc", "Q": "transistor", "M": "adapter", "U": "chip"}
    parts = tuple(
        Part(ref, shown("gate", ref), legs, shapes.get(ref[0], "box"))
        for ref, legs in GATE_LEGS.items()
    )
    terminals = {
        "hb": (0, 9),
        "v33": (0, 1),
        "0": (0, 18),
        "vin": (36, 1),
        "rail": (36, 5),
        "sense": (36, 18),
    }
    wires = tuple(wire for of_net in GATE_WIRES.values() for wire in of_net)
    return Board(
        "Motor gate",
        (37, 20),
        parts,
        terminals,
        wires,
        (),
        nets,
        {
            "hb": f"heartbeat, GPIO {pins.heartbeat_pin}",
            "sense": f"read-back, GPIO {pins.rail_pin}",
            "v33": "3.3 V, header 1",
            "0": "ground",
            "vin": "from the supply",
            "rail": "rail",
        },
        "U1 in a socket, its notch at legs 1 and 8. M1 on an adapter: G, S, D are legs 1, 2, 3.",
    )


# ---- driver B: eight stages side by side


def driver_b() -> Board:
    parts, terminals, wires = (
        [],
        {"rail": (33, 0), "0": (33, 10)},
        [((0, 0), (33, 0)), ((0, 10), (33, 10))],
    )
    nets: dict[Leg, str] = {}
    for i in range(8):
        n, a, b, c, d = str(i + 1), *(4 * i + k for k in range(4))
        nets |= netlist("driver_b", ("rail",), n)
        value = {ref: shown("driver_b", ref) for ref in ("Rg", "Rp", "M1", "Dfly", "ptc")}
        parts += [
            Part(f"Dfly-{n}", value["Dfly"], {"1": (a, 4), "2": (a, 0)}, "diode"),
            Part(f"ptc-{n}", value["ptc"], {"1": (c, 2), "2": (c, 4)}, "disc"),
            Part(f"M1-{n}", value["M1"], {"D": (a, 7), "S": (b, 7), "G": (c, 7)}, "adapter"),
            Part(f"Rg-{n}", value["Rg"], {"1": (c, 12), "2": (c, 8)}),
            Part(f"Rp-{n}", value["Rp"], {"1": (d, 8), "2": (d, 12)}),
        ]
        terminals |= {f"out{n}": (d, 5), f"pin{n}": (c, 13)}
        wires += [
            ((a, 4), (c, 4)),
            ((a, 4), (a, 7)),
            ((c, 2), (d, 2), (d, 5)),
            ((c, 7), (c, 8), (d, 8)),
            ((b, 7), (b, 10)),
            ((d, 12), (d, 10)),
            ((c, 12), (c, 13)),
        ]
    return Board(
        "Driver B",
        (34, 14),
        tuple(parts),
        terminals,
        tuple(wires),
        (),
        nets,
        motor_labels(),
        "M1 on an adapter: D, S, G from the left are its legs 3, 2, 1. Dfly's ring is at the rail.",
    )


# ---- driver A: the chip in the middle


def driver_a() -> Board:
    parts, terminals = [], {"0": (1, 11), "rail": (13, 11)}
    wires: list[tuple[Hole, ...]] = [((2, 3), (2, 11)), ((1, 11), (8, 11)), ((11, 11), (13, 11))]
    chip: dict[str, Hole] = {"9": (8, 11), "10": (11, 11)}
    nets: dict[Leg, str] = {("U", "9"): "0", ("U", "10"): "rail"}
    for i in range(8):
        n, y = str(i + 1), 3 + i
        of_copy = netlist("driver_a", ("rail",), n)
        # All eight channels are in one chip: legs 1 to 8 are inputs, legs 18 to 11 outputs.
        chip |= {n: (8, y), str(18 - i): (11, y)}
        nets |= {
            ("U", n): of_copy.pop((f"U-{n}", "1")),
            ("U", str(18 - i)): of_copy.pop((f"U-{n}", "2")),
        }
        assert (of_copy.pop((f"U-{n}", "3")), of_copy.pop((f"U-{n}", "4"))) == ("rail", "0")
        nets |= of_copy
        x = 13 if i % 2 == 0 else 18
        parts += [
            Part(f"Rp-{n}", shown("driver_a", "Rp"), {"1": (6, y), "2": (2, y)}),
            Part(f"ptc-{n}", shown("driver_a", "ptc"), {"1": (x + 2, y), "2": (x, y)}, "disc"),
        ]
        terminals |= {f"pin{n}": (7, y), f"out{n}": (x + 3, y)}
        wires += [((6, y), (8, y)), ((11, y), (x, y)), ((x + 2, y), (x + 3, y))]
    parts.append(Part("U", shown("driver_a", "U"), chip, "chip"))
    return Board(
        "Driver A",
        (23, 14),
        tuple(parts),
        terminals,
        tuple(wires),
        (),
        nets,
        motor_labels(),
        "U in a socket; its notch is at legs 1 and 18. A wire goes into the blue hole of its row.",
        labels_at_edge=True,
    )


# ---- the supply's board and the button's


def power() -> Board:
    nets = netlist("power")
    # Fuse holder and stop switch are not on the board but at the ends of their wires.
    nets = {leg: net for leg, net in nets.items() if leg[0] not in ("F1", "S1")}
    parts = (
        Part("D1", shown("power", "D1"), {"1": (3, 7), "2": (3, 2)}, "diode"),
        Part("C1", shown("power", "C1"), {"1": (6, 2), "2": (6, 4)}, "can"),
        Part("C2", shown("power", "C2"), {"1": (12, 2), "2": (12, 4)}, "can"),
        Part("R1", shown("power", "R1"), {"1": (15, 2), "2": (15, 6)}),
    )
    terminals = {
        "fused": (0, 2),
        "fused'": (0, 4),
        "vin": (17, 4),
        "vin'": (17, 2),
        "0": (0, 7),
        "0'": (17, 7),
        "0''": (17, 6),
        "0'''": (17, 8),
    }
    wires = (
        ((0, 2), (6, 2)),
        ((0, 2), (0, 4)),
        ((17, 2), (17, 4)),
        ((12, 2), (17, 2)),
        ((0, 7), (17, 7)),
        ((6, 4), (6, 7)),
        ((12, 4), (12, 7)),
        ((15, 6), (15, 7)),
        ((17, 6), (17, 8)),
    )
    return Board(
        "Supply",
        (18, 10),
        parts,
        terminals,
        wires,
        (),
        nets,
        {
            "fused": "from the fuse",
            "fused'": "to the switch",
            "vin": "from the switch",
            "vin'": "to the gate",
            "0": "socket, sleeve",
            "0'": "ground: gate",
            "0''": "ground: driver",
            "0'''": "ground: Pi",
        },
        "The three grounds at the edge are the star point.",
    )


def button() -> Board:
    contacts = read().button
    if contacts is None:
        raise SystemExit("hw/mat.yaml names no start button")
    nets = netlist("button", number="a") | netlist("button", number="b")
    parts = (
        Part("R1-a", shown("button", "R1"), {"1": (2, 1), "2": (6, 1)}),
        Part("R2-a", shown("button", "R2"), {"1": (9, 1), "2": (13, 1)}),
        Part("C1-a", shown("button", "C1"), {"1": (7, 1), "2": (7, 3)}, "disc"),
        Part("R1-b", shown("button", "R1"), {"1": (2, 5), "2": (6, 5)}),
        Part("R2-b", shown("button", "R2"), {"1": (9, 5), "2": (13, 5)}),
        Part("C1-b", shown("button", "C1"), {"1": (8, 5), "2": (8, 3)}, "disc"),
    )
    terminals = {
        "wirea": (1, 1),
        "pina": (14, 1),
        "wireb": (1, 5),
        "pinb": (14, 5),
        "0": (1, 3),
        "0'": (14, 3),
    }
    wires = (
        ((1, 1), (2, 1)),
        ((6, 1), (9, 1)),
        ((13, 1), (14, 1)),
        ((1, 5), (2, 5)),
        ((6, 5), (9, 5)),
        ((13, 5), (14, 5)),
        ((1, 3), (14, 3)),
    )
    return Board(
        "Button",
        (16, 7),
        parts,
        terminals,
        wires,
        (),
        nets,
        {
            "wirea": "button, NO",
            "pina": f"GPIO {contacts.pressed_pin}",
            "wireb": "button, NC",
            "pinb": f"GPIO {contacts.released_pin}",
            "0": "button, common",
            "0'": "header 9",
        },
        "NO: the contact that closes when pressed. NC: the one that opens.",
        labels_at_edge=True,
    )


BOARDS: Final = {
    "gate": gate,
    "driver-a": driver_a,
    "driver-b": driver_b,
    "power": power,
    "button": button,
}
"""The function that makes each board, by the name of its drawing."""
