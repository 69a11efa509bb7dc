"""The values in the answers of a daemon, for programs that talk to it."""

import json
import re
from collections.abc import Iterable
from typing import Final

_FIELD: Final = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|\S*)')

SECONDS: Final = ("t", "left")
PERCENT: Final = ("trim",)


def parse_fields(line: str) -> dict[str, str]:
    """The `key=value` fields of a line; a quoted value is a JSON string."""
    return {
        key: json.loads(value) if value.startswith('"') else value
        for key, value in _FIELD.findall(line)
    }


def status_values(fields: dict[str, str]) -> dict[str, object]:
    """The fields with numbers as numbers, and the zones as one object. An empty field is null."""
    values: dict[str, object] = {}
    zones = set(_zones(fields))
    for key, text in fields.items():
        if key not in zones:
            values[key] = _value(key, text)
        elif "zones" not in values:
            values["zones"] = {zone: int(fields[zone]) for zone in fields if zone in zones}
    return values


def _zones(fields: Iterable[str]) -> list[str]:
    """The names of the zones: the protocol puts their levels between `trim` and `signal`."""
    keys = list(fields)
    if "trim" not in keys or "signal" not in keys:
        return []
    return keys[keys.index("trim") + 1 : keys.index("signal")]


def _value(key: str, text: str) -> object:
    if not text:
        return None
    if key in SECONDS:
        return float(text)
    return int(text) if key in PERCENT else text
