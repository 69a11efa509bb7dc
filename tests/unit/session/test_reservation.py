"""A start waits for the disk and the rail, and a session never plays beyond the time on disk."""

from firmware_ctl.config.mat import Gate
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import (
    Close,
    Contacts,
    Fault,
    Input,
    LedgerSaved,
    LedgerSaveFailed,
    RailOff,
    Start,
    State,
    Stop,
    Try,
    Wake,
)
from tests.support.worlds import (
    MAT,
    MINUTE_MS,
    SILENCE,
    World,
)
from tests.unit.session.inputs import TRIAL


def begin_waiting(world: World, at_ms: int, start: Input) -> int:
    """Lets a start wait for the disk. Returns the number of the account to save."""
    world.disk_is_sound = False
    step = world.at(at_ms, start)
    assert (step.refusal, world.session.status.is_starting) == (None, True)
    assert world.session.state is State.IDLE
    assert step.save is not None
    return step.save.number


def refusal_of_start(world: World) -> tuple[str, str]:
    error = world.session.not_started
    return (error.code, str(error)) if error else ("", "")


def test_start_begins_only_after_its_first_slice_is_on_disk() -> None:
    world = World()
    number = begin_waiting(world, 1_000, Start())
    for early in (LedgerSaved(number - 1), LedgerSaveFailed(number - 1, "full"), Wake()):
        assert world.at(1_500, early).duty_pct == SILENCE
        assert world.session.status.is_starting
    assert world.session.used_ms(1_500) == 0
    step = world.at(2_999, LedgerSaved(number))

    assert (world.session.state, world.session.status.is_starting) == (State.RUNNING, False)
    assert refusal_of_start(world) == ("", "")
    assert step.level_pct == SILENCE
    assert world.at(3_500).level_pct[1] == 25


def test_start_on_a_disk_slower_than_two_seconds_is_refused() -> None:
    world = World()
    number = begin_waiting(world, 1_000, Start())
    assert world.steps[-1][1].wake_at_ms == 3_000
    world.at(2_999)
    assert world.session.status.is_starting
    step = world.at(3_000)
    late = world.at(3_001, LedgerSaved(number))

    sentence = "the disk does not take the record of today's running time; see whether it is full or failing"
    assert refusal_of_start(world) == ("not-ready", sentence)
    assert step.save is not None
    assert step.save.spent.used_ms == 0  # what was taken is given back
    assert (world.session.status.started, late.duty_pct, world.notices()) == (0, SILENCE, [])


def test_start_after_a_failed_write_is_refused_with_the_reason() -> None:
    world = World()
    number = begin_waiting(world, 1_000, Start())
    step = world.at(1_010, LedgerSaveFailed(number, "the disk is full"))

    assert refusal_of_start(world) == ("not-ready", "the disk is full; no session can start")
    assert step.save is not None
    assert world.session.used_ms(1_010) == step.save.spent.used_ms == 0
    world.disk_is_sound = True
    world.at(1_020, Start())
    assert (refusal_of_start(world), world.session.state) == (("", ""), State.RUNNING)


def test_press_after_a_failed_write_is_answered_by_a_haptic() -> None:
    world = World()
    world.disk_is_sound = False
    world.press(1_000)
    save = world.steps[-1][1].save
    assert save is not None
    world.at(1_200, LedgerSaveFailed(save.number, "the disk is full"))
    world.at(5_000)

    message = "the disk is full; no session can start"
    assert world.notices() == [
        (1_200, "refused", {"code": "not-ready", "message": message}),
        (1_200, "signal", {"signal": "refused"}),
        (2_400, "signal", {"signal": ""}),
    ]


def test_any_stop_cancels_a_waiting_start_and_locks_the_button() -> None:
    for stop in (Stop(), Contacts(Contact.PRESSED), Fault("rail", "off"), Close()):
        world = World()
        number = begin_waiting(world, 1_000, Start())
        world.at(1_010, stop)
        world.at(1_020, LedgerSaved(number))

        assert (world.session.status.started, world.session.status.is_starting) == (0, False)
        assert refusal_of_start(world) == ("busy", "a stop came before it began; start again")
        world.disk_is_sound = True
        if stop == Stop():
            world.press(2_000)
            assert world.session.status.started == 0  # 1.5 s are not over
            world.press(5_000)
            assert world.session.status.started == 1


