"""The JSON Schemas that editors use for completion, made from the tables of the readers.

A schema allows more than the reader does, because limits of the mat and rules between keys are only
in the reader.
"""

from firmware_ctl.config import shipped
from firmware_ctl.config.fields import Json
from firmware_ctl.config.mat import FILE, read_mat
from firmware_ctl.config.profile_fields import definitions, file_kind


def schema(file_type: str) -> Json:
    """The schema of a "profile" or of a "mat" file.

    The schema of a profile offers the zones of the shipped mat, and accepts every zone.
    """
    if file_type == "mat":
        made = FILE.schema
    else:
        path = shipped.mat_file()
        with open(path, "rb") as file:
            mat = read_mat(file.read(), path)
        made = file_kind(mat).schema | {"definitions": definitions(mat)}
    return {"$schema": "http://json-schema.org/draft-07/schema#", **made}
