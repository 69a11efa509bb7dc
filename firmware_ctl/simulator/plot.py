"""A played session as one picture: level, duty and amplitude of each motor, and the current.

The extra `plot` installs matplotlib, which this module needs. With the same release of matplotlib
equal sessions give equal bytes.
"""

import io
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, zip_longest
from textwrap import shorten
from typing import Any, Final, NamedTuple

from firmware_ctl.config.mat import Mat
from firmware_ctl.config.points import POINTS
from firmware_ctl.simulator.erm import Erm
from firmware_ctl.simulator.motors import moments
from firmware_ctl.simulator.offline import Played, peak_times_ms

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

COLUMNS: Final = 360
"""Columns of a picture. A pattern changes faster than they can show, so each column shows the
maximum and the mean of its time."""
SAMPLES: Final = 8
"""How many samples of the motor models make one column."""

NAME_MOST: Final = 26
"""The most characters of a phase's name."""

LEVEL: Final = "#d3dfeb"
HIGHEST: Final = "#8fb3d3"
MEAN: Final = "#35638f"
DUTY: Final = "#4d4d4d"
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


class MotorColumns(NamedTuple):
    """One motor; each sequence has `COLUMNS` values."""

    level_pct: Sequence[int]
    """The highest level."""
    duty_pct: Sequence[int]
    """The highest duty."""
    highest_pct: Sequence[float]
    """The highest amplitude."""
    mean_pct: Sequence[float]
    """The mean amplitude."""
    current_ma: Sequence[float]
    """The mean current."""


