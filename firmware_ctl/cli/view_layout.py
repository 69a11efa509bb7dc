"""The live view's layout: the model of the mat as lines of text for a terminal of any size.

It reads a `Picture`, a time and the size of the terminal. It never writes.
"""

import math
import textwrap
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Span, Text

from firmware_ctl.cli.view_picture import Picture, Status
from firmware_ctl.config.points import POINTS
from firmware_ctl.simulator.erm import Moment

WIDTH: Final = 80
HEIGHT: Final = 24
"""The smallest terminal that gets the whole picture, in characters and lines."""

FAULTS: Final[Mapping[str, str]] = {
    "tick-late": "The loop came too late. Close what keeps this machine busy.",
    "pin-write": "A motor pin could not be written. Check that nothing else uses it.",
    "rail": "The motor rail is not as it should be. Use the stop switch and check the motor gate.",
    "button": "The contacts of the start button contradict each other. Check its wire.",
    "under-voltage": "The supply voltage is too low. Check the supply and its cable.",
    "suspend": "The machine slept while the mat ran. Keep it awake during a session.",
    "internal": "The program met an error of its own. Please report what it says.",
}
"""What a person can do about each fault, by its code."""

_FOOTER: Final = (
    (("space", "press the start button"), ("h", "hold it"), ("1-9", "choose a profile")),
    (("p", "pause, resume"), ("+ -", "trim"), ("!", "stop"), ("q", "quit"), ("?", "help")),
)

_HAPTICS: Final[Mapping[str, str]] = {
    "cue-begin": "two gaps, the cue begins",
    "cue-end": "three gaps, the cue ends",
    "five-minutes-left": "five gaps, five minutes left",
    "refused": "a long pulse, refused",
}
"""How a haptic feels and what it means. `profile-N` is shown by its own name."""

_STATE_STYLES: Final[Mapping[str, str]] = {
    "idle": "bold",
    "running": "bold reverse green",
    "paused": "bold reverse",
    "fault": "bold reverse red",
}
"""Bold and reverse besides a colour, so that the states differ on a terminal without colours."""

_LEGEND: Final = "bars: modelled amplitude   ▲ kick"

_ASCII: Final = str.maketrans("█▌▐·│━─▸▲…", "#++.|=->^~")


class Frame:
    """A whole screen, which rich can draw: its lines, each short enough for the terminal."""

    def __init__(self, lines: Sequence[Text]) -> None:
        self._lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # Not one Text of many lines: rich would look for places to wrap it, which takes longer than
        # all the rest of a picture.
        for line in self._lines:
            yield from line.render(console, end="\n")

    def __eq__(self, other: object) -> bool:
        """True if both look the same. rich's own `==` of two texts ignores their styles."""
        return isinstance(other, Frame) and self._look() == other._look()

    def _look(self) -> list[tuple[str, object, list[Span]]]:
        return [(line.plain, line.style, line.spans) for line in self._lines]


def render(
    picture: Picture, width: int, height: int, now_ms: int, *, ascii_only: bool = False
) -> Frame:
    """The whole screen: exactly `height` lines of at most `width` cells, at every size."""
    fits = width >= WIDTH and height >= HEIGHT
    lines = _full(picture, width, height, now_ms) if fits else _small(picture, width, now_ms)
    lines = lines[:height] + [Text()] * (height - len(lines))
    for line in lines:
        line.truncate(width, overflow="ellipsis")
        if ascii_only:
            line.plain = _to_ascii(line.plain)
    return Frame(lines)


def sentence(picture: Picture, *, ascii_only: bool = False) -> str:
    """One line for a terminal that cannot move its cursor. It has no clock, so that it stays equal
    until something happens."""
    status = picture.status
    parts = (status.state, status.profile, status.phase_label, _callout(status)[0])
    line = f"{', '.join(filter(None, parts))} | {picture.message}".rstrip(" |")
    return _to_ascii(line) if ascii_only else line


