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

from firmware_ctl.cli.view_feed import Status
from firmware_ctl.cli.view_help import footer, page
from firmware_ctl.cli.view_picture import Picture
from firmware_ctl.config.points import POINTS
from firmware_ctl.simulator.erm import Moment

WIDTH: Final = 80
HEIGHT: Final = 24
"""The smallest terminal that gets the whole picture, in characters and lines."""
LIST_WIDTH: Final = 50
LIST_HEIGHT: Final = 16
"""The smallest terminal that gets the list of profiles. Below `WIDTH` it has no bars and no duties,
below `HEIGHT` no current and no blank lines."""

FAULTS: Final[Mapping[str, str]] = {
    "tick-late": "The computer was too slow. Close other programs.",
    "pin-write": "A motor pin could not be written. Check that nothing else uses it.",
    "rail": "The motor rail is not as it should be. Use the stop switch and check the motor gate.",
    "button": "The contacts of the start button contradict each other. Check its wire.",
    "under-voltage": "The supply voltage is too low. Check the supply and its cable.",
    "suspend": "The computer went to sleep during the session. Keep it awake.",
    "internal": "Internal error. Please report it with this text.",
}
"""What a person can do about each fault, by its code."""

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

_LEGEND: Final = "bars: simulated strength   ▲ kick"

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
    if picture.page:
        lines = page(picture, width, height)
    elif width >= LIST_WIDTH and height >= LIST_HEIGHT:
        lines = _full(picture, width, height, now_ms)
    else:
        lines = _small(picture, width, now_ms)
    lines = lines[:height] + [Text()] * (height - len(lines))
    for line in lines:
        line.truncate(width, overflow="ellipsis")
        if ascii_only:
            line.plain = to_ascii(line.plain)
    return Frame(lines)


def sentence(picture: Picture) -> str:
    """The state in one line, for a terminal that cannot move its cursor. It has no clock, so that
    it stays equal until something happens."""
    status = picture.status
    parts = (status.state, status.profile, status.phase_label, _callout(status)[0])
    return ", ".join(filter(None, parts))


def to_ascii(text: str) -> str:
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
    begin, end = f" {clock(elapsed_s)} ", f" {clock(math.ceil(left_s))} left"
    cells = max(0, width - len(begin) - len(end) - 1)
    share = elapsed_s / (elapsed_s + left_s) if elapsed_s + left_s else 0.0
    return Text.assemble(begin, _gauge(share, cells), (end, "bold"))


def clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"


def _gauge(share: float, cells: int) -> Text:
    filled = int(cells * min(share, 1.0))
    return Text.assemble(("━" * filled, "green"), ("─" * (cells - filled), "dim"))


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
    hello = picture.hello
    addresses = filter(None, (hello.page, hello.serial, hello.socket))
    return [*lines, *footer(status.state, width), *map(Text, addresses)]


# --- a terminal of at least LIST_WIDTH x LIST_HEIGHT ---


def _full(picture: Picture, width: int, height: int, now_ms: int) -> list[Text]:
    """Title, profiles beside the mat, the session or the selection, messages, keys."""
    is_roomy = height >= HEIGHT
    gap = [Text()] * is_roomy
    moments = picture.moments(now_ms)
    top = [_title(picture, width), *_addresses(picture, width)[: None if is_roomy else 1], *gap]
    session = _session(picture, width, moments, now_ms, is_roomy=is_roomy)
    is_idle = picture.status.state == "idle"
    message = _two_lines(picture.message_at(now_ms), width, "")
    if is_idle and not (is_roomy or message[1]):
        message.pop()  # a small window needs the line for the selection
    bottom = [*message, *footer(picture.status.state, width)]
    room = height - len(top) - len(gap) - len(session) - len(bottom)
    body = _body(picture, width, min(room, 20), now_ms)
    spare = room - len(body)
    if is_idle:
        session = _selection(picture, width, len(session) + spare)
    else:
        session += [Text()] * spare
    return [*top, *body, *gap, *session, *bottom]


def _title(picture: Picture, width: int) -> Text:
    state, speed = picture.status.state, picture.hello.speed
    badge = f" {state} "
    pace = "" if speed == 1 else f"{speed:g} times as fast  "
    name = Text(f" {picture.hello.mat}", "bold")
    name.truncate(max(0, width - len(badge) - len(pace) - 1), overflow="ellipsis", pad=True)
    return Text.assemble(name, (pace, "dim"), (badge, _STATE_STYLES.get(state, "bold")))