def _columns(played: Played) -> tuple[list[MotorColumns], list[float]]:
    """The columns of each motor, and the highest sum of all currents in each column, in mA."""
    end_ms = played.timeline.end_ms
    sample_count = COLUMNS * SAMPLES
    samples_ms = [end_ms * (2 * i + 1) // (2 * sample_count) for i in range(sample_count)]
    times_ms = sorted({*samples_ms, *peak_times_ms(played)})
    is_sample = set(samples_ms)
    rows = played.rows()
    sums_ma = [0.0] * len(times_ms)
    motors = []
    for i, motor in enumerate(played.mat.motors):
        amplitudes, currents = [], []
        states = moments(Erm(motor), played.changes[i], times_ms)
        for index, (at_ms, moment) in enumerate(zip(times_ms, states, strict=True)):
            sums_ma[index] += moment.current_ma
            if at_ms in is_sample:
                amplitudes.append(100 * moment.amplitude)
                currents.append(moment.current_ma)
        motors.append(
            MotorColumns(
                _highest([(row.at_ms, row.level_pct[i]) for row in rows], end_ms),
                _highest([(row.at_ms, row.duty_pct[i]) for row in rows], end_ms),
                [max(samples) for samples in _by_column(amplitudes)],
                [sum(samples) / SAMPLES for samples in _by_column(amplitudes)],
                [sum(samples) / SAMPLES for samples in _by_column(currents)],
            )
        )
    highest_sum_ma = [0.0] * COLUMNS
    for at_ms, ma in zip(times_ms, sums_ma, strict=True):
        column = _column(at_ms, end_ms)
        highest_sum_ma[column] = max(highest_sum_ma[column], ma)
    return motors, highest_sum_ma


def _column(at_ms: int, end_ms: int) -> int:
    return min(at_ms * COLUMNS // end_ms, COLUMNS - 1)


def _highest(steps: Sequence[tuple[int, int]], end_ms: int) -> list[int]:
    """The highest value of a step function in each column; each step is (time in ms, value)."""
    highest = [0] * COLUMNS
    until_ms = [*(at_ms for at_ms, _ in steps[1:]), end_ms]
    for (at_ms, value), next_ms in zip(steps, until_ms, strict=True):
        for column in range(_column(at_ms, end_ms), _column(next_ms - 1, end_ms) + 1):
            highest[column] = max(highest[column], value)
    return highest


def _by_column(samples: Sequence[float]) -> Iterator[Sequence[float]]:
    return (samples[i : i + SAMPLES] for i in range(0, len(samples), SAMPLES))


def _pairs(mat: Mat, motors: Sequence[MotorColumns]) -> Iterator[tuple[int | None, int | None]]:
    """Indices of the motors that play: each left motor with the right one beside it, head first.

    None: there is no motor on that side.
    """
    for zone in mat.zones:
        sides: dict[str, list[int]] = {"left": [], "right": []}
        for i, motor in enumerate(mat.motors):
            if motor.zone == zone.name and any(motors[i].level_pct):
                sides[motor.side].append(i)
        yield from zip_longest(sides["left"], sides["right"])


# --- drawing ----------------------------------------------------------------------------------


def _figure(played: Played) -> Figure:
    motors, highest_sum_ma = _columns(played)
    pairs = list(_pairs(played.mat, motors))
    figure, (strip, *panels, supply) = _empty_figure(played, len(pairs))
    end_min = played.timeline.end_ms / 60_000
    at_min = [end_min * (column + 0.5) / COLUMNS for column in range(COLUMNS)]
    _draw_phases(strip, [*panels, supply], played)
    _draw_haptics([*panels, supply], played)
    for panel, pair in zip(panels, pairs, strict=True):
        _draw_pair(panel, pair, played.mat, motors, at_min)
    _draw_supply(supply, played.mat, motors, highest_sum_ma, at_min)
    for axes in (strip, *panels, supply):
        axes.set_xlim(0, end_min)
        axes.xaxis.set_major_locator(MultipleLocator(1))
        axes.tick_params(bottom=axes is supply, labelbottom=axes is supply, length=3, pad=2)
    supply.set_xlabel("minutes", loc="right", labelpad=1, color=MUTED)
    _draw_legend(figure)
    return figure


def _empty_figure(played: Played, pair_count: int) -> tuple[Figure, list[Axes]]:
    """The titled figure, and its axes from top to bottom: phases, pairs of motors, supply."""
    heights_in = [0.2, *[0.8] * pair_count, 1.0]
    longest = max(len(segment.phase) for segment in played.timeline.segments)
    above_in = 0.62 + 0.036 * min(longest, NAME_MOST)  # the height of a slanted name
    below_in, gaps_in = 0.72, 0.09 * len(heights_in)
    height_in = sum(heights_in) + gaps_in + above_in + below_in
    figure = Figure(figsize=(WIDTH_IN, height_in))
    grid = figure.add_gridspec(
        len(heights_in),
        1,
        height_ratios=heights_in,
        hspace=0.13,
        left=0.108,
        right=0.985,
        top=1 - above_in / height_in,
        bottom=below_in / height_in,
    )
    axes = [figure.add_subplot(grid[row]) for row in range(len(heights_in))]
    title_y = 1 - 0.2 / height_in
    figure.text(0.012, title_y, played.title, fontsize=12, fontweight="bold", va="center")
    subtitle = f"{played.timeline.profile}, {played.timeline.end_ms / 60_000:.3g} min"
    subtitle += f", trim {played.trim_pct}%" if played.trim_pct != 100 else ""
    figure.text(0.985, title_y, subtitle, ha="right", va="center", color=MUTED)
    return figure, axes


def _draw_legend(figure: Figure) -> None:
    figure.legend(
        handles=[
            Patch(color=LEVEL, label="level asked"),
            Patch(color=HIGHEST, label="amplitude (model)"),
            Patch(color=MEAN, label="its mean"),
            Line2D([], [], color=DUTY, lw=0.7, label="duty"),
            Patch(facecolor=CUE, edgecolor=MUTED, lw=0.4, label="pressed by hand"),
            Line2D([], [], color=HAPTIC, lw=0.8, ls=(0, (2, 2)), marker="v", ms=4,
                   label="signal: short gaps"),
        ],
        loc="lower left",
        bbox_to_anchor=(0.1, 0.0),
        ncols=6,
        frameon=False,
        handlelength=1.6,
        columnspacing=1.6,
    )  # fmt: skip


def _draw_phases(strip: Axes, panels: Sequence[Axes], played: Played) -> None:
    """Each phase as a band through all panels, with its name and acupressure points above them."""
    strip.set_ylim(0, 1)
    strip.set_yticks([])
    strip.set_ylabel("points", rotation=0, ha="right", va="center", color=MUTED)
    label_min = -1.0
    for i, segment in enumerate(played.timeline.segments):
        begin, end = segment.begin_ms / 60_000, segment.end_ms / 60_000
        for panel in panels:
            panel.axvspan(begin, end, color=BANDS[i % 2], lw=0, zorder=0)
        color = CUE if segment.cue else BANDS[i % 2]
        strip.axvspan(begin, end, facecolor=color, edgecolor=MUTED, lw=0.4)
        points = [segment.cue] if segment.cue in POINTS else segment.points
        strip.text((begin + end) / 2, 0.46, ", ".join(points), ha="center", va="center", size=7)
        times = f" {segment.repeat}×" if segment.repeat > 1 else ""  # noqa: RUF001, the sign
        # The name of a short phase moves to the right, so that it covers no other name.
        label_min = max(begin, label_min + played.timeline.end_ms / 60_000 / 38)
        strip.annotate(
            shorten(segment.phase, NAME_MOST, placeholder="…") + times,
            (label_min, 1),
            xytext=(5, 4),
            textcoords="offset points",
            rotation=38,
            rotation_mode="anchor",
            size=7.5,
        )


def _draw_haptics(panels: Sequence[Axes], played: Played) -> None:
    for haptic in played.timeline.haptic_cues:
        begin_min = haptic.begin_ms / 60_000
        for panel in panels:
            panel.axvline(begin_min, color=HAPTIC, lw=0.7, ls=(0, (2, 2)), zorder=1.5)
        top = panels[0].get_xaxis_transform()
        panels[0].plot(
            begin_min, 1.0, "v", ms=4, color=HAPTIC, transform=top, clip_on=False, zorder=5
        )


def _draw_pair(
    panel: Axes,
    pair: Sequence[int | None],
    mat: Mat,
    motors: Sequence[MotorColumns],
    at_min: Sequence[float],
) -> None:
    """The left motor is drawn upwards from the spine, the right one downwards."""
    present = [mat.motors[i] for i in pair if i is not None]
    for i, sign in zip(pair, (1, -1), strict=True):
        if i is None:
            continue
        columns = motors[i]
        _area(panel, at_min, [sign * level for level in columns.level_pct], LEVEL)
        _area(panel, at_min, [sign * amplitude for amplitude in columns.highest_pct], HIGHEST)
        _area(panel, at_min, [sign * amplitude for amplitude in columns.mean_pct], MEAN)
        panel.plot(at_min, [sign * duty for duty in columns.duty_pct], color=DUTY, lw=0.5)
    panel.axhline(0, color="white", lw=0.8, zorder=4)
    panel.set_ylim(-100, 100)
    panel.set_yticks([-50, 0, 50], ["50%", "0", "50%"], size=6.5, color=MUTED)
    name = present[0].zone.replace("_", " ")
    panel.set_ylabel(name, rotation=0, ha="right", va="center", labelpad=2)
    for motor, y in zip(present, (0.97, 0.03), strict=False):
        panel.text(
            1.0, y, motor.side, transform=panel.transAxes, ha="right", color=MUTED, size=7,
            va="top" if motor.side == "left" else "bottom",
        )  # fmt: skip


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
    for i in reversed(range(len(sums))):
        if any(motors[i].current_ma):
            tone = ZONES[zones.index(mat.motors[i].zone) % len(ZONES)]
            _area(supply, at_min, sums[i], tone)
            supply.plot(at_min, sums[i], color="white", lw=0.25)
    supply.plot(at_min, highest_sum_ma, color=DUTY, lw=0.6)
    supply.axhline(mat.max_ma, color=HAPTIC, lw=1.2)
    supply.text(
        0.996, 0.97, "mean of each motor on the one before; line: highest sum", color=MUTED, size=7,
        ha="right", va="top", transform=supply.transAxes,
    )  # fmt: skip
    supply.text(
        0.004, mat.max_ma, f"supply {mat.max_ma} mA", color=HAPTIC, va="bottom",
        transform=supply.get_yaxis_transform(),
    )  # fmt: skip
    supply.set_ylim(0, 1.3 * max(mat.max_ma, *highest_sum_ma))
    supply.set_ylabel("current\nmA", rotation=0, ha="right", va="center", labelpad=2)
    supply.yaxis.set_major_locator(MaxNLocator(3))
    supply.tick_params(axis="y", labelsize=6.5, labelcolor=MUTED)


def _area(axes: Axes, x: Sequence[float], y: Sequence[float], color: str) -> None:
    axes.fill([x[0], *x, x[-1]], [0, *y, 0], color=color, lw=0, zorder=2)