def _to_ascii(text: str) -> str:
    """The text in ASCII, with as many characters, so that every column stays where it is."""
    return text.translate(_ASCII).encode("ascii", "replace").decode()


# --- parts of both layouts ---


def _callout(status: Status) -> tuple[str, str]:
    """What the person has to do now, and the state that gives its style: a fault before a cue."""
    if status.fault:
        remedy = FAULTS.get(status.fault.partition(" ")[0], "The log says more.")
        return f"Fault {status.fault}: {remedy} Then press c to clear it.", "fault"
    if point := POINTS.get(status.cue):
        caution = f" {point.caution}" if point.caution else ""
        return f"Press {point.name} now ({point.title}): {point.where}.{caution}", "paused"
    return status.cue, "paused"


def _progress(picture: Picture, width: int, now_ms: int) -> Text:
    elapsed_s, left_s = picture.times_s(now_ms)
    begin, end = f" {_clock(elapsed_s)} ", f" {_clock(math.ceil(left_s))} left"
    cells = max(0, width - len(begin) - len(end) - 1)
    share = elapsed_s / (elapsed_s + left_s) if elapsed_s + left_s else 0.0
    return Text.assemble(begin, _gauge(share, cells), (end, "bold"))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"


def _gauge(share: float, cells: int) -> Text:
    filled = int(cells * min(share, 1.0))
    return Text.assemble(("━" * filled, "green"), ("─" * (cells - filled), "dim"))


def _keys(row: tuple[tuple[str, str], ...]) -> Text:
    line = Text()
    for key, effect in row:
        line.append(f" {key}", "bold").append(f" {effect}  ")
    return line


def _pct(values: list[int], index: int) -> int:
    """0 for a motor that the feed has not reported yet."""
    return values[index] if index < len(values) else 0


# --- a terminal that is too small ---


def _small(picture: Picture, width: int, now_ms: int) -> list[Text]:
    """The facts of the whole picture, the most urgent first. What does not fit is cut off."""
    status = picture.status
    callout, style = _callout(status)
    lines = [
        Text.assemble(
            (f" {status.state} ", _STATE_STYLES.get(status.state, "bold")), " ! stops, q quits"
        )
    ]
    wrap_width = max(1, width)
    lines += [Text(part, _STATE_STYLES[style]) for part in textwrap.wrap(callout, wrap_width)]
    lines += [Text(part) for part in textwrap.wrap(picture.message_at(now_ms), wrap_width)]
    lines += [_progress(picture, width, now_ms)]
    lines += [Text(f"{status.profile} {status.phase_label}".strip())]
    for zone in picture.hello.zones:
        motors = [index for pair in zone.pairs for index in pair if index is not None]
        levels = " ".join(f"{_pct(picture.level_pct, index)}%" for index in motors)
        shown = levels if zone.present else "not plugged in"
        lines.append(Text(f"{zone.name.replace('_', ' ')} {shown}"))
    lines += [Text(picture.hello.serial), Text(picture.hello.socket)]
    return [*lines, *map(_keys, _FOOTER)]


# --- a terminal of at least WIDTH x HEIGHT ---


def _full(picture: Picture, width: int, height: int, now_ms: int) -> list[Text]:
    moments = picture.moments(now_ms)
    top = [_title(picture, width), *_addresses(picture, width)]
    below = _session(picture, width, moments, now_ms)
    room = height - len(top) - 1 - len(below) - len(_FOOTER)
    body = _body(picture, width, min(room, 20), moments)
    spare = [Text()] * (room - len(body))
    return [*top, Text(), *body, *below, *spare, *map(_keys, _FOOTER)]


