"""Haptics while idle: profile number, refused press, and their limits."""

import pytest

from firmware_ctl.config.profile import Phase
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import (
    Close,
    Fault,
    Input,
    Select,
    Start,
    Stop,
    Suspended,
    Try,
)
from firmware_ctl.timeline.catalogue import Catalogue
from tests.support.worlds import (
    BACK,
    LIMITS,
    MAT,
    MINUTE_MS,
    NECK,
    QUICK,
    SILENCE,
    World,
    entry,
    steady,
)
from tests.unit.session.inputs import TRIAL


def hold(world: World, at_ms: int) -> None:
    """Holds the button for a second. Its change-over contact bounces on both sides."""
    for after_ms, contact in (
        (0, Contact.NEITHER),
        (4, Contact.PRESSED),
        (1_000, Contact.NEITHER),
        (1_002, Contact.PRESSED),
        (1_003, Contact.NEITHER),
        (1_005, Contact.RELEASED),
        (1_006, Contact.NEITHER),
        (1_007, Contact.RELEASED),
    ):
        world.contact(at_ms + after_ms, contact)


def test_hold_selects_the_next_profile_and_pulses_its_number() -> None:
    world = World()
    hold(world, 2_000)
    world.at(5_000)

    assert world.notices() == [
        (2_804, "state", {"profile": "quick", "by": "button"}),
        (2_804, "signal", {"signal": "profile-2"}),
        (3_604, "signal", {"signal": ""}),
    ]
    assert world.levels() == [
        (2_804, (0, 30, 30)),
        (3_004, SILENCE),
        (3_204, (0, 30, 30)),
        (3_404, SILENCE),
    ]


def test_hold_after_the_last_profile_selects_the_first() -> None:
    world = World()
    for i in range(4):
        hold(world, 2_000 + 5_000 * i)

    profiles = [fields["profile"] for _, kind, fields in world.notices() if kind == "state"]
    assert profiles == ["quick", "steps", "calm", "quick"]


def test_press_that_is_refused_pulses_in_one_zone() -> None:
    world = World(mat=MAT._replace(limits=LIMITS._replace(daily_ms=MINUTE_MS)))
    world.press(2_000)
    world.at(5_000)

    (at_ms, kind, fields), *signals = world.notices()
    assert (at_ms, kind, fields["code"]) == (2_130, "refused", "allowance")
    assert signals == [
        (2_130, "signal", {"signal": "refused"}),
        (3_330, "signal", {"signal": ""}),
    ]
    assert world.levels() == [(2_130, (0, 30, 30)), (3_130, SILENCE)]


def test_idle_haptic_respects_the_cap_of_its_zone() -> None:
    mat = MAT._replace(zones=(NECK._replace(cap_pct=12), BACK._replace(present=False)))
    profile = entry("only", Phase("only", 1_000, 1, (steady("neck", 10),)), mat=mat)
    world = World(Catalogue((profile,)), mat)
    hold(world, 2_000)
    world.at(5_000)

    assert world.levels() == [(2_804, (12, 0, 0)), (3_004, SILENCE)]


@pytest.mark.parametrize(
    "event",
    [Stop(), Start(), Try(TRIAL), Fault("rail", "off"), Suspended(9_000), Close()],
    ids=lambda e: type(e).__name__,
)
def test_stop_or_start_ends_an_idle_haptic(event: Input) -> None:
    world = World()
    hold(world, 2_000)
    world.at(3_300)
    assert world.session.status.haptic == "profile-2"
    step = world.at(3_300, event)

    signals = [dict(notice.fields) for notice in step.notices if notice.kind == "signal"]
    assert (signals, world.session.status.haptic) == ([{"signal": ""}], "")
    assert (step.level_pct, step.duty_pct) == (SILENCE, SILENCE)


def test_press_during_an_idle_haptic_ends_it_and_starts_nothing() -> None:
    world = World()
    hold(world, 2_000)
    world.contact(3_300, Contact.PRESSED)
    world.contact(3_400, Contact.RELEASED)
    world.at(9_000)

    assert world.levels(3_300) == [(3_300, SILENCE)]
    assert world.session.status.started == 0


def test_idle_haptics_of_an_hour_are_at_most_sixty_seconds() -> None:
    world = World()
    for i in range(100):
        hold(world, 2_000 + 5_000 * i)
        world.at(2_000 + 5_000 * i + 4_900)
    names = [fields["signal"] for _, kind, fields in world.notices() if kind == "signal"]
    felt_ms = sum(400 * int(name.removeprefix("profile-")) for name in names if name)

    assert 60_000 - 1_200 < felt_ms <= 60_000
    assert world.session.used_ms(world.now_ms) == 0
    assert not any(step.save for _, step in world.steps)
    before = len(names)
    hold(world, 3_600_000)
    world.at(3_602_000)
    assert len([kind for _, kind, _ in world.notices() if kind == "signal"]) == before
    hold(world, 3_604_000)
    world.at(3_612_000)
    assert len([kind for _, kind, _ in world.notices() if kind == "signal"]) == before + 2


@pytest.mark.parametrize("count", [1, 12, 13, 100])
def test_idle_haptic_of_any_profile_number_lasts_at_most_five_seconds(count: int) -> None:
    entries = tuple(QUICK._replace(name=f"p{i:03}") for i in range(count))
    world = World(Catalogue(entries))
    world.at(1_000, Select(entries[-2 if count > 1 else -1].name))
    hold(world, 2_000)
    world.at(9_000)

    last_ms = world.levels()[-1]
    assert last_ms == (2_804 + min(count, 12) * 400 - 200, SILENCE)
    assert max(level for _, levels in world.levels() for level in levels) == 30


def test_idle_haptic_does_not_begin_while_a_start_waits() -> None:
    world = World()
    world.contact(1_000, Contact.PRESSED)
    world.contact(1_100, Contact.RELEASED)
    world.disk_is_sound = False
    world.at(1_110, Start("calm"))
    step = world.at(1_140)
    assert world.session.status.is_starting
    assert [kind for _, kind, _ in world.notices(1_110)] == ["refused"]
    assert (world.session.status.haptic, step.duty_pct) == ("", SILENCE)
