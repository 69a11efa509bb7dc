"""The state that phones get, from the lines of a daemon."""

from firmware_ctl.remote.web.conversation import Answer
from firmware_ctl.remote.web.mirror import SILENT_MS, Mirror

RUNNING = (
    'status state=running profile=neck cert=f1 phase="knead" t=2.9 left=717.1 trim=80 '
    "neck=40 hips=20 signal= fault="
)


def mirror(*lines: str) -> Mirror:
    found = Mirror()
    found.connected()
    for line in lines:
        found.told(line)
    return found


def test_state_has_the_fields_of_the_status() -> None:
    view = mirror(RUNNING).view(0)
    fields = ("daemon", "state", "profile", "cert", "phase", "t", "left", "trim", "zones", "signal")
    assert [view[field] for field in fields] == [
        "online", "running", "neck", "f1", "knead", 2.9, 717.1, 80, {"neck": 40, "hips": 20}, None,
    ]  # fmt: skip


def test_state_of_an_absent_daemon_is_the_last_one() -> None:
    found = mirror(RUNNING)
    found.lost()
    assert (found.view(0)["daemon"], found.view(0)["state"]) == ("absent", "running")
    assert (Mirror().view(0)["daemon"], Mirror().view(0)["state"]) == ("absent", None)


def test_daemon_that_does_not_answer_is_silent_until_it_does() -> None:
    found = mirror()
    found.asked(1000)
    found.asked(2000)
    assert found.daemon(999 + SILENT_MS) == "online"
    assert found.daemon(1000 + SILENT_MS) == "silent"
    found.told(RUNNING)
    assert found.daemon(10_000) == "online"


def test_event_changes_the_state_at_once_and_names_who_and_why() -> None:
    found = mirror(RUNNING)
    assert found.told("event=state state=idle profile=neck cert=f1 reason=stop by=web")
    view = found.view(0)
    assert [view[key] for key in ("state", "by", "reason", "phase", "t", "left", "zones")] == [
        "idle", "web", "stop", None, 0.0, 0.0, {"neck": 0, "hips": 0},
    ]  # fmt: skip


def test_event_of_a_choice_keeps_the_state() -> None:
    found = mirror(RUNNING)
    found.told("event=state trim=60 by=mqtt")
    view = found.view(0)
    assert (view["state"], view["trim"], view["by"], view["reason"]) == (
        "running",
        60,
        "mqtt",
        None,
    )


def test_fault_is_shown_and_cleared() -> None:
    found = mirror(RUNNING, "event=fault state=fault fault=rail")
    assert (found.view(0)["state"], found.view(0)["fault"]) == ("fault", "rail")
    found.told("event=state state=idle profile=neck cert=f1 fault= by=web")
    assert (found.view(0)["state"], found.view(0)["fault"]) == ("idle", None)


def test_cue_of_a_point_says_where_and_warns() -> None:
    assert mirror('event=cue cue="LI4"').view(0)["cue"] == {
        "name": "LI4",
        "text": "Large Intestine 4: hand, between thumb and index finger",
        "warning": "Traditionally avoided in pregnancy.",
    }
    own = mirror('event=cue cue="breathe out"').view(0)["cue"]
    assert own == {"name": "breathe out", "text": "breathe out", "warning": None}


def test_cue_ends_with_its_event_and_with_the_session() -> None:
    begin = 'event=cue cue="LI4"'
    assert mirror(begin, 'event=cue cue=""').view(0)["cue"] is None
    assert mirror(begin, "event=state state=idle reason=stop by=web").view(0)["cue"] is None


def test_profiles_are_those_of_the_daemon_with_what_the_files_say() -> None:
    found = mirror()
    answer = Answer(
        (
            'neck minutes=8 selected=yes title="Neck"',
            'own minutes=0.5 selected=no title="Mine"',
        ),
        "ok count=2",
    )
    assert found.profiles(answer)
    assert not found.profiles(answer)
    neck = {"about": "Quiet.", "needs": ["neck"], "warnings": []}
    found.facts({"mat": {"name": "M", "has_button": True, "zones": []}, "profiles": {"neck": neck}})
    view = found.view(0)
    assert (view["selected"], view["mat"]) == (
        "neck",
        {"name": "M", "has_button": True, "zones": []},
    )
    assert view["profiles"] == [
        {"name": "neck", "title": "Neck", "minutes": 8.0, **neck},
        {"name": "own", "title": "Mine", "minutes": 0.5, "about": "", "needs": [], "warnings": []},
    ]


def test_limits_are_numbers() -> None:
    found = mirror()
    assert found.view(0)["limits"] is None
    found.limits(Answer((), "ok session=900 daily=1800 used=412 left=1388"))
    assert found.view(0)["limits"] == {"session": 900, "daily": 1800, "used": 412, "left": 1388}


def test_anybody_sees_only_whether_something_plays() -> None:
    assert mirror(RUNNING).public_view(0) == {
        "daemon": "online", "version": mirror().version, "state": "running",
    }  # fmt: skip


def test_certificate_is_known_of_the_profile_in_the_status() -> None:
    found = mirror(RUNNING)
    assert (found.cert_of("neck"), found.cert_of("hips"), Mirror().cert_of("neck")) == (
        "f1", None, None,
    )  # fmt: skip
