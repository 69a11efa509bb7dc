"""A played session as one picture: level, duty and vibration of each motor, and the current.

The extra `plot` installs matplotlib, which this module needs. With the same release of matplotlib
equal sessions give equal bytes.
"""

import io
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, zip_longest
from math import nan
from textwrap import shorten
from typing import Any, Final

from firmware_ctl.config.mat import Mat
from firmware_ctl.config.patterns import Side
from firmware_ctl.config.points import POINTS
from firmware_ctl.config.profile import GroupPasses, groups_begun
from firmware_ctl.config.quantities import clock
from firmware_ctl.simulator.columns import COLUMNS, MotorColumns, columns_of
from firmware_ctl.simulator.offline import Played
from firmware_ctl.timeline.haptics import FIVE_MINUTES_LEFT, HapticCue
from firmware_ctl.timeline.marks import is_felt
from firmware_ctl.timeline.model import Segment

try:
    import matplotlib as mpl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.ticker import MaxNLocator, MultipleLocator
except ImportError:
    from firmware_ctl.simulator.installing import missing

    raise missing("plot") from None

WIDTH_IN: Final = 9.2
DPI: Final = 100
"""Width and resolution make the picture as wide as a README."""

LEFT_EDGE: Final = 0.108
"""Where the axes begin, as a share of the width."""
LABEL_IN: Final = 0.05
"""How far a character of a slanted label reaches to the right."""
NAME_MOST: Final = 26
"""The most characters of a phase's name."""
TITLE_MOST: Final = 60
STRIP_CHARACTERS: Final = 130
"""How many characters fit into the whole strip of points and cues."""

CLEAR_COLUMNS: Final = 4
"""How many columns of the picture a pulse needs, so that its level is drawn as it is."""

LEVEL: Final = "#c8551b"
HIGHEST: Final = "#8fb3d3"
MEAN: Final = "#35638f"
DUTY: Final = "#8c8c8c"
TOTAL: Final = "#4d4d4d"
ZONES: Final = ("#8fb3d3", "#35638f", "#b5b5b5", "#6f6f6f")
"""The tones of the stacked currents, zone after zone."""
BANDS: Final = ("#ffffff", "#efede6")
CUE: Final = "#f3cf86"
HAPTIC: Final = "#b00020"
"""Haptics, and the limit of the supply."""
MUTED: Final = "#666666"

STYLE: Final = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.linewidth": 0.6,
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 8,
    "text.parse_math": False,  # a `$` in a title or name is no formula
    "svg.fonttype": "path",  # looks the same where the font is missing
    "svg.hashsalt": "firmware-ctl",
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
}


def svg(played: Played) -> bytes:
    """The picture as an SVG file."""
    text = _save(played, "svg", {"Date": None, "Creator": None}).decode()
    # Two decimals of a point are enough, and save a third of the bytes.
    return re.sub(r"(?<=[ML] )(-?\d+\.\d\d)\d* (-?\d+\.\d\d)\d*", r"\1 \2", text).encode()


def png(played: Played) -> bytes:
    """The picture as a PNG file."""
    return _save(played, "png", {"Software": None})


def _save(played: Played, file_format: str, metadata: dict[str, None]) -> bytes:
    file = io.BytesIO()
    # matplotlib's defaults come first, so that no setting of the user changes a byte.
    settings: dict[Any, Any] = {**mpl.rcParamsDefault, **STYLE}
    with mpl.rc_context(settings):
        _figure(played).savefig(file, format=file_format, metadata=metadata, dpi=DPI)
    return file.getvalue()


# --- the values to draw -----------------------------------------------------------------------


def asked_levels(played: Played, motor: int) -> tuple[list[float], list[float]]:
    """Times in minutes, and the level that the profile asks of the motor from each of them on.

    A pattern swings below this level; keyframes and other courses of one cycle are drawn as such.
    In a phase that does not play the motor the level is NaN, which draws no line.
    """
    at_min: list[float] = []
    level_pct: list[float] = []
    for at_ms, pct in _asked_steps(played, motor):
        at_min.append(at_ms / 60_000)
        level_pct.append(pct * played.trim_pct / 100)
    return at_min, level_pct