def _title(picture: Picture, width: int) -> Text:
    state, speed = picture.status.state, picture.hello.speed
    badge = f" {state} "
    pace = "" if speed == 1 else f"{speed:g} times as fast  "
    name = Text(f" {picture.hello.mat}", "bold")
    name.truncate(max(0, width - len(badge) - len(pace) - 1), overflow="ellipsis", pad=True)
    return Text.assemble(name, (pace, "dim"), (badge, _STATE_STYLES.get(state, "bold")))


def _addresses(picture: Picture, width: int) -> list[Text]:
    """Where other programs reach the daemon. Paths are folded, never cut: people copy them."""
    lines = []
    for label, path in (("serial port", picture.hello.serial), ("socket", picture.hello.socket)):
        parts = textwrap.wrap(path, width - 15, break_on_hyphens=False) or [""]
        for row, part in enumerate(parts):
            lines.append(Text.assemble((f" {label if row == 0 else '':<13}", "dim"), part))
    return lines


def _session(picture: Picture, width: int, moments: list[Moment], now_ms: int) -> list[Text]:
    """The lines below the mat: the session, its current and clock, and what to do now."""
    status = picture.status
    titles = {profile.name: profile.title for profile in picture.hello.profiles}
    title = f"  {titles[status.profile]}" if status.profile in titles else ""
    haptic = _HAPTICS.get(status.signal, status.signal.replace("-", " "))
    felt = f"felt: {haptic}" if haptic else ""
    callout, style = _callout(status)
    return [
        Text(),
        Text.assemble((" profile      ", "dim"), (status.profile or "none", "bold"), title),
        Text.assemble((" phase        ", "dim"), f"{status.phase_label:<30}  ", (felt, "bold")),
        Text.assemble((" trim         ", "dim"), f"{status.trim}%".ljust(32), (_LEGEND, "dim")),
        _current(picture, width, moments),
        _progress(picture, width, now_ms),
        Text(),
        *_two_lines(callout, width, _STATE_STYLES[style]),
        *_two_lines(picture.message_at(now_ms), width, ""),
    ]


def _current(picture: Picture, width: int, moments: list[Moment]) -> Text:
    """The motors' current now, the limit of the supply, and the highest current of the session."""
    ma, max_ma = sum(moment.current_ma for moment in moments), picture.hello.max_ma
    figures = f"{ma:.0f} of {max_ma} mA".ljust(18)
    peak = f" most so far {picture.peak_ma:4.0f} mA"
    cells = max(0, width - 15 - len(figures) - len(peak))
    line = Text.assemble(
        (" current      ", "dim"), figures, _gauge(ma / max_ma if max_ma else 0.0, cells)
    )
    if picture.has_power:
        return line.append(peak)
    return line.append(" NO MOTOR POWER", "bold reverse")


def _two_lines(text: str, width: int, style: str) -> list[Text]:
    """Always two lines, so that nothing below them moves when the text comes and goes."""
    parts = textwrap.wrap(text, width - 2, max_lines=2, placeholder=" …")
    lines = [Text(f" {part}", style) for part in parts]
    if style:
        for line in lines:
            line.pad_right(width - cell_len(line.plain))
    return [*lines, *[Text()] * (2 - len(lines))]


