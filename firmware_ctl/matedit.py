"""`start` and `hold` of motors changed in a mat file's own text: all else stays, byte for byte.

The places come from the reader; only the two scalars of a motor are replaced, and the result is
read again. What cannot be changed so is refused with a sentence. Touches no file.
"""

import re
from collections.abc import Mapping
from typing import Final

from firmware_ctl.document import Form, Report, parse
from firmware_ctl.errors import AuthorError, DeviceError, Mistake
from firmware_ctl.mat import FILE, Mat, Motor, read_mat

_LINES: Final = re.compile("\r\n|\r|\n")
_KEY: Final = r"""(?:{0}|"{0}"|'{0}')\s*:\s*"""
_VALUE: Final = re.compile(r"""(?P<quote>["']?)[0-9.]+%(?P=quote)|\*[^\s,\[\]{}]+""")


def with_duties(mat: Mat, path: str, duties: Mapping[str, tuple[int, int]]) -> bytes:
    """The text of the mat's file with the `start` and `hold` of these motors, in duty percent.

    Raises AuthorError where the result would not be a sound mat file, `DeviceError` where a value
    does not stand alone, or the rest of the mat would change with it.
    """
    bom = b"\xef\xbb\xbf" if mat.source.startswith(b"\xef\xbb\xbf") else b""
    text = mat.source.removeprefix(bom).decode()
    starts = [0, *(match.end() for match in _LINES.finditer(text))]
    form: Form = FILE.read(parse(mat.source, Report(path)), "the file", Report(path))
    changes: list[tuple[int, int, str]] = []
    for _, zone in form["zones"].values():
        for motor in zone["motors"]:
            for key, value in zip(("start", "hold"), duties.get(motor["name"], ()), strict=False):
                if motor[key] == value:
                    continue
                place = motor.node.pairs[key][0]
                at = starts[place.line - 1] + place.column - 1
                before = re.compile(_KEY.format(key)).match(text, at)
                old = _VALUE.match(text, before.end()) if before else None
                if old is None:
                    sentence = (
                        f"{key}: is written so that it cannot be changed alone; write {value}%"
                    )
                    raise AuthorError([Mistake(path, place.line, place.column, sentence)])
                quote = old["quote"] or ""
                changes.append((*old.span(), f"{quote}{value}%{quote}"))
    for begin, end, new in sorted(changes, reverse=True):
        text = text[:begin] + new + text[end:]
    data = bom + text.encode()
    after = read_mat(data, path)
    if after != _changed(mat, duties)._replace(source=data):
        raise DeviceError(f"in {path} other values hang on these, by anchors; write them by hand")
    return data


def _changed(mat: Mat, duties: Mapping[str, tuple[int, int]]) -> Mat:
    def changed(motor: Motor) -> Motor:
        start_pct, hold_pct = duties.get(motor.name, (motor.start_pct, motor.hold_pct))
        return motor._replace(start_pct=start_pct, hold_pct=hold_pct)

    return mat._replace(
        zones=tuple(
            zone._replace(motors=tuple(changed(motor) for motor in zone.motors))
            for zone in mat.zones
        )
    )
