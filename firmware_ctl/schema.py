"""The JSON Schemas that editors complete and explain from, made from the readers' own tables.

An editor sees less than `check`: ranges that depend on the mat, and rules between keys, stay there.
"""

from firmware_ctl import shipped
from firmware_ctl.document import Json
from firmware_ctl.mat import FILE, read_mat
from firmware_ctl.profile import file_kind, play_schema


def schema(what: str) -> Json:
    """The schema of a "profile" or a "mat"; zones of the shipped mat are offered, all are taken."""
    if what == "mat":
        found = FILE.schema
    else:
        path = shipped.mat_file()
        with open(path, "rb") as file:
            found = file_kind(read_mat(file.read(), path)).schema
        found = found | {"definitions": {"play": play_schema()}}
    return {"$schema": "http://json-schema.org/draft-07/schema#", **found}
