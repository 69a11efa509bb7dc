"""What a session publishes, as whole lists, and the sentences of its refusals."""

import re

import pytest

from firmware_ctl.protocol import commands
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import (
    Clear,
    Close,
    Contacts,
    Fault,
    Input,
    Origin,
    Pause,
    Reason,
    Reload,
    Resume,
    Select,
    Start,
    State,
    Stop,
    Suspended,
    Trim,
    Try,
)
from firmware_ctl.timeline.catalogue import Catalogue
from firmware_ctl.timeline.motor_drive import duty_table
from tests.support.worlds import (
    CALM,
    CATALOGUE,
    MAT,
    MINUTE_MS,
    SILENCE,
    World,
    world_in,
)
from tests.unit.session.inputs import TRIAL


def test_session_publishes_each_change_and_ends_at_zero() -> None:
    world = World()
    world.at(1_000, Start("steps"))
    world.at(20_000)

    assert world.notices() == [
        (1_000, "state", {"state": "running", "profile": "steps"}),
        (1_000, "phase", {"phase": "one"}),
        (5_000, "cue", {"cue": "KI3"}),
        (5_000, "phase", {"phase": "hand"}),
        (6_000, "signal", {"signal": "cue-begin"}),
        (6_600, "signal", {"signal": ""}),
        (10_000, "signal", {"signal": "cue-end"}),
        (11_000, "cue", {"cue": ""}),
        (11_000, "phase", {"phase": "two"}),
        (11_000, "signal", {"signal": ""}),
        (13_000, "state", {"state": "idle", "profile": "steps", "reason": "end"}),
    ]
    assert world.levels()[-1] == (13_000, SILENCE)
    assert world.session.selected is CATALOGUE.entries[3]


def test_haptic_cue_in_a_session_is_gaps_and_adds_no_level() -> None:
    world = World()
    world.at(1_000, Start("steps"))
    world.at(20_000)

    assert world.levels(5_801) == [
        (6_000, (0, 0, 0)),
        (6_200, (0, 40, 40)),
        (6_400, (0, 0, 0)),
        (6_600, (0, 40, 40)),
        (10_000, (0, 0, 0)),
        (10_200, (0, 40, 40)),
        (10_400, (0, 0, 0)),
        (10_600, (0, 40, 40)),
        (10_800, (0, 0, 0)),
        (11_000, (0, 10, 10)),
        *((11_000 + 20 * i, (i, 10, 10)) for i in range(1, 11)),
        (13_000, (0, 0, 0)),
    ]


def test_haptic_cue_five_minutes_before_the_end_is_five_gaps() -> None:
    world = World()
    world.at(1_000, Start("calm"))
    world.at(1_000 + 5 * MINUTE_MS + 2_000)

    begin_ms = 1_000 + 5 * MINUTE_MS
    gaps = [
        change
        for i in range(5)
        for change in (
            (begin_ms + 400 * i, SILENCE),
            (begin_ms + 400 * i + 200, (40, 40, 40)),
        )
    ]
    assert world.levels(begin_ms) == gaps
    assert world.notices(begin_ms) == [
        (begin_ms, "signal", {"signal": "five-minutes-left"}),
        (begin_ms + 1_800, "signal", {"signal": ""}),
    ]


def test_start_rises_softly_and_its_duties_follow_the_table() -> None:
    world = World()
    world.at(1_000, Start("quick"))
    world.at(2_000)

    assert world.levels() == [(1_000 + 20 * i, (0, i, i)) for i in range(1, 41)]
    table = duty_table(MAT.motors[1], MAT)
    assert (table[0], table[1], table[100]) == (0, 20, 80)
    right_begins_ms = 1_070  # motors start one after another
    assert [(at_ms, step.duty_pct) for at_ms, step in world.steps] == [
        (at_ms, (0, table[level], table[level] if at_ms >= right_begins_ms else 0))
        for at_ms, (_, level, _) in ((at_ms, step.level_pct) for at_ms, step in world.steps)
    ]


