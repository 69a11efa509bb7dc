"""What the files say of mat and profiles, for phones."""

import json
from pathlib import Path

import pytest

from firmware_ctl.config import shipped
from firmware_ctl.remote.web.profile_data import GRID_MS, facts, main, picture
from firmware_ctl.remote.web.sources import Sources
from firmware_ctl.timeline.folder import load_entry, load_mat
from firmware_ctl.timeline.playback import Playback

SHIPPED = Sources(shipped.mat_file(), shipped.profiles_dir())


def test_facts_have_the_mat_and_what_to_know_of_each_profile() -> None:
    found = facts(SHIPPED)
    mat, profiles = found["mat"], found["profiles"]
    assert isinstance(mat, dict)
    assert isinstance(profiles, dict)
    assert (mat["name"], mat["has_button"]) == ("Reference mat", True)
    assert mat["zones"][0] == {
        "name": "neck",
        "present": True,
        "motors": [{"name": "neck_left", "side": "left"}, {"name": "neck_right", "side": "right"}],
    }
    assert profiles["guided-points"]["warnings"] == ["LI4: Traditionally avoided in pregnancy."]
    assert profiles["neck"]["needs"] == ["neck"]


def test_facts_leave_out_what_the_daemon_does_not_serve(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("title: bad\n")
    assert facts(Sources(None, str(tmp_path)))["profiles"] == {}


@pytest.mark.parametrize("name", ["first-time", "full-body", "guided-points", "lower-back"])
def test_picture_shows_the_levels_of_the_session(name: str) -> None:
    entry = load_entry(name, load_mat(SHIPPED.mat), SHIPPED.profiles)
    timeline = entry.timeline  # type: ignore[union-attr]  # a shipped profile is valid
    shown = json.loads(json.dumps(picture(SHIPPED, name)))
    changes = shown["changes"]
    assert (shown["cert"], shown["length_ms"]) == (timeline.cert, timeline.end_ms)
    assert len({at_ms // GRID_MS for at_ms, _ in changes}) == len(changes)
    assert changes[-1][0] <= timeline.end_ms
    assert not any(changes[-1][1])
    playback, at, shown_pct = Playback(timeline), 0, [0] * len(shown["motors"])
    for at_ms in range(0, timeline.end_ms, GRID_MS):
        while at < len(changes) and changes[at][0] <= at_ms:
            shown_pct = changes[at][1]
            at += 1
        # A picture may show a level of the same interval that is higher, and never a lower one.
        assert all(a <= b for a, b in zip(playback.levels(at_ms), shown_pct, strict=True))


def test_picture_has_phases_zones_and_an_envelope_that_ends_at_zero() -> None:
    shown = json.loads(json.dumps(picture(SHIPPED, "guided-points")))
    assert [phase["at_ms"] for phase in shown["phases"][1:]] == [
        phase["until_ms"] for phase in shown["phases"][:-1]
    ]
    assert {"KI3", "LI4"} <= {phase["cue"] for phase in shown["phases"]}
    assert shown["zones"] == {"neck": [0, 1], "lower_back": [2, 3, 4, 5], "hips": [6, 7]}
    for points in shown["envelope"].values():
        assert points[0][0] == 0
        assert points[-1] == [shown["length_ms"], 0]
    highest = max(levels[2] for _, levels in shown["changes"])
    assert max(pct for _, pct in shown["envelope"]["lower_back"]) >= highest


@pytest.mark.parametrize("words", [("picture", "missing"), ("picture", "bad"), ("facts",)])
def test_child_process_says_in_a_sentence_what_it_cannot_read(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "bad.yaml").write_text("title: bad\n")
    sources = {"profiles": str(tmp_path)} | ({"mat": "/missing"} if words == ("facts",) else {})
    with pytest.raises(SystemExit) as ended:
        main(json.dumps(sources), *words)
    assert isinstance(ended.value.code, str)
