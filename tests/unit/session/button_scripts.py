"""Scripts of a button: edges, and the gestures that they must result in."""

from firmware_ctl.session.button import Contact, Gesture

R, P, NEITHER, BOTH = Contact

TOUCH, PRESS, SHORT, HELD, HELD_3_S, HELD_5_S, NOISE, RESTLESS, BROKEN = Gesture

Script = list[tuple[int, Contact]]
"""Edges, each read at its own time."""

Gestures = list[tuple[int, Gesture]]

REST_MS = 2_000
"""After the last edge of a script. The last gesture that a rest brings, BROKEN, comes after 500 ms."""


def effects(gestures: Gestures) -> Gestures:
    """The gestures without TOUCH and PRESS."""
    return [pair for pair in gestures if pair[1] not in (TOUCH, PRESS)]


def noise(begin_ms: int, end_ms: int) -> Script:
    """Noise faster than the clock: both contacts in every millisecond."""
    return [(at_ms, raw) for at_ms in range(begin_ms, end_ms) for raw in (P, R)]


BOOT: Script = [(0, R)]

SCRIPTS: dict[str, tuple[Script, Gestures]] = {
    "nothing": (BOOT, []),
    "short": ([*BOOT, (100, P), (200, R)], [(230, SHORT)]),
    "just short": ([*BOOT, (100, P), (899, R)], [(929, SHORT)]),
    "just held": ([*BOOT, (100, P), (900, R)], [(900, HELD)]),
    "held 3 s": ([*BOOT, (100, P), (5_000, R)], [(900, HELD), (3_100, HELD_3_S)]),
    "held 5 s": (
        [*BOOT, (100, P), (9_000, R)],
        [(900, HELD), (3_100, HELD_3_S), (5_100, HELD_5_S)],
    ),
    "too short to be a press": ([*BOOT, (100, P), (129, R)], []),
    "as short as a press may be": ([*BOOT, (100, P), (130, R)], [(160, SHORT)]),
    "bounce of a plain contact": (
        [*BOOT, (100, P), (101, R), (103, P), (106, R), (107, P), (300, R), (301, P), (305, R)],
        [(335, SHORT)],
    ),
    "bounce of a change-over contact": (
        [*BOOT, (100, NEITHER), (101, R), (102, NEITHER), (110, P), (300, NEITHER), (308, R)],
        [(338, SHORT)],
    ),
    "the longest bounce of a press and a release": (
        [*BOOT, (100, P), (120, R), (130, P), (300, R), (315, P), (330, R)],
        [(360, SHORT)],
    ),
    "a press that bounces for too long": ([*BOOT, (100, P), (120, R), (131, P), (300, R)],
        [(131, NOISE)]),
    "a release that bounces for too long": ([*BOOT, (100, P), (300, R), (320, P), (331, R)],
        [(331, NOISE)]),
    "a hold is counted from its last edge": (
        [*BOOT, (100, P), (110, R), (120, P), (2_000, R)],
        [(920, HELD)],
    ),
    "a glitch begins a hold again": ([*BOOT, (100, P), (899, NEITHER), (899, P), (1_700, R)],
        [(1_699, HELD)]),
    "a glitch after a hold lets nothing happen twice": (
        [*BOOT, (100, P), (2_000, NEITHER), (2_001, P), (5_500, R)],
        [(900, HELD), (5_001, HELD_3_S)],
    ),
    "a glitch makes no short press of a long one": (
        [*BOOT, (100, P), (800, NEITHER), (801, P), (1_000, R)],
        [],
    ),
    "two presses": (
        [*BOOT, (100, P), (200, R), (400, P), (500, R)],
        [(230, SHORT), (530, SHORT)],
    ),
    "noise of 5 kHz": ([*BOOT, *noise(100, 200)], [(131, NOISE)]),
    "noise that rests pressed": ([*BOOT, *noise(100, 200), (200, P), (9_000, R)],
        [(131, NOISE)]),
    "a press too soon after noise": (
        [*BOOT, *noise(100, 200), (698, P), (800, R), (1_299, P), (1_400, R)],
        [(131, NOISE)],
    ),
    "a press 500 ms after noise": (
        [*BOOT, *noise(100, 200), (699, P), (800, R)],
        [(131, NOISE), (830, SHORT)],
    ),
    "noise in a hold": ([*BOOT, (100, P), *noise(500, 540), (541, P), (9_000, R)],
        [(531, NOISE)]),
    "noise for 10 s": ([*BOOT, *noise(100, 10_200)], [(131, NOISE), (10_100, RESTLESS)]),
    "noise for 9.9 s, a rest, and again": (
        [*BOOT, *noise(100, 10_000), (10_000, R), *noise(10_500, 20_400)],
        [(131, NOISE), (10_531, NOISE)],
    ),
    "noise for 20 s with a rest of 0.6 s on pressed": (
        [*BOOT, *noise(100, 9_000), (9_000, P), *noise(9_600, 19_000)],
        [(131, NOISE)],
    ),
    "noise for 10 s that comes and goes": (
        [*BOOT, *(edge for ms in range(100, 10_500, 400) for edge in noise(ms, ms + 40))],
        [(131, NOISE), (10_100, RESTLESS)],
    ),
    "held at boot": ([(0, P), (9_000, R)], []),
    "held at boot, then pressed": ([(0, P), (5_000, R), (5_100, P), (5_200, R)],
        [(5_230, SHORT)]),
    "not yet seen released when pressed": ([(0, P), (5_000, R), (5_020, P), (5_200, R)], []),
    "broken wire": ([*BOOT, (100, NEITHER)], [(600, BROKEN)]),
    "both sides closed": ([*BOOT, (100, BOTH)], [(600, BROKEN)]),
    "broken at boot": ([(0, NEITHER)], [(500, BROKEN)]),
    "broken in a press": (
        [*BOOT, (100, P), (300, NEITHER), (2_000, R), (2_200, P), (2_300, R)],
        [(800, BROKEN), (2_330, SHORT)],
    ),
    "broken twice": ([*BOOT, (100, NEITHER), (1_000, R), (2_000, BOTH)],
        [(600, BROKEN), (2_500, BROKEN)]),
    "wire flutters between broken and shorted": (
        [*BOOT, *((100 + 100 * i, (NEITHER, BOTH)[i % 2]) for i in range(10))],
        [(600, BROKEN)],
    ),
    "glitches of both sides hide no broken wire": (
        [*BOOT, (100, NEITHER), *((ms + i, (R, NEITHER)[i]) for ms in range(150, 900, 50)
                                  for i in (0, 1))],
        [(600, BROKEN)],
    ),
    "noise on a broken wire": (
        [*BOOT, *((ms, (NEITHER, R)[ms % 2]) for ms in range(100, 10_200))],
        [(131, NOISE), (10_100, RESTLESS)],
    ),
    "noise of a wire that then rests broken": (
        [*BOOT, *((ms, (R, NEITHER)[ms % 2]) for ms in range(101, 200)), (199, NEITHER)],
        [(132, NOISE), (699, BROKEN)],
    ),
}  # fmt: skip
