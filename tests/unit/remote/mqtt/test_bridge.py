"""The bridge between a broker in memory and a real daemon, on virtual time."""

import pytest

from firmware_ctl.remote.mqtt.actions import (
    AskBroker,
    DropBroker,
    OpenBroker,
    OpenDaemon,
    Publish,
    Send,
    StopMat,
)
from firmware_ctl.remote.mqtt.bridge import Bridge
from firmware_ctl.remote.mqtt.conversation import LEASE_S
from firmware_ctl.remote.mqtt.inputs import BrokerLost, BrokerRefused, DaemonLine, Message, Moment
from firmware_ctl.remote.mqtt.topics import ALL_STOP
from firmware_ctl.session.events import State
from tests.support.home import ID, Home

LEASE_MS = LEASE_S * 1000


@pytest.fixture
def home() -> Home:
    return Home().at(1_000)


def running(home: Home) -> Home:
    home.send("start", "calm")
    assert home.state is State.RUNNING
    return home


# --- what is published ---


def test_bridge_connected_publishes_itself_the_daemon_and_the_state(home: Home) -> None:
    assert home.retained[f"firmware-ctl/{ID}/bridge"] == "online"
    assert home.retained[f"firmware-ctl/{ID}/daemon"] == "online"
    assert home.published_state == {
        "state": "idle", "selected": "calm", "profile": None, "phase": None, "trim": 100, "ends_at": None,
        "left_today": 720, "used_today": 0, "fault": None, "by": None,
    }  # fmt: skip
    assert home.subscribed == (f"firmware-ctl/{ID}/cmd/+", ALL_STOP, "homeassistant/status")


def test_state_of_a_session_says_who_started_it_and_when_it_ends(home: Home) -> None:
    running(home)
    state = home.published_state
    assert (state["state"], state["profile"], state["phase"], state["by"]) == (
        "running",
        "calm",
        "rest",
        "mqtt",
    )
    assert state["ends_at"] == "2027-01-15T08:10:01+00:00"
    assert [event["event_type"] for event in home.events] == ["started", "phase"]


def test_state_is_published_on_change_only(home: Home) -> None:
    running(home)
    before = len(home.messages)
    home.at(120_000)
    assert home.state is State.RUNNING
    assert home.messages[before:] == []


def test_profile_selected_during_a_session_is_published(home: Home) -> None:
    running(home).send("select", "quick")
    assert (home.published_state["profile"], home.published_state["selected"]) == ("calm", "quick")


def test_pause_and_resume_are_told_and_move_the_end(home: Home) -> None:
    running(home).at(3_000).send("pause")
    assert (home.published_state["state"], home.published_state["ends_at"]) == ("paused", None)
    home.at(13_000).send("resume", "PRESS")
    assert home.published_state["ends_at"] == "2027-01-15T08:10:11+00:00"
    assert [each["event_type"] for each in home.events if each["event_type"] != "phase"] == [
        "started",
        "paused",
        "resumed",
    ]


def test_wall_clock_that_jumps_changes_the_end_at_the_next_change_only(home: Home) -> None:
    running(home)
    home.wall_s += 86_400
    home.at(4_000).send("trim", "80")
    assert home.published_state["ends_at"] == "2027-01-16T08:10:01+00:00"
    assert home.state is State.RUNNING


def test_broker_back_gets_everything_again_and_nothing_resumes(home: Home) -> None:
    running(home).lose_broker()
    home.at(1_000 + LEASE_MS + 1_000)
    assert home.state is State.IDLE
    home.retained.clear()
    home.broker_is_up = True
    home.at(60_000)
    assert home.published_state["state"] == "idle"
    assert set(home.retained) == {
        f"firmware-ctl/{ID}/bridge", f"firmware-ctl/{ID}/daemon", f"firmware-ctl/{ID}/state",
        f"homeassistant/device/{ID}/config",
    }  # fmt: skip
    assert home.at(100_000).state is State.IDLE


