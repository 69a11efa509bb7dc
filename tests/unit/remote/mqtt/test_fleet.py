"""What a fleet makes of the messages of many mats."""

import json

import pytest

from firmware_ctl.cli.fleet import row
from firmware_ctl.remote.mqtt.fleet import Fleet, FleetMat, stop_topics
from tests.support.json_shapes import checked

STATE = b'{"state": "running", "profile": "calm", "ends_at": "2027-01-15T08:10:00+00:00", "used_today": 125, "by": "mqtt", "fault": null}'
EIGHT_S = 1_800_000_480.0


def fleet_of(*messages: tuple[str, bytes]) -> Fleet:
    fleet = Fleet()
    for topic, payload in messages:
        fleet.take(topic, payload)
    return fleet


def test_mat_that_runs_is_shown_with_the_time_that_is_left() -> None:
    fleet = fleet_of(
        ("firmware-ctl/00000001/bridge", b"online"),
        ("firmware-ctl/00000001/daemon", b"online"),
        ("firmware-ctl/00000001/state", STATE),
    )
    [mat] = fleet.sorted()
    assert row(mat, EIGHT_S) == ("00000001", "running", "calm", "2:00", "2 min", "mqtt", "")


@pytest.mark.parametrize(
    ("bridge", "daemon", "shown"),
    [
        (b"offline", b"online", "offline"),
        (b"online", b"offline", "no daemon"),
        (b"online", b"online", "running"),
    ],
)
def test_last_state_of_a_mat_counts_only_while_it_is_there(
    bridge: bytes, daemon: bytes, shown: str
) -> None:
    [mat] = fleet_of(
        ("firmware-ctl/00000001/state", STATE),
        ("firmware-ctl/00000001/bridge", bridge),
        ("firmware-ctl/00000001/daemon", daemon),
    ).sorted()
    assert (mat.shown_state, mat.is_stopped) == (shown, False)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b"\xff",
        b"[" * 4_000,
        b"[" * 100_000,
        b'{"state": "' + b"x" * 5_000 + b'"}',
    ],
)
def test_foreign_payload_is_no_state(payload: bytes) -> None:
    [mat] = fleet_of(("firmware-ctl/00000001/state", payload)).sorted()
    assert mat.state == {}


def test_foreign_values_are_shown_as_text() -> None:
    payload = b'{"state": ["x"], "profile": 7, "ends_at": {}, "used_today": "a", "fault": "\\u001b[2J", "by": true}'
    [mat] = fleet_of(
        ("firmware-ctl/00000001/state", payload), ("firmware-ctl/00000001/bridge", b"online"),
        ("firmware-ctl/00000001/daemon", b"online"),
    ).sorted()  # fmt: skip
    assert row(mat, 0.0) == ("00000001", "['x']", "7", "", "", "True", "\\x1b[2J")


@pytest.mark.parametrize(
    "topic",
    ["firmware-ctl/all/cmd/stop", "firmware-ctl/xyz/state", "x", "firmware-ctl/00000001/state/x"],
)
def test_other_topics_are_no_mats(topic: str) -> None:
    fleet = Fleet()
    assert not fleet.take(topic, STATE)
    assert fleet.mats == {}


def test_change_is_told_once() -> None:
    fleet = Fleet()
    assert [fleet.take("firmware-ctl/00000001/bridge", b"online") for _ in range(2)] == [
        True,
        False,
    ]


def test_named_mats_keep_their_order_and_may_be_unknown() -> None:
    fleet = fleet_of(("firmware-ctl/00000001/bridge", b"online"))
    assert [mat.mat_id for mat in fleet.sorted(["00000002", "00000001"])] == [
        "00000002",
        "00000001",
    ]
    assert fleet.sorted(["00000002"]) == [FleetMat("00000002")]


def test_stop_goes_to_all_or_to_each_that_is_named() -> None:
    assert stop_topics([]) == ["firmware-ctl/all/cmd/stop"]
    assert stop_topics(["00000001"]) == ["firmware-ctl/00000001/cmd/stop"]


def test_json_of_a_mat_has_every_known_field_and_nothing_that_a_stranger_added() -> None:
    state = b'{"id": "other", "bridge": true, "state": ["running"], "trim": true, "used_today": 125, "x": 1}'
    [mat] = fleet_of(("firmware-ctl/00000001/state", state)).sorted()
    values = mat.as_json()
    checked("fleet", json.dumps([values]))
    assert {key: value for key, value in values.items() if value is not None} == {
        "id": "00000001",
        "bridge": False,
        "daemon": False,
        "used_today": 125,
    }
