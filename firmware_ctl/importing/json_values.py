"""Reads JSON of other programs step by step, and names the place of what is wrong with it.

The standard library's parser gives no lines for values, and many of these files are one long line.
So a place is a path, such as `actions[17].at`. Only a mistake in the JSON itself has a line.
"""

import json
from collections.abc import Sequence
from math import isfinite
from typing import Final, NamedTuple, NoReturn

from firmware_ctl.errors import FirmwareError, printable

BYTES_MAX: Final = 2 * 1024 * 1024
"""The largest file to import. It bounds the time to read one."""

_SHOWN_MAX: Final = 30
"""The most characters of a wrong value that are shown."""


class ForeignFileError(FirmwareError, ValueError):
    """A file of another program cannot be imported. The message begins with the place, if any."""


class JsonValue(NamedTuple):
    """A value with its place in the file. Each method raises `ForeignFileError` for a wrong one."""

    value: object
    place: str = ""
    """Keys and indices from the top of the file. Empty: the whole file."""

    def fail(self, sentence: str) -> NoReturn:
        raise ForeignFileError(f"{self.place or 'the file'}: {sentence}")

    def optional(self, key: str) -> "JsonValue | None":
        """The value of a key of an object. None if it is missing or null."""
        if not isinstance(self.value, dict):
            self.fail(f"{shown(self.value)} is no object; an object {{…}} belongs here")
        value: object = self.value.get(key)
        place = f"{self.place}.{key}" if self.place else key
        return None if value is None else JsonValue(value, place)

    def required(self, key: str) -> "JsonValue":
        value = self.optional(key)
        if value is None:
            self.fail(f"the key {key} is missing")
        return value

    def items(self) -> "Sequence[JsonValue]":
        """The items of a list that is not empty."""
        if not isinstance(self.value, list):
            self.fail(f"{shown(self.value)} is no list; a list […] belongs here")
        if not self.value:
            self.fail("the list is empty, so there is nothing to play")
        return [JsonValue(item, f"{self.place}[{i}]") for i, item in enumerate(self.value)]

    def number(self, least: float, most: float) -> float:
        value = self.value
        # In Python, True is a number as well.
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fail(f"{shown(value)} is no number; write {least:.9g} to {most:.9g}")
        if not (isfinite(value) and least <= value <= most):
            self.fail(f"{shown(value)} is not a number from {least:.9g} to {most:.9g}")
        return float(value)

    def text(self) -> str:
        if not isinstance(self.value, str):
            self.fail(f"{shown(self.value)} is no text; a text in quotes belongs here")
        return self.value


def shown(value: object) -> str:
    """A value as a mistake quotes it: short, and printable."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    try:
        text = printable(f'"{value}"' if isinstance(value, str) else str(value))
    except ValueError:  # Python prints no int of thousands of digits
        text = "a number of thousands of digits"
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"


def parse(data: bytes) -> JsonValue:
    """The value of a whole file. Raises `ForeignFileError` for what is no JSON, or too large."""
    if len(data) > BYTES_MAX:
        raise ForeignFileError(f"the file is larger than {BYTES_MAX // 1024} KiB; shorten it first")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ForeignFileError(f"byte {error.start + 1}: the file is not UTF-8 text") from None
    if not text.strip():
        raise ForeignFileError("the file is empty")
    try:
        return JsonValue(json.loads(text, parse_constant=_no_number))
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ForeignFileError(f"{place}: this is no JSON: {error.msg}") from None
    except RecursionError:
        raise ForeignFileError("the file nests too deeply; it is of no known format") from None
    except ForeignFileError:
        raise
    except ValueError:
        raise ForeignFileError("a number in the file has too many digits") from None


def _no_number(name: str) -> NoReturn:
    raise ForeignFileError(f"the file holds {name}, which is no number; write a number instead")