def test_start_while_another_waits_is_refused() -> None:
    world = World()
    begin_waiting(world, 1_000, Start("quick"))
    refusals = [world.at(1_100, start).refusal for start in (Start("quick"), Start(), Try(TRIAL))]
    assert [(error.code, str(error)) for error in refusals if error] == [
        ("busy", "quick is about to start")
    ] * 3


def test_slices_are_requested_every_30_s_a_minute_ahead() -> None:
    world = World()
    world.at(1_000, Start("calm"))
    world.at(1_000 + 10 * MINUTE_MS)
    saves = [(at_ms - 1_000, step.save.spent.used_ms) for at_ms, step in world.steps if step.save]

    assert saves[:4] == [(0, 60_000), (30_000, 90_000), (60_000, 120_000), (90_000, 150_000)]
    assert saves[-2:] == [(540_000, 600_000), (600_000, 600_000)]
    assert len(saves) == 20


def test_session_ends_at_the_end_of_the_time_on_disk() -> None:
    world = World()
    world.at(1_000, Start("calm"))
    world.disk_is_sound = False
    world.at(1_000 + 59_999)
    assert world.session.state is State.RUNNING
    world.at(1_000 + 60_000)
    ended = world.notices(60_000)

    message = "the disk does not take the record of today's running time; see whether it is full or failing"
    assert ended == [
        (61_000, "refused", {"code": "not-ready", "message": message}),
        (61_000, "state", {"state": "idle", "profile": "calm", "reason": "end"}),
    ]
    assert world.steps[-1][1].duty_pct == SILENCE
    assert world.session.used_ms(61_000) == 60_000


def test_slice_written_just_before_the_end_continues_the_session() -> None:
    world = World()
    world.at(1_000, Start("calm"))
    world.disk_is_sound = False
    world.at(40_000)
    save = next(step.save for _, step in reversed(world.steps) if step.save)
    world.at(60_995, LedgerSaved(save.number - 1))
    world.at(60_999, LedgerSaved(save.number))
    world.at(70_000)
    assert world.session.state is State.RUNNING
    world.at(1_000 + 90_000)
    assert world.session.state is State.IDLE


def test_session_with_failing_writes_never_plays_beyond_the_time_on_disk() -> None:
    """The last ask before the end of the slice would be due only after it."""
    world = World()
    world.at(1_000, Start("calm"))
    world.disk_is_sound = False
    for at_ms in range(31_100, 61_000, 5_100):
        world.at(at_ms - 1)
        save = next(step.save for _, step in reversed(world.steps) if step.save)
        world.at(at_ms, LedgerSaveFailed(save.number, "the disk is full"))
    asked_at_ms = [at_ms for at_ms, step in world.steps if step.save]
    assert asked_at_ms == [1_000, 31_000, 36_100, 41_200, 46_300, 51_400, 56_500]
    assert any(world.at(60_999).duty_pct)
    ended = world.at(61_000)
    assert (ended.duty_pct, world.session.state) == (SILENCE, State.IDLE)
    assert world.session.used_ms(61_000) == 60_000


def test_slice_written_when_the_next_is_due_requests_it_at_once() -> None:
    world = World(speed=100)
    world.at(1_000, Start("calm"))
    world.disk_is_sound = False
    world.at(1_301)
    save = next(step.save for _, step in reversed(world.steps) if step.save)
    world.at(1_700, LedgerSaved(save.number))
    world.at(1_701)

    saves = [(at_ms, step.save.spent.used_ms) for at_ms, step in world.steps if step.save]
    assert saves == [(1_000, 80_000), (1_300, 110_000), (1_700, 150_000)]


def test_start_with_a_read_back_waits_until_the_rail_is_off() -> None:
    world = World(mat=MAT._replace(gate=Gate(26, 20)))
    world.at(1_000, Start("quick"))
    world.at(2_000)  # the loop's last tick
    world.at(2_000, Stop())
    assert world.at(2_150, Start("quick")).refusal is None
    states = []
    for at_ms, event in ((2_499, Wake()), (2_500, RailOff())):
        world.at(at_ms, event)
        states.append((world.session.status.is_starting, world.session.state))
    assert states == [(True, State.IDLE), (False, State.RUNNING)]