def _addresses(picture: Picture, width: int) -> list[Text]:
    """Where other programs reach the daemon. Paths are folded, never cut: people copy them."""
    lines, hello = [], picture.hello
    rows = [("serial port", hello.serial), ("socket", hello.socket)]
    for label, path in [("web page", hello.page), *rows] if hello.page else rows:
        parts = textwrap.wrap(path, width - 15, break_on_hyphens=False) or [""]
        for row, part in enumerate(parts):
            lines.append(Text.assemble((f" {label if row == 0 else '':<13}", "dim"), part))
    return lines


def _session(
    picture: Picture, width: int, moments: list[Moment], now_ms: int, *, is_roomy: bool
) -> list[Text]:
    """The session, its current and clock, and what to do now."""
    status = picture.status
    titles = {profile.name: profile.title for profile in picture.hello.profiles}
    title = f"  {titles[status.profile]}" if status.profile in titles else ""
    haptic = _HAPTICS.get(status.signal, status.signal.replace("-", " "))
    felt = f"felt: {haptic}" if haptic else ""
    callout, style = _callout(status)
    details = [
        Text.assemble((" trim         ", "dim"), f"{status.trim}%".ljust(32), (_LEGEND, "dim")),
        _current(picture, width, moments),
    ]
    return [
        Text.assemble((" profile      ", "dim"), (status.profile or "none", "bold"), title),
        Text.assemble((" phase        ", "dim"), f"{status.phase_label:<30}  ", (felt, "bold")),
        *(details if is_roomy else []),
        _progress(picture, width, now_ms),
        *[Text()] * is_roomy,
        *_two_lines(callout, width, _STATE_STYLES[style]),
    ]


def _selection(picture: Picture, width: int, room: int) -> list[Text]:
    """The selected profile, and what its author wrote about it, in exactly `room` lines."""
    status = picture.status
    titles = {profile.name: profile.title for profile in picture.hello.profiles}
    haptic = _HAPTICS.get(status.signal, status.signal.replace("-", " "))
    felt = f"   felt: {haptic}" if haptic else ""
    power = "" if picture.has_power else "   NO MOTOR POWER"
    trim = Text.assemble(f"  trim {status.trim}%", (felt + power, "bold"))
    first = Text.assemble(
        (" selected     ", "dim"),
        (status.profile or "none", "bold"),
        f"  {titles.get(status.profile, '')}",
    )
    first.truncate(max(0, width - cell_len(trim.plain)), overflow="ellipsis")
    lines = [first.append_text(trim)]
    wrapped = textwrap.wrap(
        picture.about, width - 2, max_lines=max(1, room - len(lines)), placeholder=" … (press i)"
    )
    lines += [Text(f" {part}") for part in wrapped]
    return (lines + [Text()] * room)[:room]


def _current(picture: Picture, width: int, moments: list[Moment]) -> Text:
    """The motors' current now, the limit of the supply, and the highest current of the session."""
    ma, max_ma = sum(moment.current_ma for moment in moments), picture.hello.max_ma
    figures = f"{ma:.0f} of {max_ma} mA".ljust(18)
    has_power = picture.has_power
    tail = f" peak {picture.peak_ma:4.0f} mA" if has_power else " NO MOTOR POWER"
    cells = max(0, width - 15 - len(figures) - len(tail))
    gauge = _gauge(ma / max_ma if max_ma else 0.0, cells)
    tail_style = "" if has_power else "bold reverse"
    return Text.assemble((" current      ", "dim"), figures, gauge, (tail, tail_style))


def _two_lines(text: str, width: int, style: str) -> list[Text]:
    """Always two lines, so that nothing below them moves when the text comes and goes."""
    parts = textwrap.wrap(text, width - 2, max_lines=2, placeholder=" …")
    lines = [Text(f" {part}", style) for part in parts]
    if style:
        for line in lines:
            line.pad_right(width - cell_len(line.plain))
    return [*lines, *[Text()] * (2 - len(lines))]


