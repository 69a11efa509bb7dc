"""Every `--json` that asks a daemon, from a real mock, idle and while a session plays."""

import json
from pathlib import Path
from typing import Any

from tests.support.json_shapes import checked
from tests.support.process import SHORT, Client, Mock, call


def _ask(mock: Mock, shape: str, *words: str) -> Any:
    done = call(mock.home, *words, "--json", "--socket", mock.socket)
    assert done.returncode == 0, done.stderr
    return checked(shape, done.stdout)


def test_answers_of_a_daemon_have_the_shapes_of_the_documents(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(SHORT)
    with Mock(tmp_path, str(tmp_path / "own.yaml")) as mock, Client(mock.port) as client:
        idle = _ask(mock, "status", "status")
        assert (idle["state"], idle["signal"], idle["fault"]) == ("idle", None, None)
        assert _ask(mock, "limits", "limits") == {
            "session_s": 900,
            "daily_s": 1800,
            "used_s": 0,
            "left_s": 1800,
        }
        listed = _ask(mock, "profiles", "profiles")
        assert [(p["name"], p["length_s"], p["is_selected"]) for p in listed] == [
            ("long", 600, False),
            ("own", 30, True),
            ("short", 30, False),
        ]
        one = _ask(mock, "profiles NAME", "profiles", "own")
        assert (one["path"], one["daemon"], one["length_s"]) == (None, mock.socket, 30)
        rows = _ask(mock, "explain", "explain", "own")["rows"]
        assert {row["phase"] for row in rows} == {"swell", "press"}
        client.ask("events on")
        while not client.start("long").startswith("ok"):
            pass  # the button was not seen released yet
        client.told_until("state=running")
        running = _ask(mock, "status", "status")
        assert (running["state"], running["profile"]) == ("running", "long")
        assert set(running["zones"]) == {"neck", "lower_back", "hips"}


def test_limits_prints_two_lines_for_people(tmp_path: Path) -> None:
    with Mock(tmp_path) as mock:
        done = call(mock.home, "limits", "--socket", mock.socket)
    assert (done.returncode, done.stdout) == (
        0,
        "a session  at most 15:00 min\na day      0:00 of 30:00 min used, 30:00 left\n",
    )


def test_json_of_a_daemon_that_does_not_run_is_a_sentence(tmp_path: Path) -> None:
    for words in (["status"], ["limits"], ["profiles"], ["explain", "neck"]):
        done = call(tmp_path, *words, "--json", "--socket", str(tmp_path / "none"))
        assert (done.returncode, done.stdout) == (3, "")
        assert len(done.stderr.splitlines()) == 1
    assert json.loads(call(tmp_path, "profiles", "--json").stdout)
