"""Every `--json`: the shape that the documents promise, from files and without a daemon."""

import json
from pathlib import Path
from typing import Any

import pytest

from firmware_ctl.cli.main import main
from firmware_ctl.cli.parser import COMMANDS, make_parser
from firmware_ctl.config import paths
from firmware_ctl.storage.history_file import PastSession
from tests.support.json_shapes import SHAPES, checked
from tests.support.process import ROOT
from tests.support.worlds_recorder import MAT

RICH = """\
title: Rich
about: With everything that a shape has.
phases:
  - name: press
    for: 20s
    repeat: 2
    points: [BL23]
    cue: KI3
    play: {lower_back: {pattern: steady, level: {from: 10%, to: 40%}}, hips.left: 70%}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a good and a bad profile, on a machine without a daemon."""
    monkeypatch.setattr(paths, "SERVICE_SOCKET", str(tmp_path / "none"))
    monkeypatch.setattr(paths, "mock_socket", lambda: str(tmp_path / "none"))
    (tmp_path / "rich.yaml").write_text(RICH)
    (tmp_path / "bad.yaml").write_text(RICH.replace("40%", "140%"))
    return tmp_path


def _print(shape: str, capsys: pytest.CaptureFixture[str], *words: str, exit_code: int = 0) -> Any:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--json"])
    assert ended.value.code == exit_code
    return checked(shape, capsys.readouterr().out)


def test_every_command_with_json_has_a_shape_and_the_shapes_are_schemas() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    for shape in SHAPES.values():
        jsonschema.Draft202012Validator.check_schema(shape)
    subparsers = make_parser()._subparsers
    assert subparsers is not None
    [commands] = subparsers._group_actions
    assert isinstance(commands.choices, dict)
    with_json = {name for name in COMMANDS if "--json" in commands.choices[name].format_help()}
    assert with_json == {name.split()[0] for name in SHAPES}


def test_check_prints_certificates_and_mistakes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(_print("check", capsys, "check", str(ROOT / "profiles"))) == 6
    bad, good = _print("check", capsys, "check", str(folder), exit_code=1)
    assert (bad["valid"], len(bad["mistakes"])) == (False, 1)
    assert good["certificate"]["length_ms"] == 40_000
    assert good["notes"]


def test_check_prints_a_budget(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mat").write_bytes(MAT.source.replace(b"max_ma: 420", b"max_ma: 360"))
    path = tmp_path / "tight.yaml"
    play = (
        "neck: {pattern: wave, level: 40%, period: 4s}, "
        "hips: {pattern: alternate, level: 60%, period: 2s}"
    )
    path.write_text(f"title: Tight\nphases: [{{name: a, for: 20s, play: {{{play}}}}}]")
    [entry] = _print("check", capsys, "check", str(path), "--mat", str(tmp_path / "mat"))
    assert entry["certificate"]["budget"]["asked"]["ma"] > 360
    assert entry["mat_notes"]


def test_profiles_prints_a_list_with_mistakes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = _print("profiles", capsys, "profiles", "--profiles", str(folder), exit_code=1)
    assert [profile["name"] for profile in listed] == ["bad", "rich"]
    assert [profile["length_s"] for profile in listed] == [None, 40]
    assert [len(profile["mistakes"]) for profile in listed] == [1, 0]
    assert len(_print("profiles", capsys, "profiles")) == 6


def test_profiles_prints_all_of_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    profile = _print("profiles NAME", capsys, "profiles", str(folder / "rich.yaml"))
    assert profile["phases"] == [
        {
            "name": "press",
            "for_s": 20,
            "repeat": 2,
            "cue": "KI3",
            "points": ["BL23"],
            "play": [
                {"target": "lower_back", "pattern": "steady", "from_pct": 10, "to_pct": 40},
                {"target": "hips.left", "pattern": "steady", "from_pct": 70, "to_pct": 70},
            ],
        }
    ]
    assert profile["notes"]
    neck = _print("profiles NAME", capsys, "profiles", "neck")
    assert (neck["length_s"], neck["daemon"]) == (480, None)


@pytest.mark.parametrize("words", [["profiles"], ["explain"], ["simulate"]])
def test_invalid_profile_prints_no_json(
    words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*words, str(folder / "bad.yaml"), "--json"])
    assert ended.value.code == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "1 mistake in 1 file" in printed.err


def test_explain_prints_rows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    explained = _print("explain", capsys, "explain", str(folder / "rich.yaml"))
    assert (explained["daemon"], explained["is_whole"]) == (None, True)
    assert [row["zone"] for row in explained["rows"]] == ["lower_back", "hips.left"]
    assert explained["rows"][0]["asked_pct"] == 40


def test_simulate_prints_the_figures_of_its_summary(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    played = _print("simulate", capsys, "simulate", str(folder / "rich.yaml"), "--trim", "50")
    assert (played["profile"], played["trim_pct"], played["length_ms"]) == ("rich", 50, 40_000)
    assert played["ends_at_zero"] is True
    assert [zone["zone"] for zone in played["zones"]] == ["lower_back", "hips"]
    assert played["peak_ma"] <= played["peak_with_pauses_ma"] <= played["max_ma"]


def test_simulate_refuses_json_of_a_replay(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["simulate", "--replay", "incident", "--json"])
    assert ended.value.code == 2
    assert capsys.readouterr() == (
        "",
        "firmware-ctl: a replay prints its steps as text only; leave --json out\n",
    )


def test_doctor_prints_findings(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["doctor", "--mat", str(ROOT / "hw/mat.yaml"), "--json"])
    assert checked("doctor", capsys.readouterr().out)


def test_history_prints_sessions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _print("history", capsys, "history", "--state", str(tmp_path)) == []
    whole = PastSession(1, True, "p", "button", 2_000, 2_000, "end", "", "", 1, "b")
    faulty = whole._replace(by="", played_ms=1, end="fault", fault="rail", is_time_sure=False)
    lines = (json.dumps(s._asdict()) for s in (whole, faulty, whole._replace(end="")))
    (tmp_path / "history.jsonl").write_text("\n".join(lines))
    sessions = _print("history", capsys, "history", "--state", str(tmp_path))
    assert [session["end"] for session in sessions] == ["end", "fault", "cut"]


def test_reasons_of_an_end_are_those_of_the_schema() -> None:
    from firmware_ctl.session.events import Reason
    from firmware_ctl.storage.history_file import CUT

    ends = SHAPES["history"]["items"]["properties"]["end"]["enum"]
    assert ends == [*Reason, CUT, None]