def _body(picture: Picture, width: int, room: int, now_ms: int) -> list[Text]:
    """Profiles on the left, the mat on the right, below one heading; at most `room` lines."""
    split = max(28, width // 3 + 2)
    profiles = _profiles(picture, split, room - 1)
    mat = _mat(picture, width, width - split, room - 1, now_ms)
    refused = f", {len(picture.hello.refused)} refused" if picture.hello.refused else ""
    heading = Text(f" profiles{refused}", "dim")
    heading.pad_right(split - cell_len(heading.plain))
    if cells := _bar_cells(width, width - split):
        heading.append(
            f"{'':<11}duty level {'left':>{cells}} │ {'right':<{cells}} level duty", "dim"
        )
    else:
        heading.append(f"{'':<11}left │ right level", "dim")
    lines = [heading]
    for left, right in zip_longest(profiles, mat, fillvalue=Text()):
        line = left.copy()
        line.truncate(split - 1, overflow="ellipsis", pad=True)
        lines.append(Text.assemble(line, " ", right))
    return lines


def _profiles(picture: Picture, width: int, room: int) -> list[Text]:
    """The list of profiles, or the `room` lines of it around the selected one."""
    names = [profile.name for profile in picture.hello.profiles]
    chosen = names.index(picture.selected) if picture.selected in names else -1
    first = max(0, min(chosen - room // 2, len(names) - room))
    lines = []
    for index in range(first, min(first + room, len(names))):
        profile = picture.hello.profiles[index]
        digit = str(index + 1) if index < 9 else " "
        mark, style = ("▸", "bold") if index == chosen else (" ", "")
        line = Text(f" {mark}{digit} {profile.name}", style)
        line.truncate(width - 8, overflow="ellipsis", pad=True)
        lines.append(line.append(f" {clock(profile.minutes * 60):>5}"))
    return lines


def _mat(picture: Picture, width: int, mat_width: int, room: int, now_ms: int) -> list[Text]:
    """One line for each pair of motors, head first. Zones are set apart if there is room."""
    cells = _bar_cells(width, mat_width)
    amplitudes = picture.amplitudes(now_ms)
    zones = []
    for zone in picture.hello.zones:
        label = zone.name.replace("_", " ")[:10]
        if not zone.present:
            zones.append([Text.assemble(f"{label:<11}", ("not plugged in", "dim"))])
            continue
        zones.append(
            [
                Text.assemble(
                    f"{label if row == 0 else f'  row {row + 1}':<11}",
                    *_motor(picture, left, cells, amplitudes, mirrored=True),
                    (" │ ", "dim"),
                    *_motor(picture, right, cells, amplitudes, mirrored=False),
                )
                for row, (left, right) in enumerate(zone.pairs)
            ]
        )
    lines = [line for zone_lines in zones for line in (*zone_lines, Text())][:-1]
    if len(lines) > room:
        lines = [line for zone_lines in zones for line in zone_lines]
    if len(lines) > room:
        lines[room - 1 :] = [Text(f"… and {len(lines) - room + 1} more rows of motors", "dim")]
    return lines


def _bar_cells(width: int, mat_width: int) -> int:
    """The length of a motor's bar, in cells. A line of the mat has two. 0: no bars, no duties."""
    if width < WIDTH:
        return 0
    return max(4, min(24, (mat_width - 11 - 2 * 11 - 3 - 1) // 2))


def _motor(
    picture: Picture,
    index: int | None,
    cells: int,
    amplitudes: list[float | None],
    *,
    mirrored: bool,
) -> list[Text]:
    """Bar, level and duty of a motor, outwards from the spine; None: there is no motor."""
    if index is None:
        return [Text(" " * (cells + 11 if cells else 4))]
    level_pct, duty_pct = _pct(picture.level_pct, index), _pct(picture.duty_pct, index)
    level = Text(f"{level_pct:>3}%", "bold" if level_pct else "")
    if not cells:
        return [level]
    mark, style = ("▲", "bold") if index in picture.kicks else (" ", "dim")
    duty = Text(f"{mark}{duty_pct:>2}%", style)  # a duty has two digits at most
    amplitude = amplitudes[index]
    if amplitude is None:
        bar = Text("stalled".rjust(cells) if mirrored else "stalled".ljust(cells), "bold")
    else:
        bar = _bar(amplitude, cells, mirrored=mirrored)
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