def _body(picture: Picture, width: int, room: int, moments: list[Moment]) -> list[Text]:
    """Profiles on the left, the mat on the right, below one heading; at most `room` lines."""
    split = max(29, width // 3 + 2)
    profiles = _profiles(picture, split, room - 1)
    mat = _mat(picture, width - split, room - 1, moments)
    refused = f", {len(picture.hello.refused)} refused" if picture.hello.refused else ""
    heading = Text(f" profiles{refused}", "dim")
    heading.pad_right(split - cell_len(heading.plain))
    cells = _bar_cells(width - split)
    heading.append(f"{'':<11}duty level {'left':>{cells}} │ {'right':<{cells}} level duty", "dim")
    lines = [heading]
    for left, right in zip_longest(profiles, mat, fillvalue=Text()):
        line = left.copy()
        line.truncate(split - 1, overflow="ellipsis", pad=True)
        lines.append(Text.assemble(line, " ", right))
    return lines


def _profiles(picture: Picture, width: int, room: int) -> list[Text]:
    """The list of profiles, or the `room` lines of it around the chosen one."""
    chosen_name = picture.status.profile
    names = [profile.name for profile in picture.hello.profiles]
    chosen = names.index(chosen_name) if chosen_name in names else 0
    first = max(0, min(chosen - room // 2, len(names) - room))
    lines = []
    for index in range(first, min(first + room, len(names))):
        profile = picture.hello.profiles[index]
        minutes = f"{profile.minutes:.3g} min"
        digit = str(index + 1) if index < 9 else " "
        mark, style = ("▸", "bold") if index == chosen and chosen_name else (" ", "")
        line = Text(f" {mark}{digit} {profile.name}", style)
        line.truncate(width - 11, overflow="ellipsis", pad=True)
        lines.append(line.append(f" {minutes:>8}"))
    return lines


def _mat(picture: Picture, width: int, room: int, moments: list[Moment]) -> list[Text]:
    """One line for each pair of motors, head first. Zones are set apart if there is room."""
    cells = _bar_cells(width)
    zones = []
    for zone in picture.hello.zones:
        label = zone.name.replace("_", " ")[:10]
        if not zone.present:
            zones.append([Text.assemble(f"{label:<11}", ("not plugged in", "dim"))])
            continue
        zones.append(
            [
                Text.assemble(
                    f"{label if row == 0 else '':<11}",
                    *_motor(picture, pair[0], cells, moments, mirrored=True),
                    (" │ ", "dim"),
                    *_motor(picture, pair[1], cells, moments, mirrored=False),
                )
                for row, pair in enumerate(zone.pairs)
            ]
        )
    lines = [line for zone_lines in zones for line in (*zone_lines, Text())][:-1]
    if len(lines) > room:
        lines = [line for zone_lines in zones for line in zone_lines]
    if len(lines) > room:
        lines[room - 1 :] = [Text(f"… and {len(lines) - room + 1} more rows of motors", "dim")]
    return lines


def _bar_cells(width: int) -> int:
    """The length of a motor's bar, in cells. A line of the mat has two bars."""
    return max(4, min(24, (width - 11 - 2 * 11 - 3 - 1) // 2))


def _motor(
    picture: Picture, index: int | None, cells: int, moments: list[Moment], *, mirrored: bool
) -> list[Text]:
    """Bar, level and duty of a motor, outwards from the spine; None: there is no motor."""
    if index is None:
        return [Text(" " * (cells + 11))]
    level_pct, duty_pct = _pct(picture.level_pct, index), _pct(picture.duty_pct, index)
    level = Text(f"{level_pct:>3}%", "bold" if level_pct else "")
    mark, style = ("▲", "bold") if index in picture.kicks else (" ", "dim")
    duty = Text(f"{mark}{duty_pct:>2}%", style)  # a duty has two digits at most
    bar = _bar(moments[index].amplitude, cells, mirrored=mirrored)
    if moments[index].current_ma and not moments[index].turning:
        bar = Text("stalled".rjust(cells) if mirrored else "stalled".ljust(cells), "bold")
    parts = [bar, Text(" "), level, Text("  "), duty]
    return parts[::-1] if mirrored else parts


def _bar(amplitude: float, cells: int, *, mirrored: bool) -> Text:
    """A bar that grows away from the spine in half cells. It has one for the least amplitude."""
    halves = min(round(amplitude * 2 * cells), 2 * cells)
    full, half = divmod(max(halves, int(amplitude > 0)), 2)
    rest = "·" * (cells - full - half)
    if mirrored:
        return Text.assemble((rest, "dim"), ("▐" * half + "█" * full, "green"))
    return Text.assemble(("█" * full + "▌" * half, "green"), (rest, "dim"))