def test_birth_of_home_assistant_publishes_everything_again_within_two_seconds(home: Home) -> None:
    home.retained.clear()
    home.send("homeassistant/status", "online")
    assert home.at(3_000).retained[f"homeassistant/device/{ID}/config"]
    assert home.published_state["state"] == "idle"


def test_bridge_without_discovery_publishes_its_own_topics_only() -> None:
    home = Home(prefix=None).at(1_000)
    assert all(topic.startswith("firmware-ctl/") for topic in home.retained)
    assert home.subscribed == (f"firmware-ctl/{ID}/cmd/+", ALL_STOP)


def test_daemon_that_ends_is_offline_and_found_again(home: Home) -> None:
    home.lose_daemon()
    assert home.retained[f"firmware-ctl/{ID}/daemon"] == "offline"
    home.send("start", "calm")
    assert home.refusals() == [("start", "not-ready")]
    home.restart_daemon()
    home.at(10_000)
    assert home.retained[f"firmware-ctl/{ID}/daemon"] == "online"
    assert home.state is State.IDLE


def test_end_of_the_bridge_ends_what_it_started_and_says_offline(home: Home) -> None:
    running(home).close()
    assert home.state is State.IDLE
    assert home.retained[f"firmware-ctl/{ID}/bridge"] == "offline"
    assert home.bridge.wake_at_ms() is None


# --- stops ---


@pytest.mark.parametrize("payload", [b"", b"stop", b"\xff\x00", b"{", b"x" * 100_000])
@pytest.mark.parametrize("retain", [False, True])
@pytest.mark.parametrize("topic", ["stop", ALL_STOP])
def test_stop_acts_whatever_its_payload(
    home: Home, topic: str, retain: bool, payload: bytes
) -> None:
    running(home).at(2_000).send(topic, payload, retain)
    assert home.state is State.IDLE
    assert home.published_state["by"] == "mqtt"


def test_stop_is_the_first_action_of_its_message(home: Home) -> None:
    running(home)
    message = Message(f"firmware-ctl/{ID}/cmd/stop", b"", True, home.now_ms)
    assert home.bridge.handle(message, Moment(home.now_ms, 0.0))[0] == StopMat()


def test_stop_without_an_answer_is_sent_again_each_second(home: Home) -> None:
    home.daemon_confirms = False
    home.send("stop")
    home.at(4_500)
    assert home.actions.count(StopMat()) == 4
    home.daemon_confirms = True
    home.at(30_000)
    assert home.actions.count(StopMat()) == 5


def test_stop_that_is_never_confirmed_ends_with_advice(home: Home) -> None:
    home.daemon_confirms = False
    home.send("stop")
    home.at(60_000)
    assert home.actions.count(StopMat()) == 10
    assert home.told[-1] == "the daemon does not confirm a stop; use the stop switch of the mat"


def test_stop_without_a_daemon_is_told_once(home: Home) -> None:
    home.lose_daemon()
    for _ in range(3):
        home.send("stop")
    assert home.told.count("a stop found no daemon: nothing plays") == 1


def test_start_that_arrived_before_a_stop_is_ignored(home: Home) -> None:
    home.send("stop")
    home.at(5_000)
    home.put(Message(f"firmware-ctl/{ID}/cmd/start", b"calm", False, 900))
    assert (home.state, home.refusals()) == (State.IDLE, [("start", "stale")])


# --- what starts or strengthens ---


def test_without_allow_start_nothing_starts_or_strengthens() -> None:
    home = Home(allow_start=False).at(1_000)
    for command, payload in (
        ("start", "calm"),
        ("start", "selected"),
        ("resume", ""),
        ("trim", "100"),
    ):
        home.send(command, payload)
    home.send("trim", "40")
    home.send("trim", "60")
    assert home.state is State.IDLE
    assert home.published_state["trim"] == 40
    assert home.refusals() == [
        ("start", "not-allowed"),
        ("resume", "not-allowed"),
        ("trim", "not-allowed"),
    ]
    assert home.told[-1].startswith(
        "trim: starting and strengthening is not allowed; set allow_start"
    )


