"""The words in which `check` and `simulate` describe a session: plain lines, and a table for `-v`.

Both commands print the same word for the same figure, so that an author can compare the two.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from firmware_ctl.config.mat import Mat
from firmware_ctl.config.quantities import clock
from firmware_ctl.errors import printable
from firmware_ctl.timeline.catalogue import GoodEntry
from firmware_ctl.timeline.heat import CUT_OFF_HOLDS_C, hot_zones
from firmware_ctl.timeline.report import ZoneProof

Lines = list[tuple[str, str]]
"""Labelled sentences: each label, and what stands beside it."""

MEANINGS: Final = {
    "plays": "the length of the phases that name the zone",
    "level": "the highest level that the profile asks for, from 0 to 100%",
    "duty": "the most power that a motor gets while it turns: the share of time that it is on",
    "with kick": "the same with kicks, which start a motor from rest and last a moment",
    "steps felt": "how many of the small changes of level change the duty; the others are too "
    "small to feel",
    "vibrates": "for how long the zone has a level above 0",
    "strength": "the average vibration in that time, as the models of the motors have it",
    "current": "the most that the motors of the zone draw, and when",
    "warmer": "by how much its warmest motor is warmer than the skin above it",
}
"""The heads of the columns in the tables of both commands, and what they mean."""


def minutes(length_ms: int) -> str:
    return f"{length_ms} ms" if 0 < length_ms < 100 else f"{clock(length_ms)} min"


def zone_line(zone: str, played_ms: int, level_pct: int) -> tuple[str, str]:
    return zone, f"plays {minutes(played_ms)}, level up to {level_pct}%"


def notes_on_mat(entry: GoodEntry, mat: Mat) -> Iterator[str]:
    """What this mat and its supply change in a session, and which of its zones may get too hot."""
    targets = {play.target.partition(".")[0] for p in entry.profile.phases for play in p.play}
    for absent in (zone.name for zone in mat.zones if not zone.present and zone.name in targets):
        yield f"{absent} is not present on this mat: its motors stay off"
    budget = entry.budget
    if budget.asked is not None:
        done = [] if budget.level_pct == 100 else [f"all levels are scaled to {budget.level_pct}%"]
        done += [] if budget.kicks else ["motors start without kicks"]
        done += [f"starts are moved by up to {budget.longest_wait_ms} ms"]
        yield (
            f"as written it would draw {budget.asked.ma:.0f} of {mat.max_ma} mA at "
            f"{clock(budget.asked.at_ms)} ({budget.asked.zones(mat)}), so {', '.join(done)}"
        )
    for zone, motor_c, remedy in hot_zones(entry.timeline, mat):
        yield (
            f"a motor of {zone} could reach {motor_c:.0f} °C in a day of this; its thermal "
            f"cut-off may open at {CUT_OFF_HOLDS_C:.0f} °C, for good: {remedy}"
        )


def labelled(lines: Lines) -> Iterator[str]:
    """The lines as they are printed, with their sentences below one another."""
    width = max(7, *(len(label) for label, _ in lines))
    return (printable(f"  {label:{width}}  {sentence}") for label, sentence in lines)


def zone_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A line of heads, and a line for each zone. Nothing if no zone plays."""
    if not rows:
        return
    lines = [("zone", *heads), *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    yield ""
    for zone, *cells in lines:
        aligned = (f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True))
        yield f"  {zone:{widths[0]}}  {'  '.join(aligned)}"


def meanings(heads: Iterable[str]) -> Iterator[str]:
    yield ""
    yield from labelled([(head, MEANINGS[head]) for head in heads])


PROOF_HEADS: Final = ("plays", "level", "duty", "with kick", "steps felt")


def proof_cells(zone: ZoneProof) -> tuple[str, ...]:
    felt = f"{zone.steps - zone.dead_steps} of {zone.steps}" if zone.steps else "-"
    duties = f"{zone.duty_pct}%", f"{max(zone.duty_pct, zone.kick_pct)}%"
    return zone.zone, clock(zone.played_ms), f"{zone.level_pct}%", *duties, felt
