"""Messages that are malformed, huge, too many, or for another mat: nothing starts, and a stop acts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_ctl.remote.mqtt.actions import StopMat
from firmware_ctl.remote.mqtt.inputs import Message, Moment
from firmware_ctl.session.events import State
from tests.support.home import ID, Home
from tests.unit.remote.mqtt.test_bridge import running


@pytest.fixture
def home() -> Home:
    return Home().at(1_000)


@pytest.mark.parametrize(
    ("command", "payload", "code"),
    [
        ("start", '{"profile": "calm"}', "bad-argument"),
        ("start", "", "bad-argument"),
        ("start", "calm\nstart quick", "bad-argument"),
        ("start", "calm!", "bad-argument"),
        ("start", b"\xff\xfe", "bad-argument"),
        ("start", "x" * 1_000_000, "too-long"),
        ("start", "none-such", "unknown-profile"),
        ("trim", "5", "bad-argument"),
        ("trim", "1e2", "bad-argument"),
        ("trim", "\u0665\u0660", "bad-argument"),
        ("resume", "garbage", "bad-argument"),
        ("select", "a b", "bad-argument"),
        ("reboot", "", "unknown-command"),
    ],
)
def test_bad_message_starts_nothing_and_is_told_once(
    home: Home, command: str, payload: str | bytes, code: str
) -> None:
    before = len(home.told)
    for _ in range(5):
        home.send(command, payload)
    assert home.state is State.IDLE
    assert len(home.told) == before + 1
    assert {each[1] for each in home.refusals()} == {code}


def test_flood_of_bad_messages_is_told_once_a_minute(home: Home) -> None:
    for at_ms in range(2_000, 70_000, 1_000):
        home.at(at_ms).send("start", "no such thing")
    told = [sentence for sentence in home.told if sentence.startswith("start: ")]
    assert len(told) == 2
    assert told[1].endswith("(59 more like it in between)")


def test_flood_of_starts_is_bounded(home: Home) -> None:
    for _ in range(100):
        home.bridge.handle(
            Message(f"firmware-ctl/{ID}/cmd/start", b"calm", False, home.now_ms),
            Moment(home.now_ms, 0.0),
        )
    assert home.bridge._conversation.pending <= 32


def test_message_for_another_mat_is_ignored(home: Home) -> None:
    home.send("firmware-ctl/ffffffff/cmd/start", "calm")
    home.send("firmware-ctl/ffffffff/cmd/stop", "")
    assert home.state is State.IDLE
    assert StopMat() not in home.actions
    assert home.told[-1].endswith("is ignored: not for this mat")


PAYLOADS = st.one_of(
    st.binary(max_size=80), st.sampled_from([b"calm", b"selected", b"50", b"100", b"PRESS"])
)
MESSAGES = st.tuples(
    st.sampled_from(["start", "select", "trim", "pause", "resume", "stop", "x", "stop/x", ""]),
    PAYLOADS,
    st.booleans(),
)


@given(st.lists(MESSAGES, max_size=12))
def test_without_allow_start_no_messages_start_anything(
    messages: list[tuple[str, bytes, bool]],
) -> None:
    home = Home(allow_start=False).at(1_000)
    for command, payload, retain in messages:
        home.send(command, payload, retain)
        home.at(home.now_ms + 150)
        assert home.state is State.IDLE
    assert home.published_state["trim"] <= 100


@given(st.lists(MESSAGES, max_size=8), st.lists(MESSAGES, max_size=3))
def test_stop_among_any_messages_stops(
    before: list[tuple[str, bytes, bool]], same_time: list[tuple[str, bytes, bool]]
) -> None:
    home = running(Home().at(1_000))
    for command, payload, retain in before:
        home.send(command, payload, retain)
    home.send("stop", b"\x00")
    for command, payload, retain in same_time:
        home.send(command, payload, retain)
    home.at(home.now_ms + 1_000)
    assert home.state is State.IDLE