def _asked_steps(played: Played, motor: int) -> Iterator[tuple[int, float]]:
    for segment in played.timeline.segments:
        index = segment.course_of[motor]
        if index < 0:
            yield segment.begin_ms, nan
            continue
        course = segment.courses[index]
        ramp, cycle = course.ramp, course.cycle(course.ramp.level_pct[0])
        starts = sum(level > 0 and not cycle.level_pct[i - 1] for i, level in enumerate(cycle[1]))
        is_clear = cycle.cycle_ms >= starts * CLEAR_COLUMNS * played.timeline.end_ms / COLUMNS
        if len(ramp.level_pct) == 1 and cycle.cycle_ms >= segment.pass_ms and is_clear:
            steps = [(course.after_ms + at, n) for at, n in zip(*cycle[:2], strict=True)]
        else:
            highs = [max(course.cycle(n).level_pct) for n in ramp.level_pct]
            steps = [(max(course.after_ms, at), n) for at, n in zip(ramp.at_ms, highs, strict=True)]
        for begin_ms in range(segment.begin_ms, segment.end_ms, segment.pass_ms):
            if steps[0][0]:
                yield begin_ms, 0
            yield from ((begin_ms + at, n) for at, n in steps if at < segment.pass_ms)
    yield played.timeline.end_ms, 0


def _pairs(played: Played) -> Iterator[tuple[int | None, int | None]]:
    """Indices of the motors that play: each left motor with the right one beside it, head first.

    None: there is no motor on that side.
    """
    rows: dict[tuple[str, str], dict[Side, list[int]]] = {}
    for i, motor in enumerate(played.mat.motors):
        sides = rows.setdefault((motor.zone, motor.row), {"left": [], "right": []})
        if played.changes[i]:
            sides[motor.side].append(i)
    for sides in rows.values():
        yield from zip_longest(sides["left"], sides["right"])


# --- drawing ----------------------------------------------------------------------------------


def _figure(played: Played) -> Figure:
    motors, highest_sum_ma = columns_of(played)
    pairs = list(_pairs(played))
    figure, (strip, *panels, supply) = _empty_figure(played, len(pairs))
    end_min = played.timeline.end_ms / 60_000
    at_min = [end_min * (column + 0.5) / COLUMNS for column in range(COLUMNS)]
    _draw_phases(strip, [*panels, supply], played)
    for panel, pair in zip(panels, pairs, strict=True):
        _draw_pair(panel, pair, played, motors, at_min)
    _draw_supply(supply, played.mat, motors, highest_sum_ma, at_min)
    _draw_haptics([*panels, supply], played)
    for axes in (strip, *panels, supply):
        axes.set_xlim(0, end_min)
        axes.xaxis.set_major_locator(MultipleLocator(1))
        axes.tick_params(bottom=axes is supply, labelbottom=axes is supply, length=3, pad=2)
    supply.set_xlabel("minutes since the start", loc="right", labelpad=1, color=MUTED)
    _draw_legend(figure, played)
    return figure


def _empty_figure(played: Played, pair_count: int) -> tuple[Figure, list[Axes]]:
    """The titled figure, and its axes from top to bottom: phases, pairs of motors, supply."""
    heights_in = [0.2, *[0.95] * pair_count, 1.1]
    longest = max(len(segment.phase) for segment in played.timeline.segments)
    above_in = 0.85 + 0.036 * min(longest, NAME_MOST)  # the height of a slanted name
    below_in, gaps_in = 1.05, 0.09 * len(heights_in)
    height_in = sum(heights_in) + gaps_in + above_in + below_in
    figure = Figure(figsize=(WIDTH_IN, height_in))
    grid = figure.add_gridspec(
        len(heights_in),
        1,
        height_ratios=heights_in,
        hspace=0.13,
        left=LEFT_EDGE,
        right=_right_edge(played),
        top=1 - above_in / height_in,
        bottom=below_in / height_in,
    )
    axes = [figure.add_subplot(grid[row]) for row in range(len(heights_in))]
    title_y = 1 - 0.2 / height_in
    title = shorten(played.entry.profile.title, TITLE_MOST, placeholder="…")
    figure.text(0.012, title_y, title, fontsize=12, fontweight="bold", va="center")
    subtitle = f"{played.timeline.profile}, {clock(played.timeline.end_ms)} min"
    subtitle += f", trim {played.trim_pct}%" if played.trim_pct != 100 else ""
    figure.text(0.985, title_y, subtitle, ha="right", va="center", color=MUTED)
    figure.text(0.012, 1 - 0.42 / height_in, CAPTION, va="center", color=MUTED)
    return figure, axes


CAPTION: Final = (
    "A simulation of the whole session: a strip for each pair of motors, the left motor drawn "
    "upwards and the right one downwards. 100% is the most that it can do."
)


