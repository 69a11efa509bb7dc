"""The table of patterns: the keys of each, and its course over time.

A course is what one motor does in one cycle: a list of pieces, in shares (0.0 to 1.0) of the level
that the profile asks for. The cycle repeats. The reader, the schema, the documents and the compiler
use this table. This module knows neither zones nor files.
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

from firmware_ctl.config.shuffle import ORDERS, turns

Side = Literal["left", "right"]

SHORTEST_MS: Final = 10
"""The shortest phase, part of a pattern, and distance of two keyframes."""
LONGEST_MS: Final = 30 * 60_000
"""The longest phase or part of a pattern: no session may last longer (`SESSION_GATED_MS`)."""


class Piece(NamedTuple):
    """A part of a course, from one share of the level to another (0.0 to 1.0) in `length_ms`.

    A smooth piece follows half a cosine, so that it meets its neighbours without a corner; any
    other piece is a straight line.
    """

    length_ms: int
    begin: float
    end: float
    smooth: bool = False


class Key(NamedTuple):
    """One key of a pattern: a duration in ms, or a count. It is required if it has no default."""

    name: str
    about: str
    default: int | None = None
    least: int = SHORTEST_MS
    most: int = LONGEST_MS
    is_count: bool = False
    may_change: bool = False
    """Whether `{from, to}` may change it over one pass of a phase."""


class Position(NamedTuple):
    """The position of a motor among the motors of a target, in the order of the mat file."""

    motor_index: int
    """Counts from 0. The name `index` is taken: it is a method of every tuple."""
    motor_count: int
    """How many motors the target has."""
    side: Side
    period: int = 0
    """Which period of the cycle, from 0, in a pattern whose periods differ."""


CourseFunction = Callable[[Mapping[str, int], Position], tuple[Piece, ...]]
"""From the values of a pattern's keys and a motor's position to the course."""


class PatternKind(NamedTuple):
    name: str
    about: str
    keys: tuple[Key, ...]
    course: CourseFunction | None
    """Makes the course, or one period of it. None for keyframes: the profile's frames are the
    course, and play once in each pass."""
    periods: int = 1
    """How many periods one cycle has. Each has a course of its own."""


def _on(length_ms: int) -> Piece:
    return Piece(length_ms, 1.0, 1.0)


def _off(length_ms: int) -> Piece:
    return Piece(length_ms, 0.0, 0.0)


def _swell(length_ms: int) -> Piece:
    return Piece(length_ms, 0.0, 1.0, smooth=True)


def _fade(length_ms: int) -> Piece:
    return Piece(length_ms, 1.0, 0.0, smooth=True)


def _steady(keys: Mapping[str, int], position: Position) -> tuple[Piece, ...]:
    return (_on(LONGEST_MS),)


def _pulse(keys: Mapping[str, int], position: Position) -> tuple[Piece, ...]:
    return (_on(keys["on_for"]), _off(keys["off_for"]))


def _wave(keys: Mapping[str, int], position: Position) -> tuple[Piece, ...]:
    half_ms = keys["period"] // 2
    return (_swell(half_ms), _fade(keys["period"] - half_ms))


def _alternate(keys: Mapping[str, int], position: Position) -> tuple[Piece, ...]:
    half_ms = keys["period"] // 2
    rest_ms = keys["period"] - half_ms
    return (
        (_on(half_ms), _off(rest_ms)) if position.side == "left" else (_off(half_ms), _on(rest_ms))
    )


def _travel(keys: Mapping[str, int], position: Position) -> tuple[Piece, ...]:
    period_ms = keys["period"]
    begin_ms = period_ms * position.motor_index // position.motor_count
    end_ms = period_ms * (position.motor_index + 1) // position.motor_count
    return (_off(begin_ms), _on(end_ms - begin_ms), _off(period_ms - end_ms))


def _shuffle(keys: Mapping[str, int], position: Position) -> tuple[Piece, ...]:
    period_ms, count = keys["period"], position.motor_count
    turn = turns(keys["seed"], count)[position.period][position.motor_index]
    begin_ms = period_ms * turn // count
    on_ms = min(keys["on_for"], period_ms * (turn + 1) // count - begin_ms)
    return (_off(begin_ms), _on(on_ms), _off(period_ms - begin_ms - on_ms))


def _tap(keys: Mapping[str, int], position: Position) -> tuple[Piece, ...]:
    beat = (_on(keys["tap_for"]), _off(keys["tap_for"]))
    return (*beat * (keys["taps"] - 1), beat[0], _off(keys["rest"]))


def _breathe(keys: Mapping[str, int], position: Position) -> tuple[Piece, ...]:
    return (_swell(keys["in"]), _on(keys["hold"]), _fade(keys["out"]), _off(keys["rest"]))


_PERIOD = Key("period", "length of one cycle", least=200, may_change=True)

MOST_CHANGING: Final = 400
"""Most periods in one pass if their length changes: each of them is a cycle of its own."""


def changing_periods(
    from_ms: int, to_ms: int, after_ms: int, pass_ms: int
) -> list[tuple[int, int]]:
    """Begin and length in ms of each period in a pass of `pass_ms`, from `after_ms` on.

    The length goes from `from_ms` at the begin of the pass to `to_ms` at its end. Each period has
    the length of the time at which it begins. There is one more than `MOST_CHANGING` at most.
    """
    periods: list[tuple[int, int]] = []
    begin_ms = after_ms
    while begin_ms < pass_ms and len(periods) <= MOST_CHANGING:
        length_ms = from_ms + (to_ms - from_ms) * begin_ms // pass_ms
        periods.append((begin_ms, length_ms))
        begin_ms += length_ms
    return periods


PATTERNS: Final[Mapping[str, PatternKind]] = {
    kind.name: kind
    for kind in (
        PatternKind("steady", "stays at the level", (), _steady),
        PatternKind(
            "pulse",
            "on at the level, then off",
            (Key("on_for", "length of the on part"), Key("off_for", "length of the off part")),
            _pulse,
        ),
        PatternKind("wave", "swells from 0 to the level and back, smoothly", (_PERIOD,), _wave),
        PatternKind(
            "alternate",
            "left for the first half of the period, right for the second",
            (_PERIOD,),
            _alternate,
        ),
        PatternKind(
            "travel",
            "motor after motor in the order of the mat file; with `all`, across zones",
            (_PERIOD,),
            _travel,
        ),
        PatternKind(
            "shuffle",
            "in each period every motor once, one after another, in an order that changes",
            (
                _PERIOD,
                Key("on_for", "length of a motor's turn; at most its share of the period"),
                Key("seed", "another number gives other orders", 1, 0, 999_999, is_count=True),
            ),
            _shuffle,
            ORDERS,
        ),
        PatternKind(
            "tap",
            "`taps` taps with equal gaps, then a pause",
            (
                Key("taps", "how many taps", least=1, most=10, is_count=True),
                Key("tap_for", "length of a tap", default=150),
                Key("rest", "silence after the last tap"),
            ),
            _tap,
        ),
        PatternKind(
            "breathe",
            "swells, stays, fades, rests",
            (
                Key("in", "length of the swell"),
                Key("hold", "how long it stays at the level", default=0, least=0),
                Key("out", "length of the fade"),
                Key("rest", "silence before the next breath", default=0, least=0),
            ),
            _breathe,
        ),
        PatternKind(
            "keyframes",
            "straight lines between the frames `[time, level]`; the last one holds",
            (),
            None,
        ),
    )
}

AFTER: Final = Key("after", "silence before the pattern begins", default=0, least=0)
"""The key that every pattern has in addition to its own."""
