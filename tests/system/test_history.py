"""The history of a real mock: a session that ended, and one that a SIGKILL cut off."""

import json
from pathlib import Path

from tests.support.process import PATIENCE_ASKS, Client, Mock, call


def _history(home: Path) -> list[dict[str, object]]:
    done = call(home, "history", "--json", "--state", str(home / "state"))
    assert (done.returncode, done.stderr) == (0, "")
    sessions: list[dict[str, object]] = json.loads(done.stdout)
    return sessions


def _start(client: Client, name: str) -> None:
    """Starts a session as soon as the button was seen released."""
    while not (answer := client.start(name)).startswith("ok"):
        assert answer.startswith("err not-ready")


def _until(home: Path, count: int) -> list[dict[str, object]]:
    """The disk thread writes a session a moment after the client is told of it."""
    return next(sessions for _ in range(PATIENCE_ASKS) if len(sessions := _history(home)) == count)


def test_history_knows_how_each_session_ended_also_after_a_kill(tmp_path: Path) -> None:
    with Mock(tmp_path) as mock, Client(mock.port) as client:
        client.ask("events on")
        _start(client, "short")
        client.told_until("state=idle")
        _start(client, "long")
        playing = _until(tmp_path, 2)
        mock.process.kill()
        mock.process.wait()
        cut = _history(tmp_path)
    with Mock(tmp_path) as mock, Client(mock.port) as client:
        _start(client, "long")
        assert mock.end() == (0, "")
    sessions = _history(tmp_path)
    assert playing[1]["end"] is None
    assert cut[1] == {**playing[1], "end": "cut", "played_s": cut[1]["played_s"]}
    assert [(s["profile"], s["by"], s["end"]) for s in sessions] == [
        ("short", "serial", "end"),
        ("long", "serial", "cut"),
        ("long", "serial", "closed"),
    ]
    assert sessions[0]["played_s"] == sessions[0]["length_s"] == 30
