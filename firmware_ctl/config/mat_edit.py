"""Changes `start` and `hold` of motors in the text of a mat file, and keeps all other bytes.

The reader of mat files finds the line and column of each value, and only those values are replaced.
The new text is read again, to prove that nothing else has changed; otherwise the change is refused.
This module opens no file.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from firmware_ctl.config.mat import FILE, IF_EMPTY, Mat, Motor, read_mat
from firmware_ctl.config.yaml_tree import Report, parse
from firmware_ctl.errors import AuthorError, DeviceError, Mistake

_LINE_END: Final = re.compile("\r\n|\r|\n")
_KEY: Final = r"""(?:{0}|"{0}"|'{0}')\s*:\s*"""
# A percentage with or without quotes, or a YAML alias such as `*duty`.
_VALUE: Final = re.compile(r"""(?P<quote>["']?)[0-9.]+ ?%(?P=quote)|\*[^\s,\[\]{}]+""")


def with_duties(mat: Mat, path: str, duties: Mapping[str, tuple[int, int]]) -> bytes:
    """The bytes of the mat's file with new values for the motors in `duties`.

    `duties` holds (`start`, `hold`) in percent for each motor's name. Raises AuthorError if the
    result is not a valid mat file, or if the text of a value cannot be replaced alone. Raises
    DeviceError if another value would change as well, because both use one YAML anchor.
    """
    bom = b"\xef\xbb\xbf" if mat.source.startswith(b"\xef\xbb\xbf") else b""
    text = mat.source.removeprefix(bom).decode()
    for begin, end, value in sorted(_replacements(mat, text, path, duties), reverse=True):
        text = text[:begin] + value + text[end:]
    data = bom + text.encode()
    if read_mat(data, path) != _changed(mat, duties)._replace(source=data):
        raise DeviceError(f"{path}: these values use YAML anchors; edit them manually")
    return data


def _replacements(
    mat: Mat, text: str, path: str, duties: Mapping[str, tuple[int, int]]
) -> Iterator[tuple[int, int, str]]:
    """Each value that changes: where it begins and ends in the text, and its new text."""
    line_starts = [0, *(match.end() for match in _LINE_END.finditer(text))]
    root = parse(mat.source, Report(path), if_empty=IF_EMPTY)
    file = FILE.read(root, "the file", Report(path))
    assert file is not None  # the mat was read from it
    for _, zone in file["zones"].values():
        for motor in zone["motors"]:
            for key, duty in zip(("start", "hold"), duties.get(motor["name"], ()), strict=False):
                if motor[key] == duty:
                    continue
                node = motor.node.pairs[key][0]
                begin = line_starts[node.line - 1] + node.column - 1
                before = re.compile(_KEY.format(key)).match(text, begin)
                old = _VALUE.match(text, before.end()) if before else None
                if old is None:
                    sentence = (
                        f"{key}: is written so that it cannot be changed alone; write {duty}%"
                    )
                    raise AuthorError([Mistake(path, node.line, node.column, sentence)])
                quote = old["quote"] or ""
                yield (*old.span(), f"{quote}{duty}%{quote}")


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