def test_select_trim_fault_and_clear_are_published() -> None:
    world = World()
    world.at(1_000, Select("quick"))
    world.at(2_000, Trim(70))
    world.at(3_000, Start())
    world.at(4_000, Fault("rail", "the rail is off"))
    world.at(5_000, Fault("internal", "a later one does not hide the first"))
    world.at(6_000, Clear())

    assert world.notices() == [
        (1_000, "state", {"profile": "quick"}),
        (2_000, "state", {"trim": "70"}),
        (3_000, "state", {"state": "running", "profile": "quick"}),
        (3_000, "phase", {"phase": "only"}),
        (4_000, "state", {"state": "idle", "profile": "quick", "reason": "fault"}),
        (4_000, "fault", {"state": "fault", "fault": "rail"}),
        (6_000, "state", {"state": "idle", "profile": "quick", "fault": ""}),
    ]


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        (Stop(), {"reason": "stop"}),
        (Stop(Origin.SERIAL), {"reason": "stop", "by": "serial"}),
        (Stop(Origin.SOCKET, Reason.LEASE), {"reason": "lease", "by": "socket"}),
        (Stop(Origin.SOCKET, Reason.CLOSED), {"reason": "closed", "by": "socket"}),
        (Contacts(Contact.PRESSED), {"reason": "button", "by": "button"}),
        (Fault("rail", "the rail is off"), {"reason": "fault"}),
        (Suspended(2_000), {"reason": "fault"}),
        (Close(), {"reason": "closed"}),
    ],
    ids=repr,
)
@pytest.mark.parametrize("state", [State.RUNNING, State.PAUSED])
def test_end_of_a_session_publishes_its_reason_once(
    state: State, event: Input, fields: dict[str, str]
) -> None:
    world = world_in(state)
    world.at(11_000, event)
    world.at(12_000)

    ends = [fields for _, _, fields in world.notices(11_000) if "reason" in fields]
    assert ends == [{"state": "idle", "profile": "calm", **fields}]


def test_request_publishes_where_it_came_from() -> None:
    world = World()
    by = Origin.SERIAL
    events = (
        Select("quick", by), Start(None, None, by), Pause(None, by), Resume(None, by), Trim(70, by),
        Fault("rail", "the rail is off"), Clear(None, by), Reload(Catalogue((CALM,)), by),
        Try(TRIAL, (), None, by),
    )  # fmt: skip
    for at_ms, event in enumerate(events, 1):
        world.at(1_000 * at_ms, event)

    published = [fields for _, kind, fields in world.notices() if kind == "state"]
    assert [fields.get("by", fields.get("reason")) for fields in published] == [
        *["serial"] * 5, "fault", *["serial"] * 3,
    ]  # fmt: skip


def test_select_while_running_changes_the_next_start_and_publishes_nothing() -> None:
    world = world_in(State.RUNNING)
    world.at(10_000, Select("quick"))

    assert world.notices(10_000) == []
    assert world.session.status.profile == "calm"
    world.at(11_000, Stop())
    world.at(12_000, Start())
    assert world.session.status.profile == "quick"


def test_refusal_names_the_remedy() -> None:
    world = world_in(State.FAULT)

    assert [
        str(world.at(10_000, event).refusal) for event in (Start(), Pause(), Select("bad"))
    ] == [
        "rail: the rail is off. Then clear the fault.",
        "rail: the rail is off. Then clear the fault.",
        "bad.yaml:3:7: level: 140% is above the most, 100%",
    ]


def test_refusal_of_a_start_is_a_sentence() -> None:
    world = World(Catalogue())
    world.at(1_000, Stop())
    sentences = [str(world.at(1_010, Start()).refusal)]
    world = World()
    world.at(1_000, Stop())
    sentences.append(str(world.at(1_010, Start()).refusal))
    assert sentences == [
        "no profile is loaded; add one, then reload",
        "stopped just now; try again in a moment",
    ]


def test_status_shows_the_pass_and_the_level_of_each_zone() -> None:
    world = World()
    world.at(1_000, Start("steps"))
    rows = []
    for at_ms in (1_500, 3_500, 7_000, 12_500):
        world.at(at_ms)
        status = commands.status(world.session, at_ms)
        levels = {zone: int(pct) for zone, pct in re.findall(r"(neck|back)=(\d+)", status)}
        rows.append((world.session.status.repeat(at_ms), levels))
    world.at(20_000)

    assert rows == [
        ("1/2", {"neck": 0, "back": 20}),
        ("2/2", {"neck": 0, "back": 20}),
        ("", {"neck": 0, "back": 40}),
        ("", {"neck": 10, "back": 10}),
    ]
    assert (world.session.status.repeat(20_000), world.session.status.haptic) == ("", "")