def test_without_allow_start_select_and_pause_work() -> None:
    home = Home(allow_start=False).at(1_000)
    home.send("select", "quick")
    assert (home.state, home.published_state["selected"]) == (State.IDLE, "quick")


@pytest.mark.parametrize(
    ("command", "payload"),
    [("start", "calm"), ("trim", "50"), ("resume", "PRESS"), ("select", "quick")],
)
def test_kept_command_is_ignored_told_and_removed(home: Home, command: str, payload: str) -> None:
    home.send(command, payload, retain=True)
    assert (home.state, home.published_state["selected"], home.published_state["trim"]) == (
        State.IDLE,
        "calm",
        100,
    )
    assert home.refusals() == [(command, "retained")]
    assert (f"firmware-ctl/{ID}/cmd/{command}", "") in home.messages
    assert not any(
        isinstance(each, Send) and each.line.startswith(command) for each in home.actions
    )


def test_kept_stop_and_pause_act_and_are_removed(home: Home) -> None:
    running(home).at(2_000).send("pause", retain=True)
    assert home.state is State.PAUSED
    home.send("pause", "x", retain=True)
    home.send("stop", "x", retain=True)
    assert home.state is State.IDLE
    assert {(f"firmware-ctl/{ID}/cmd/pause", ""), (f"firmware-ctl/{ID}/cmd/stop", "")} <= {
        *home.messages
    }


def test_kept_stop_for_all_acts_and_stays_for_the_others(home: Home) -> None:
    running(home).at(2_000).send(ALL_STOP, "x", retain=True)
    assert home.state is State.IDLE
    assert (ALL_STOP, "") not in home.messages
    assert home.told[-1].endswith("publish an empty one there to remove it")


def test_removal_that_comes_back_with_mqtt_3_is_no_command() -> None:
    home = Home()
    home.with_mqtt_5 = False
    home.at(1_000)
    assert "the broker does not know MQTT 5; MQTT 3.1.1 is used" in home.told
    home.send("start", "calm", retain=True)
    home.send("start", "")
    assert home.refusals() == [("start", "retained")]


def test_removal_by_somebody_else_with_mqtt_3_resumes_nothing() -> None:
    home = Home()
    home.with_mqtt_5 = False
    running(home.at(3_000)).send("pause")
    home.send("resume", "")
    assert (home.state, home.refusals()) == (State.PAUSED, [("resume", "bad-argument")])
    home.send("resume", "resume")
    assert home.state is State.RUNNING


def test_start_that_waited_too_long_is_ignored(home: Home) -> None:
    home.at(20_000)
    home.put(Message(f"firmware-ctl/{ID}/cmd/start", b"calm", False, 14_999))
    assert (home.state, home.refusals()) == (State.IDLE, [("start", "stale")])


def test_refusal_of_the_daemon_is_an_event(home: Home) -> None:
    running(home).send("start", "quick")
    assert home.refusals() == [("start", "busy")]
    assert home.state is State.RUNNING


def test_start_twice_is_one_session(home: Home) -> None:
    running(home).at(5_000).send("start", "calm")
    assert home.published_state["ends_at"] == "2027-01-15T08:10:01+00:00"
    assert [event["event_type"] for event in home.events].count("started") == 1


# --- the lease ---


def test_session_goes_on_while_the_broker_answers(home: Home) -> None:
    assert running(home).at(120_000).state is State.RUNNING


def test_silent_broker_ends_what_mqtt_started_within_the_lease(home: Home) -> None:
    running(home).at(30_000)
    home.broker_answers = False
    silent_at_ms = home.now_ms
    home.at(silent_at_ms + LEASE_MS + 100)
    assert home.state is State.IDLE
    assert home.events[-1]["reason"] == "lease"