def _draw_legend(figure: Figure, played: Played) -> None:
    handles: list[Any] = [
        Line2D([], [], color=LEVEL, lw=1.2,
               label="level: the highest level that the profile asks for"),
        Patch(color=HIGHEST, label="vibration, simulated: the strongest"),
        Patch(color=MEAN, label="vibration, simulated: the average"),
        Line2D([], [], color=DUTY, lw=0.7,
               label="duty: the power that the motor gets; peaks are kicks, which start it"),
    ]  # fmt: skip
    if any(segment.cue for segment in played.timeline.segments):
        label = "done by you: the mat keeps the time"
        handles.append(Patch(facecolor=CUE, edgecolor=MUTED, lw=0.4, label=label))
    if _felt_haptics(played):
        handles.append(
            Line2D([], [], color=HAPTIC, lw=0.8, ls=(0, (2, 2)), marker="v", ms=4,
                   label="message to you: short gaps in the vibration")
        )  # fmt: skip
    figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0.1, 0.0),
        ncols=2,
        frameon=False,
        handlelength=1.6,
        columnspacing=3,
    )


def _labels(played: Played) -> list[tuple[str, float]]:
    """The label of each phase, and the share of the session at which it stands.

    In a group only the first pass has labels.
    """
    labels: list[tuple[str, float]] = []
    share = -1.0
    before: GroupPasses = ()
    for segment in played.timeline.segments:
        passes, before = before, segment.group_passes
        if any(group_pass.number > 1 for group_pass in segment.group_passes):
            continue
        groups = "".join(f"{n}× " for _, (_, n) in groups_begun(passes, before))  # noqa: RUF001
        times = f" {segment.repeat}×" if segment.repeat > 1 else ""  # noqa: RUF001, the sign
        # The name of a short phase moves to the right, so that it covers no other name.
        share = max(segment.begin_ms / played.timeline.end_ms, share + 1 / 38)
        name = shorten(segment.phase, NAME_MOST, placeholder="…")
        labels.append((groups + name + times, share))
    return labels


def _right_edge(played: Played) -> float:
    """Where the axes end, as a share of the width: early enough for the slanted last labels."""
    room_in = [
        (WIDTH_IN * (1 - LEFT_EDGE) - 0.12 - len(label) * LABEL_IN) / max(share, 0.01)
        for label, share in _labels(played)
    ]
    return min(0.985, LEFT_EDGE + min(room_in) / WIDTH_IN)


def _draw_phases(strip: Axes, panels: Sequence[Axes], played: Played) -> None:
    """Each phase as a band through all panels, with its name and acupressure points above them."""
    strip.set_ylim(0, 1)
    strip.set_yticks([])
    strip.set_ylabel("points", rotation=0, ha="right", va="center", color=MUTED)
    end_min = played.timeline.end_ms / 60_000
    for i, segment in enumerate(played.timeline.segments):
        begin, end = segment.begin_ms / 60_000, segment.end_ms / 60_000
        for panel in panels:
            panel.axvspan(begin, end, color=BANDS[i % 2], lw=0, zorder=0)
        color = CUE if segment.cue else BANDS[i % 2]
        strip.axvspan(begin, end, facecolor=color, edgecolor=MUTED, lw=0.4)
        room = int((end - begin) / (played.timeline.end_ms / 60_000) * STRIP_CHARACTERS)
        text = ", ".join(filter(None, (segment.cue, *segment.points)))
        if segment.cue not in POINTS and len(text) > room:
            text = f"{text[: room - 1].rstrip()}…" if room > 1 else ""
        strip.text((begin + end) / 2, 0.46, text, ha="center", va="center", size=7)
    for label, share in _labels(played):
        strip.annotate(
            label,
            (share * end_min, 1),
            xytext=(5, 4),
            textcoords="offset points",
            rotation=38,
            rotation_mode="anchor",
            size=7.5,
        )
    for begin_ms, end_ms in _group_spans(played.timeline.segments):
        span_min = (begin_ms / 60_000, end_ms / 60_000)
        strip.plot(span_min, (1, 1), color=TOTAL, lw=2.5, solid_capstyle="butt", clip_on=False)


def _group_spans(segments: Sequence[Segment]) -> list[tuple[int, int]]:
    """From when to when each outermost group plays, in ms."""
    spans: list[tuple[int, int]] = []
    before: GroupPasses = ()
    for segment in segments:
        if any(depth == 0 for depth, _ in groups_begun(before, segment.group_passes)):
            spans.append((segment.begin_ms, segment.end_ms))
        elif segment.group_passes:
            spans[-1] = (spans[-1][0], segment.end_ms)
        before = segment.group_passes
    return spans


def _felt_haptics(played: Played) -> list[HapticCue]:
    """The haptics without the marks of a cue that fall into silence."""
    timeline = played.timeline
    cues = timeline.haptic_cues
    return [cue for cue in cues if cue.name == FIVE_MINUTES_LEFT or is_felt(cue, timeline)]


