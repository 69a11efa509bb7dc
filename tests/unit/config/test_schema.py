"""The schemas for editors accept what the readers accept, and offer what an editor completes."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from firmware_ctl.config.mat import read_mat
from firmware_ctl.config.patterns import PATTERNS
from firmware_ctl.config.profile import read_profile
from firmware_ctl.config.schema import schema
from firmware_ctl.config.shipped import mat_file, profiles_dir
from firmware_ctl.errors import AuthorError
from tests.support.strategies import Document, to_yaml

MAT = read_mat(Path(mat_file()).read_bytes(), "mat.yaml")

FILES = {
    "profile": Path(profiles_dir(), "profile.schema.json"),
    "mat": Path(mat_file()).with_name("mat.schema.json"),
}


@pytest.mark.parametrize("file_type", FILES)
def test_schema_equals_the_shipped_file(file_type: str) -> None:
    assert FILES[file_type].read_text() == json.dumps(schema(file_type), indent=2) + "\n"


@pytest.mark.parametrize("file_type", FILES)
def test_schema_is_a_valid_json_schema(file_type: str) -> None:
    jsonschema.Draft7Validator.check_schema(schema(file_type))


@pytest.mark.parametrize("file_type", FILES)
def test_schema_every_key_has_a_description(file_type: str) -> None:
    def unexplained(part: Any) -> list[str]:
        if isinstance(part, list):
            return [name for item in part for name in unexplained(item)]
        if not isinstance(part, dict):
            return []
        keys = part.get("properties", {})
        bare = [k for k, v in keys.items() if "description" not in v and "$ref" not in v]
        return bare + unexplained(list(part.values()))

    assert unexplained(schema(file_type)) == []


def test_schema_offers_zones_sides_patterns_and_points() -> None:
    made = schema("profile")
    phase = made["definitions"]["phase"]["properties"]
    assert list(phase["play"]["properties"]) == [
        "all",
        "neck",
        "neck.left",
        "neck.right",
        "lower_back",
        "lower_back.left",
        "lower_back.right",
        "lower_back.upper",
        "lower_back.lower",
        "lower_back.upper.left",
        "lower_back.upper.right",
        "lower_back.lower.left",
        "lower_back.lower.right",
        "hips",
        "hips.left",
        "hips.right",
    ]
    patterns = made["definitions"]["play"]["anyOf"][1:]
    assert [part["properties"]["pattern"]["enum"] for part in patterns] == [[p] for p in PATTERNS]
    assert phase["points"]["items"]["enum"] == ["BL23", "GB30"]
    assert phase["cue"]["examples"] == ["KI3", "LI4"]


def three_deep(item: Document) -> Document:
    for _ in range(3):
        item = {"repeat": 2, "phases": [item]}
    return item


def test_schema_accepts_rests_and_groups() -> None:
    inner = {"repeat": 2, "phases": [{"rest": "1s"}]}
    group = {
        "repeat": 2,
        "phases": [{"rest": "1s"}, inner, {"name": "a", "for": "9s", "cue": "KI3"}],
    }
    document = {"title": "t", "phases": [group, {"rest": "2s"}]}
    jsonschema.validate(document, schema("profile"))
    read_profile(to_yaml(document), "p.yaml", MAT)


@pytest.mark.parametrize(
    "change",
    [
        {"title": ""},
        {"titel": "t"},
        {"phases": []},
        {"phases": [{"name": "a", "for": "90", "cue": "KI3"}]},
        {"phases": [{"name": "a", "for": "9s", "repeat": 101, "cue": "KI3"}]},
        {"phases": [{"name": "a", "for": "9s", "play": {}}]},
        {"phases": [{"name": "a", "for": "9s", "play": {"hips": "30"}}]},
        {"phases": [{"name": "a", "for": "9s", "play": {"hips.upper.top": "30%"}}]},
        {"phases": [{"name": "a", "for": "9s", "play": {"hips": {"level": "3%"}}}]},
        {"phases": [{"name": "a", "for": "9s", "play": {"hips": {"pattern": "wave"}}}]},
        {"phases": [{"name": "a", "for": "9s", "points": ["KI3"], "cue": "KI3"}]},
        {"phases": [{"rest": "9"}]},
        {"phases": [{"rest": "9s", "name": "a"}]},
        {"phases": [{"repeat": 2, "phases": []}]},
        {"phases": [{"phases": [{"rest": "9s"}]}]},
        {"phases": [three_deep({"rest": "9s"})]},
        {"strict": "yes"},
        {"schema": 2},
    ],
)
def test_schema_refuses_only_what_the_reader_refuses(change: Document) -> None:
    document = {"title": "t", "phases": [{"name": "a", "for": "9s", "cue": "KI3"}]}
    jsonschema.validate(document, schema("profile"))
    read_profile(to_yaml(document), "p.yaml", MAT)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document | change, schema("profile"))
    with pytest.raises(AuthorError):
        read_profile(to_yaml(document | change), "p.yaml", MAT)