def test_lost_broker_ends_what_mqtt_started_within_the_lease(home: Home) -> None:
    running(home).at(30_000).lose_broker()
    assert "; what MQTT has started ends within 10 s; " in home.told[-1]
    home.at(30_000 + LEASE_MS - 3_000)
    assert home.state is State.RUNNING
    assert home.at(30_000 + LEASE_MS + 100).state is State.IDLE


def test_events_of_a_session_do_not_renew_its_lease_without_the_broker(home: Home) -> None:
    running(home).at(30_000).lose_broker()
    home.at(38_000)
    home.put(DaemonLine("* event=phase phase=next"))
    assert home.at(30_000 + LEASE_MS + 100).state is State.IDLE


def test_broker_back_within_the_lease_keeps_the_session(home: Home) -> None:
    running(home).at(30_000).lose_broker()
    home.broker_is_up = True
    assert home.at(120_000).state is State.RUNNING


def test_session_of_the_button_outlives_the_broker(home: Home) -> None:
    assert home.daemon is not None
    home.daemon.daemon.press(100)
    home.at(5_000)
    assert (home.state, home.published_state["by"]) == (State.RUNNING, "button")
    home.lose_broker()
    assert home.at(60_000).state is State.RUNNING
    assert AskBroker() not in home.actions


# --- connections ---


def opened(home: Home, since_ms: int, until_ms: int) -> list[int]:
    """The times at which the bridge tried to connect to the broker."""
    times = []
    while home.now_ms < until_ms:
        count = len(home.actions)
        home.at(home.now_ms + 50)
        times += [
            home.now_ms - since_ms for each in home.actions[count:] if isinstance(each, OpenBroker)
        ]
    return times


def test_tries_to_reach_the_broker_double_up_to_a_minute(home: Home) -> None:
    home.lose_broker()
    times = opened(home, home.now_ms, home.now_ms + 300_000)
    waits_s = [
        round((after - before) / 1000) for before, after in zip([0, *times], times, strict=False)
    ]
    assert waits_s[:8] == [1, 2, 3, 6, 12, 24, 45, 45]  # each shortened by a quarter


def test_broker_that_accepts_and_never_answers_is_given_up() -> None:
    home = Home()
    home.broker_accepts = False
    home.at(16_000)
    assert DropBroker() in home.actions
    assert home.told == ["no connection to the broker: it does not answer"]
    assert not any(isinstance(each, Publish) for each in home.actions)


def test_second_bridge_with_the_same_id_is_told_and_waits_a_minute(home: Home) -> None:
    home.is_connected = False
    home.put(BrokerLost("Session taken over", is_taken_over=True))
    assert home.told[-1].startswith(f"another bridge has the id {ID}")
    assert opened(home, home.now_ms, home.now_ms + 60_000) == [45_000]


def test_daemon_that_never_answers_is_given_up(home: Home) -> None:
    home.send("select", "quick")
    home._wire = None
    assert home.daemon is not None
    home.bridge.handle(
        Message(f"firmware-ctl/{ID}/cmd/select", b"calm", False, home.now_ms),
        Moment(home.now_ms, 0.0),
    )
    before = home.actions.count(OpenDaemon())
    home.at(10_000)
    assert home.actions.count(OpenDaemon()) == before + 1
    assert home.retained[f"firmware-ctl/{ID}/daemon"] == "online"


def test_refused_publication_names_the_rules_once(home: Home) -> None:
    for _ in range(2):
        home.put(BrokerRefused("firmware-ctl/x/state", "Not authorized"))
    assert home.told[-1].endswith("docs/home.md has its rules")
    assert sum("does not let" in sentence for sentence in home.told) == 1


def test_every_mat_comes_back_at_another_time() -> None:
    times = []
    for number in (0.0, 1.0):
        bridge = Bridge(ID, random=lambda number=number: number)  # type: ignore[misc]
        bridge.handle(BrokerLost("gone"), Moment(0, 0.0))
        times.append(bridge._broker.due_ms())
    assert times == [1_000, 500]
