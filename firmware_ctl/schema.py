"""The JSON Schemas that editors complete and explain from, made from the readers' own tables.

An editor sees less than `check`: ranges that depend on the mat, and rules between keys, stay there.
"""

from firmware_ctl.document import Json
from firmware_ctl.mat import FILE, Mat
from firmware_ctl.profile import file_kind


def schema(what: str, mat: Mat) -> Json:
    """The schema of a "profile" on this mat, or of a "mat" file."""
    kind = {"profile": file_kind(mat), "mat": FILE}[what]
    return {"$schema": "http://json-schema.org/draft-07/schema#", **kind.schema}
