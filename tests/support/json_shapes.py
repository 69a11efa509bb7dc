"""Checks of what `--json` prints, by the schema in `docs/json.schema.json`."""

import json
from typing import Any, Final

import pytest

from tests.support.process import ROOT

SHAPES: Final = json.loads((ROOT / "docs/json.schema.json").read_text("utf-8"))["$defs"]


def checked(shape: str, printed: str) -> Any:
    """The value that was printed, which has this shape and no empty text in it."""
    jsonschema = pytest.importorskip("jsonschema")
    value = json.loads(printed)
    jsonschema.Draft202012Validator(SHAPES[shape]).validate(value)
    assert '""' not in json.dumps(value), "what is absent is null"
    return value
