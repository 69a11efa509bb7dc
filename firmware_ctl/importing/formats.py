"""The formats that can be imported. A format is known by a key of its file, not by its ending."""

from collections.abc import Callable
from typing import Final, NamedTuple

from firmware_ctl.importing.ahap import read_ahap
from firmware_ctl.importing.curve import Curve
from firmware_ctl.importing.funscript import read_funscript
from firmware_ctl.importing.haptic import read_haptic
from firmware_ctl.importing.json_values import ForeignFileError, JsonValue


class Format(NamedTuple):
    name: str
    key: str
    """The key at the top of the file that only this format has."""
    read: Callable[[JsonValue], Curve]
    """Raises `ForeignFileError`."""


FORMATS: Final = (
    Format("funscript", "actions", read_funscript),
    Format("AHAP", "Pattern", read_ahap),
    Format(".haptic", "signals", read_haptic),
)


def format_of(root: JsonValue) -> Format:
    """The format of a file. Raises `ForeignFileError` if it is of none."""
    for one in FORMATS:
        if root.optional(one.key) is not None:
            return one
    known = ", ".join(f"{one.key} ({one.name})" for one in FORMATS)
    raise ForeignFileError(f"the file is of no known format; one of these keys is needed: {known}")
