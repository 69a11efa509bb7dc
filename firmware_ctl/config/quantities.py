"""Numbers with a unit: percentages and durations, and the proposal for a wrong one."""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from firmware_ctl.config import slips
from firmware_ctl.config.fields import Json, Kind, scalar_text
from firmware_ctl.config.yaml_tree import Node, Report, ScalarNode, shown


def in_units(duration_ms: int) -> str:
    """A duration as an author writes it: 150ms, 2.5s, 15min."""
    if duration_ms and duration_ms % 60_000 == 0:
        return f"{duration_ms // 60_000}min"
    if 0 < duration_ms < 1_000:
        return f"{duration_ms}ms"
    return f"{duration_ms / 1_000}".removesuffix(".0") + "s"


def clock(at_ms: float) -> str:
    """Minutes and seconds as people read them, with a tenth unless it is 0: 12:40, 0:06.2."""
    minutes, tenths = divmod(round(at_ms / 100), 600)
    return f"{minutes}:{tenths / 10:04.1f}".removesuffix(".0")


# At most 30 digits and 9 decimals: Python raises ValueError for an int of thousands of digits.
# One space before the unit is read, too: `2 s` is how the SI writes it.
_QUANTITY: Final = re.compile(r"(-?)(0|[1-9][0-9]{0,29})(?:\.([0-9]{1,9}))?(?: ?([a-z%/]+))?")


_PROPOSED_MAX: Final = 40
"""The longest text for which a proposal is made. It bounds the time for one mistake."""


class _Quantity(NamedTuple):
    """Reads a number with a unit as a whole number of the smallest unit: `1.5s` as 1500 (ms)."""

    units: dict[str, int]
    """Unit → its size in smallest units, from the likeliest unit to the least likely one."""
    least: int
    most: int
    limit: str
    """Begins the sentence about a value above `most`, such as "the neck zone's cap of"."""
    show: Callable[[int], str]
    noun: str
    hint: str
    proposals: slips.Proposals

    def read(self, node: Node, key: str, report: Report) -> int | None:
        text = scalar_text(node, key, report)
        if text is None:
            return None
        match = _QUANTITY.fullmatch(text)
        if match is None or (match[4] or "") not in ("", *self.units):
            wide = (
                " (written with full-width characters)" if slips.plain_width(text) != text else ""
            )
            sentence = f"{shown(text)}{wide} is not a {self.noun}; {self._hint_for(text)}"
            report.add(node, f"{key}: {sentence}")
            return None
        minus, digits, decimals, unit = match.groups("")
        number, scale = int(digits + decimals), int(10 ** len(decimals))
        if unit not in self.units:
            report.add(node, f"{key}: {text} has no unit; {self._with_unit(text, number, scale)}")
            return None
        value, rest = divmod(number * self.units[unit], scale)
        if minus or value < self.least:
            least = self.show(self.least)
            report.add(node, f"{key}: {text} is below {least}; write {least} or more")
        elif value > self.most or (value == self.most and rest):
            most = self.show(self.most)
            report.add(node, f"{key}: {text} is above {self.limit} {most}; write {most} or less")
        elif rest:
            smallest = min(self.units, key=self.units.__getitem__)
            whole = "whole number" + (smallest and f" of {smallest}")
            either = " or ".join(f"{n}{smallest}" for n in (value, value + 1) if n >= self.least)
            hint = f"write {either}"
            if unit == "%" and value == 0:  # 0.25%: an author who counts from 0 to 1
                hint = self._with_unit(text.removesuffix("%").rstrip(), number, scale)
            report.add(node, f"{key}: {text} is not a {whole}; {hint}")
        else:
            return value
        return None

    def _hint_for(self, text: str) -> str:
        """What to write instead of a text that is not this quantity."""
        proposals = list(self.proposals(text)) if len(text) <= _PROPOSED_MAX else []
        if meant := next(filter(self._accepts, proposals), None):
            return f"write {meant}"
        if proposals:
            return f"write {self.show(self.least)} to {self.show(self.most)}"
        return self.hint

    def _accepts(self, text: str) -> bool:
        quiet = self._replace(proposals=lambda _: ())  # a proposal never asks for proposals
        return quiet.read(ScalarNode(1, 1, text), "", Report("")) is not None

    def _with_unit(self, text: str, number: int, scale: int) -> str:
        """What to write instead of a number without a unit."""
        if "%" in self.units and 0 < number < scale:
            meant = next(filter(self._accepts, self.proposals(text)), None)
            return f"did you mean {meant}?" if meant else self._hint_for(text)
        if number == 0 and self.least > 0:
            return f"write {self.show(self.least)} or more"
        fitting = [
            unit
            for unit, size in self.units.items()
            if self.least <= number * size / scale <= self.most
        ]
        return "write " + " or ".join(text + unit for unit in fitting or self.units)


def integer(least: int, most: int, unit: str = "", limit: str = "the most,") -> Kind[int]:
    """A whole number with its unit. `unit` empty: the number stands alone.

    `limit` tells an author where the highest value comes from, as in "the code's own limit of".
    """

    def show(value: int) -> str:
        return f"{value}{unit}"

    if unit:
        schema: Json = {"type": "string", "pattern": f"^(0|[1-9][0-9]*) ?{unit}$"}
    else:
        schema = {"type": "integer", "minimum": least, "maximum": most}
    schema["description"] = f"{show(least)} to {show(most)}"
    noun = "percentage" if unit == "%" else "whole number" + (unit and f" of {unit}")
    hint = f"write {show(least)} to {show(most)}, for example {show(max(least, min(most, 30)))}"
    proposals = slips.percentages if unit == "%" else slips.whole_numbers
    quantity = _Quantity({unit: 1}, least, most, limit, show, noun, hint, proposals)
    return Kind(quantity.read, schema, show)


def duration(least_ms: int, most_ms: int, limit: str = "the most,") -> Kind[int]:
    """A duration, read as milliseconds and written with its unit: 500ms, 2s, 1.5min."""
    schema = {
        "type": "string",
        "pattern": r"^(0|[1-9][0-9]*)(\.[0-9]+)? ?(ms|s|min)$",
        "description": f"{in_units(least_ms)} to {in_units(most_ms)}",
    }
    hint = f"use ms, s or min, for example {in_units(max(least_ms, min(most_ms, 2_000)))}"
    units = {"s": 1_000, "min": 60_000, "ms": 1}
    quantity = _Quantity(
        units, least_ms, most_ms, limit, in_units, "duration", hint, slips.durations
    )
    return Kind(quantity.read, schema, in_units)