def _draw_haptics(panels: Sequence[Axes], played: Played) -> None:
    """A line for each haptic. Only the last five minutes get a label: cues name themselves."""
    for haptic in _felt_haptics(played):
        begin_min = haptic.begin_ms / 60_000
        for panel in panels:
            panel.axvline(begin_min, color=HAPTIC, lw=0.7, ls=(0, (2, 2)), zorder=1.5)
        top = panels[0].get_xaxis_transform()
        panels[0].plot(
            begin_min, 1.0, "v", ms=4, color=HAPTIC, transform=top, clip_on=False, zorder=5
        )
        if haptic.name == FIVE_MINUTES_LEFT:
            panels[0].annotate(
                "five minutes left", (begin_min, 1), xycoords=top, xytext=(5, -2),
                textcoords="offset points", va="top", size=7, color=HAPTIC, zorder=6, bbox=PAPER,
            )  # fmt: skip


def _draw_pair(
    panel: Axes,
    pair: Sequence[int | None],
    played: Played,
    motors: Sequence[MotorColumns],
    at_min: Sequence[float],
) -> None:
    """The left motor is drawn upwards from the spine, the right one downwards."""
    for i, sign in zip(pair, (1, -1), strict=True):
        if i is None:
            continue
        columns, motor = motors[i], played.mat.motors[i]
        _area(panel, at_min, [sign * amplitude for amplitude in columns.highest_pct], HIGHEST)
        _area(panel, at_min, [sign * amplitude for amplitude in columns.mean_pct], MEAN)
        panel.plot(at_min, [sign * duty for duty in columns.duty_pct], color=DUTY, lw=0.5)
        asked_min, asked_pct = asked_levels(played, i)
        panel.step(
            asked_min, [sign * pct for pct in asked_pct], where="post", color=LEVEL, lw=1, zorder=3
        )
        panel.text(
            0.998, 0.97 if sign > 0 else 0.03, f"{motor.side}: {motor.name}", size=7, color=MUTED,
            transform=panel.transAxes, ha="right", va="top" if sign > 0 else "bottom", zorder=6,
            bbox=PAPER,
        )  # fmt: skip
        name = "\n".join(filter(None, (motor.zone, motor.row))).replace("_", " ")
    panel.axhline(0, color="white", lw=0.8, zorder=4)
    panel.set_ylim(-115, 115)
    percents = ["100%", "50%", "0", "50%", "100%"]
    panel.set_yticks([-100, -50, 0, 50, 100], percents, size=6.5, color=MUTED)
    panel.set_ylabel(name, rotation=0, ha="right", va="center", labelpad=2)


PAPER: Final = {"facecolor": "white", "alpha": 0.75, "lw": 0, "pad": 0.8}
"""Behind a text that may stand on a curve."""


def _draw_supply(
    supply: Axes,
    mat: Mat,
    motors: Sequence[MotorColumns],
    highest_sum_ma: Sequence[float],
    at_min: Sequence[float],
) -> None:
    """The motors' mean currents, stacked; their highest sum; and the limit of the supply."""
    sums = list(
        accumulate(
            (columns.current_ma for columns in motors),
            lambda below, own: [a + b for a, b in zip(below, own, strict=True)],
        )
    )
    zones = [zone.name for zone in mat.zones]
    tones: dict[str, Any] = {}
    for i in reversed(range(len(sums))):
        if any(motors[i].current_ma):
            zone = mat.motors[i].zone
            tone = ZONES[zones.index(zone) % len(ZONES)]
            _area(supply, at_min, sums[i], tone)
            supply.plot(at_min, sums[i], color="white", lw=0.25)
            tones[zone] = Patch(color=tone, label=f"{zone.replace('_', ' ')}, average")
    supply.plot(at_min, highest_sum_ma, color=TOTAL, lw=0.6)
    supply.axhline(mat.max_ma, color=HAPTIC, lw=1.2)
    supply.text(
        0.004, mat.max_ma, f"the most that the supply gives: {mat.max_ma} mA", color=HAPTIC,
        va="bottom", size=7, transform=supply.get_yaxis_transform(),
    )  # fmt: skip
    total = Line2D([], [], color=TOTAL, lw=0.6, label="all motors together, highest")
    handles = [*reversed(tones.values()), total]
    supply.legend(
        handles=handles, loc="upper right", ncols=len(handles), fontsize=7, frameon=False,
        borderaxespad=0, borderpad=0, handlelength=1.2, columnspacing=1.2,
    )  # fmt: skip
    supply.set_ylim(0, 1.3 * max(mat.max_ma, *highest_sum_ma))
    supply.set_ylabel("current\nin mA", rotation=0, ha="right", va="center", labelpad=2)
    supply.yaxis.set_major_locator(MaxNLocator(3))
    supply.tick_params(axis="y", labelsize=6.5, labelcolor=MUTED)


def _area(axes: Axes, x: Sequence[float], y: Sequence[float], color: str) -> None:
    axes.fill([x[0], *x, x[-1]], [0, *y, 0], color=color, lw=0, zorder=2)
