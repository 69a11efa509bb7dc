"""The loop on a clock that jumps: what the pins get, when it wakes, and what ends it."""

import socket
from collections.abc import Callable, Collection
from typing import Any

import pytest

from firmware_ctl.config import shipped
from firmware_ctl.config.mat import Mat
from firmware_ctl.config.profile import Phase
from firmware_ctl.daemon.clients import READY
from firmware_ctl.daemon.interfaces import Job, Link, Source
from firmware_ctl.daemon.latch import Latch, NoDeadman
from firmware_ctl.daemon.links import SocketLink
from firmware_ctl.daemon.loop import SETTLE_MS
from firmware_ctl.daemon.player import NoLedger
from firmware_ctl.daemon.requests import RELOAD_MS
from firmware_ctl.errors import CallerError
from firmware_ctl.limits import TICK_MS
from firmware_ctl.protocol.connection import Connection
from firmware_ctl.session.button import Contact, spells_of
from firmware_ctl.session.events import (
    Clear,
    Close,
    Contacts,
    Fault,
    Input,
    Start,
    State,
    Step,
    Stop,
    Suspended,
)
from firmware_ctl.session.session import Session
from firmware_ctl.simulator.clock import VirtualPoller
from firmware_ctl.timeline.catalogue import Catalogue, GoodEntry
from firmware_ctl.timeline.compiler import compile_profile
from firmware_ctl.timeline.folder import load_mat, read_catalogue
from firmware_ctl.timeline.motor_drive import Levels
from firmware_ctl.timeline.playback import Playback
from tests.support.daemon import Daemon
from tests.support.worlds_timeline import (
    changes,
    frames,
    make_mat,
    phase,
    play,
    profile,
    unrepeated,
)

SHIPPED_MAT = load_mat(shipped.mat_file())
SHIPPED = read_catalogue([shipped.profiles_dir()], SHIPPED_MAT)

MAT = make_mat(rise_pct_s=50, button=True)
OFF = (0,) * 6


def entry(name: str, *phases: Phase) -> GoodEntry:
    played = profile(*phases)._replace(name=name)
    return GoodEntry(name, played, compile_profile(played, MAT))


CATALOGUE = Catalogue(
    (
        entry("alpha", phase(1_000, play("all", "steady", 2))),
        entry("beta", phase(60_000, play("neck", "steady", 50))),
    )
)


class Motors:
    """Every write, with its time."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self.writes: list[tuple[int, Levels]] = []
        self.lows_at_ms: list[int] = []
        self.fails = False

    def apply(self, duty_pct: Levels) -> None:
        if self.fails:
            raise OSError(5, "Input/output error")
        self.writes.append((self._now_ms(), duty_pct))

    def all_low(self) -> list[str]:
        self.lows_at_ms.append(self._now_ms())
        return ["motor left on GPIO 22 cannot be driven low"] if self.fails else []


class Finger:
    """A button whose edges are lost unless a test puts them in `edges`; it wakes no one."""

    def __init__(self) -> None:
        self.contact = Contact.RELEASED
        self.edges: list[tuple[int, Contact]] = []
        self.reads = 0

    def read(self) -> Contacts:
        self.reads += 1
        edges, self.edges = self.edges, []
        return Contacts(self.contact, spells_of(edges))

    def press(self, is_down: bool) -> None:
        self.contact = Contact.PRESSED if is_down else Contact.RELEASED


class Wire:
    """A link in memory: `hears` gives it bytes, `said` is what came back."""

    def __init__(self, daemon: Daemon) -> None:
        self.connection = Connection()
        self.ended = False
        self.closed = 0
        self._heard = b""
        self._said = b""
        self.takes = 1 << 20
        self._daemon = daemon
        daemon.join(self)

    def fileno(self) -> int:
        return -1

    def read(self) -> bytes:
        heard, self._heard = self._heard, b""
        self.ended = not heard
        return heard

    def write(self, data: bytes) -> int:
        self._said += data[: self.takes]
        return len(data[: self.takes])

    def close(self) -> None:
        self.closed += 1

    def hears(self, data: bytes) -> None:
        """To be called while the loop waits: the link is readable now."""
        self._heard = data
        self._daemon.clients.hear([self])

    @property
    def said(self) -> list[str]:
        return self._said.decode().splitlines()


class World:
    """A daemon of fakes. `at` scripts what happens; `run` plays until `until_ms`."""

    def __init__(
        self,
        catalogue: Catalogue = CATALOGUE,
        mat: Mat = MAT,
        poller: VirtualPoller | None = None,
        finger: bool = True,
    ) -> None:
        self.poller = poller or VirtualPoller()
        self.motors = Motors(self.poller.now_ms)
        self.finger = Finger()
        self.said: list[str] = []
        self.rows: list[tuple[int, State, Levels, Levels]] = []
        self.readers: list[FakeReader] = []
        self.session = Session(mat, catalogue)
        self.latch = Latch(mat, self.motors, NoDeadman())
        self.daemon = Daemon(
            self.session,
            self.poller,
            self.latch,
            self.finger if finger else None,
            NoLedger(),
            self.read_profiles,
            self.said.append,
            [self],
        )

    def step(self, event: Input, step: Step, now_ms: int) -> None:
        """Watches as a trace does: the time since the start, at every step."""
        at_ms = step.status.clock.since_start_ms(now_ms)
        self.rows.append((at_ms, step.status.state, step.level_pct, step.duty_pct))

    def read_profiles(self, done: Callable[[Catalogue | str], None]) -> Job:
        self.readers.append(FakeReader(done))
        return self.readers[-1]

    def at(self, at_ms: int, do: Callable[[Daemon], object]) -> None:
        self.poller.at(at_ms, lambda: do(self.daemon))

    def run(self, until_ms: int) -> None:
        self.at(until_ms, lambda daemon: daemon.step(Close()))
        self.daemon.run()

    def played(self) -> list[tuple[int, tuple[Levels, Levels]]]:
        """What changed while it ran: levels and duties, with the time since the start."""
        running = [row for row in self.rows if row[1] is State.RUNNING]
        return unrepeated([(at_ms, (levels, duties)) for at_ms, _, levels, duties in running])

    def offs_at_ms(self) -> list[int]:
        """When all motors went off, beside at the begin."""
        return [at_ms for at_ms, duties in self.motors.writes if not any(duties)]


class FakeReader:
    def __init__(self, done: Callable[[Catalogue | str], None]) -> None:
        self.done = done

    def fileno(self) -> int:
        return -1

    def ready(self) -> None:
        raise AssertionError

    def give_up(self) -> None:
        self.done("reading took too long")


# --- what plays is the timeline ---


@pytest.mark.parametrize("name", [entry.name for entry in SHIPPED.entries])
def test_an_undisturbed_session_is_its_timeline_frame_for_frame(name: str) -> None:
    timeline = SHIPPED.valid(name).timeline
    world = World(SHIPPED, SHIPPED_MAT)
    world.at(700, lambda daemon: daemon.act(Start(name)))
    world.run(700 + timeline.end_ms + 2_000)
    played = unrepeated(
        [(t_ms, (frame.level_pct, frame.duty_pct)) for t_ms, frame in frames(timeline)]
    )
    assert world.played() == [row for row in played if row[0] < timeline.end_ms]
    off_at_ms = next(t_ms for t_ms, levels in reversed(changes(timeline)) if not any(levels))
    assert world.motors.writes[-1] == (700 + off_at_ms, (0,) * 8)
    assert {state for at_ms, state, *_ in world.rows if at_ms == timeline.end_ms} == {State.IDLE}
    end_ms = 700 + timeline.end_ms
    assert world.motors.lows_at_ms == [end_ms, end_ms + 2_000]


class LateInbox(VirtualPoller):
    """Comes back late by turns, and once after a stall of two seconds."""

    def __init__(self, late_ms: tuple[int, ...]) -> None:
        super().__init__()
        self._late_ms = late_ms
        self._turn = 0

    def wait(
        self, until_ms: int, readers: Collection[Link | Source], writers: Collection[Link]
    ) -> Collection[Link | Source]:
        found = super().wait(until_ms, readers, writers)
        self._turn += 1
        self._now_ms += self._late_ms[self._turn % len(self._late_ms)]
        return found


@pytest.mark.parametrize("late_ms", [(0, 7, 1, 0, 13), (0,) * 99 + (2_000,), (19, 31)])
def test_a_late_wake_shifts_nothing_and_a_stall_skips(late_ms: tuple[int, ...]) -> None:
    timeline = SHIPPED.valid("first-time").timeline
    world = World(SHIPPED, SHIPPED_MAT, LateInbox(late_ms))
    world.at(700, lambda daemon: daemon.act(Start("first-time")))
    world.run(700 + timeline.end_ms + 4_000)
    played = unrepeated([(at_ms, levels) for at_ms, (levels, _) in world.played()])
    assert played == [(at_ms, Playback(timeline).levels(at_ms)) for at_ms, _ in played]
    assert len(played) > len(changes(timeline)) // 4
    assert [at_ms for at_ms, _ in played] == sorted({at_ms for at_ms, _ in played})
    assert world.session.state is State.IDLE
    assert world.motors.writes[-1][1] == (0,) * 8


def test_while_running_it_ticks_every_20_ms_and_writes_only_changes() -> None:
    world = World()
    world.at(700, lambda daemon: daemon.act(Start("alpha")))
    world.run(3_000)
    # Level 1 at 720 is duty 30, level 2 at 740 too; first starts are one after another.
    assert world.motors.writes == [
        *((720 + 20 * i, (30,) * (i + 1) + (0,) * (5 - i)) for i in range(6)),
        (1_700, OFF),
    ]
    ticks = [at_ms for at_ms, state, *_ in world.rows if state is State.RUNNING]
    assert sorted(set(ticks)) == list(range(0, 1_000, TICK_MS))


def test_what_a_watcher_tells_a_client_goes_out_with_the_tick() -> None:
    world = World()
    wire = Wire(world.daemon)
    heard: list[list[str]] = []

    class View:
        def step(self, event: Input, step: Step, now_ms: int) -> None:
            wire.connection.answer([f"at {now_ms}"])

    world.daemon.player._watchers.append(View())
    world.at(700, lambda daemon: daemon.act(Start("alpha")))
    world.at(1_010, lambda _: heard.append(wire.said))
    world.run(1_100)
    assert heard[0][-2:] == ["at 980", "at 1000"]


@pytest.mark.parametrize(("late_ms", "starts"), [(0, True), (35, False)])
def test_a_pulse_is_as_long_as_it_was_however_late_its_end_is_heard_of(
    late_ms: int, starts: bool
) -> None:
    """Heard of 45 ms after its begin: a press, unless its end was 35 ms ago."""

    class Held(VirtualPoller):
        """The loop is busy from the begin of the pulse on, and comes back after its end."""

        def now_ms(self) -> int:
            return 1_045 if 1_000 < self._now_ms < 1_045 else self._now_ms

    world = World(poller=Held())

    def begin(daemon: Daemon) -> None:
        world.finger.press(True)
        daemon.sample()
        world.finger.press(False)
        world.finger.edges.append((1_045 - late_ms, Contact.RELEASED))

    world.at(1_000, begin)
    world.run(1_500)
    assert (State.RUNNING in {state for _, state, *_ in world.rows}) is starts


@pytest.mark.parametrize(("moves", "starts"), [(False, True), (True, False)])
def test_noise_that_reads_as_pressed_all_the_time_is_no_press(moves: bool, starts: bool) -> None:
    world = World()

    def touch(daemon: Daemon) -> None:
        world.finger.contact = Contact.PRESSED
        if moves:
            world.finger.edges.append((daemon.now_ms(), Contact.PRESSED))
        daemon.sample()

    def release(daemon: Daemon) -> None:
        world.finger.contact = Contact.RELEASED
        daemon.sample()

    for at_ms in range(1_000, 1_200, 10):
        world.at(at_ms, touch)
    world.at(1_200, release)
    world.run(1_500)
    assert (State.RUNNING in {state for _, state, *_ in world.rows}) is starts


def test_a_touch_that_was_over_before_the_kernel_looked_stops() -> None:
    world = World()

    def touch(daemon: Daemon) -> None:
        world.finger.edges.append((1_500, Contact.RELEASED))
        daemon.sample()

    world.at(1_000, lambda daemon: daemon.act(Start()))
    world.at(1_500, touch)
    world.run(3_000)
    assert 1_500 in world.offs_at_ms()
    assert world.session.state is State.IDLE


def test_idle_wakes_twice_a_second() -> None:
    world = World()
    world.run(60_000)
    assert 120 <= world.finger.reads <= 124
    assert world.motors.writes == []


def test_idle_without_a_button_wakes_no_more_often() -> None:
    world = World(mat=make_mat(), finger=False)
    world.run(60_000)
    assert 120 <= len(world.rows) <= 124


def test_paused_it_is_all_off_and_wakes_at_the_end_of_the_five_minutes() -> None:
    world = World()
    wire = Wire(world.daemon)
    world.at(700, lambda _: wire.hears(b"start beta\n"))
    world.at(5_700, lambda _: wire.hears(b"pause\n"))
    world.run(400_000)
    assert wire.said[-2:] == ["ok profile=beta left=60", "ok"]
    assert world.motors.writes[-1] == (5_700, OFF)
    paused = [at_ms for at_ms, state, *_ in world.rows if state is State.PAUSED]
    assert paused[-1] < 305_000
    assert (305_000, State.IDLE) in [row[:2] for row in world.rows]


# --- ways out ---


@pytest.mark.parametrize("where", ["watcher", "source", "button"])
def test_an_exception_anywhere_leaves_the_pins_low(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()

    def fail(*_: object) -> Any:
        raise RuntimeError("a mistake in the program")

    def break_it(daemon: Daemon) -> None:
        if where == "watcher":
            monkeypatch.setattr(world, "step", fail)
        if where == "button":
            monkeypatch.setattr(world.finger, "read", fail)
        if where == "source":
            fail()

    world.at(700, lambda daemon: daemon.act(Start("beta")))
    world.at(900, break_it)
    with pytest.raises(RuntimeError):
        world.daemon.run()
    assert 900 <= world.motors.lows_at_ms[0] <= 920
    assert world.session.state is State.FAULT
    assert world.session.fault == Fault("internal", "RuntimeError: a mistake in the program")


def test_a_pin_that_cannot_be_written_is_a_fault_that_lasts_until_it_can() -> None:
    world = World()
    codes: list[str] = []

    def clear(daemon: Daemon) -> None:
        refusal = daemon.step(Clear()).refusal
        codes.append(refusal.code if refusal else "ok")

    world.at(700, lambda daemon: daemon.act(Start("beta")))
    world.at(900, lambda _: setattr(world.motors, "fails", True))
    world.at(1_500, clear)
    world.at(2_000, lambda _: setattr(world.motors, "fails", False))
    world.at(2_100, clear)
    world.run(3_000)
    assert codes == ["fault", "ok"]
    assert 900 <= world.motors.lows_at_ms[0] <= 940
    told = [line for line in world.said if "fault" in line]
    assert [line.partition(" profile")[0] for line in told] == [
        "event=fault state=fault fault=pin-write",
        "event=state state=idle",
    ]


@pytest.mark.parametrize("what", ["button", "suspend", "rail"])
def test_every_fault_trips_the_latch_until_it_is_cleared(what: str) -> None:
    world = World()

    def fault(daemon: Daemon) -> None:
        if what == "button":
            world.finger.contact = Contact.NEITHER
        else:
            daemon.step(Suspended(5_000) if what == "suspend" else Fault("rail", "the rail is off"))

    world.at(700, lambda daemon: daemon.act(Start("beta")))
    world.at(900, fault)
    world.at(2_000, lambda _: setattr(world.finger, "contact", Contact.RELEASED))
    tripped = []
    for at_ms in (890, 1_500, 3_000):
        world.at(at_ms, lambda _: tripped.append(world.latch.is_tripped))
    world.at(3_000, lambda daemon: daemon.act(Clear()))
    world.at(3_000, lambda _: tripped.append(world.latch.is_tripped))
    world.at(5_000, lambda daemon: daemon.act(Start("beta")))
    world.run(6_000)

    assert tripped == [False, True, True, False]
    off_at_ms = {"button": 920, "suspend": 900, "rail": 900}[what]
    assert [at_ms for at_ms, duties in world.motors.writes if any(duties)][-1] > 5_000
    assert off_at_ms in (*world.offs_at_ms(), *world.motors.lows_at_ms)


def test_closing_is_off_first() -> None:
    world = World()
    world.at(700, lambda daemon: daemon.act(Start("beta")))
    world.run(2_000)
    assert world.motors.writes[-1] == (2_000, OFF)
    assert world.motors.lows_at_ms == [2_000]
    assert world.said[0] == READY


# --- the button ---


def test_a_press_whose_edges_are_lost_is_sampled_and_stops_within_a_tick() -> None:
    world = World()
    world.at(700, lambda daemon: daemon.act(Start("beta")))
    world.at(2_001, lambda _: setattr(world.finger, "contact", Contact.PRESSED))
    world.run(4_000)
    assert len(world.offs_at_ms()) == 1
    assert 2_001 <= world.offs_at_ms()[0] <= 2_001 + TICK_MS
    assert world.session.state is State.IDLE


@pytest.mark.parametrize("line", [b"start\n", b"try all steady 30\n", b"press\n"])
@pytest.mark.parametrize("arrived_at_ms", [0, SETTLE_MS - 1])
@pytest.mark.parametrize("waits_behind", [b"", b"reload\n"])
def test_invariant_08_a_request_that_arrives_before_ready_starts_nothing(
    line: bytes, arrived_at_ms: int, waits_behind: bytes
) -> None:
    """However late it is served: here behind a reload that ends long after `* ready`."""
    world = World()
    wire = Wire(world.daemon)
    world.at(arrived_at_ms, lambda _: wire.hears(waits_behind + line))
    world.at(1_000, lambda _: [reader.done(CATALOGUE) for reader in world.readers])
    world.run(3_000)

    assert "err not-ready the daemon was not ready yet; ask again" in wire.said
    assert READY in wire.said
    assert (world.session.status.started, world.motors.writes) == (0, [])


def test_a_request_that_arrives_after_ready_starts() -> None:
    world = World()
    wire = Wire(world.daemon)
    world.at(SETTLE_MS, lambda _: wire.hears(b"start beta\n"))
    world.run(1_000)
    assert wire.said[1:] == ["ok profile=beta left=60"]


def test_a_start_while_the_button_is_held_from_the_begin_is_refused() -> None:
    world = World()
    world.finger.contact = Contact.PRESSED
    wire = Wire(world.daemon)
    world.at(700, lambda _: wire.hears(b"start beta\n"))
    world.run(1_000)
    assert wire.said[1:] == ["err not-ready the start button is not released; let go of it first"]
    assert world.motors.writes == []


def test_ten_presses_in_three_seconds_leave_it_off() -> None:
    world = World()
    world.at(700, lambda daemon: daemon.act(Start("beta")))
    for i in range(10):
        world.at(2_000 + 300 * i, lambda daemon: daemon.press(100))
    world.run(20_000)
    assert world.offs_at_ms() == [2_000]
    assert world.session.status.started == 1


def test_after_the_lock_a_press_starts_again() -> None:
    world = World()
    world.at(700, lambda daemon: daemon.act(Start("beta")))
    world.at(2_000, lambda daemon: daemon.press(100))
    world.at(3_599, lambda daemon: daemon.press(10))
    world.at(5_200, lambda daemon: daemon.press(100))
    world.run(6_000)
    assert world.session.status.started == 2
    assert world.offs_at_ms() == [2_000, 6_000]


def test_a_tap_that_is_over_before_the_loop_looks_stops() -> None:
    tap = [(2_001, Contact.PRESSED), (2_001, Contact.RELEASED)]
    world = World()
    world.at(700, lambda daemon: daemon.act(Start("beta")))
    world.at(2_001, lambda _: world.finger.edges.extend(tap))
    world.run(4_000)
    assert len(world.offs_at_ms()) == 1
    assert 2_001 <= world.offs_at_ms()[0] <= 2_001 + TICK_MS


def test_a_press_command_goes_down_and_comes_up_by_itself() -> None:
    world = World()
    wire = Wire(world.daemon)
    world.at(700, lambda _: wire.hears(b"press\n"))
    world.at(750, lambda _: wire.hears(b"press\n"))
    world.at(1_500, lambda _: wire.hears(b"press 0.5\n"))
    world.run(3_000)
    assert wire.said[1:] == ["ok", "err busy the button is still down", "ok"]
    assert len(world.motors.writes) > 1
    assert world.offs_at_ms() == [1_500]


def test_a_mat_without_a_button_has_none_to_press() -> None:
    world = World(mat=make_mat(), finger=False)
    wire = Wire(world.daemon)
    world.at(700, lambda _: wire.hears(b"press\n"))
    world.run(1_000)
    assert wire.said[1:] == ["err not-here this mat has no start button"]


# --- timers and leases ---


def test_timers_come_when_they_are_due_in_their_order() -> None:
    world = World()
    found: list[tuple[int, str]] = []

    def note(word: str) -> Callable[[], None]:
        return lambda: found.append((world.poller.now_ms(), word))

    def begin(daemon: Daemon) -> None:
        for after_ms, word in ((333, "c"), (0, "a"), (111, "b"), (333, "d")):
            daemon.later(after_ms, note(word))

    world.at(100, begin)
    world.run(1_000)
    assert found == [(100, "a"), (211, "b"), (433, "c"), (433, "d")]


def lease_script(world: World, said: list[tuple[int, bytes]]) -> Wire:
    wire = Wire(world.daemon)
    for at_ms, data in said:
        world.at(at_ms, lambda _, data=data: wire.hears(data))
    return wire


@pytest.mark.parametrize(
    ("said", "stops_at_ms"),
    [
        ([(700, b"lease 2\nstart beta\n")], 2_700),
        ([(700, b"start beta\nlease 2\n")], 2_700),
        ([(700, b"lease 2\nstart beta\n"), (2_000, b"ping\n")], 4_000),
        ([(700, b"lease 2\nstart beta\n"), (2_000, b"?")], 4_000),
        ([(700, b"lease 2\nstart beta\n"), (2_000, b"nonsense\n")], 2_700),
        ([(700, b"lease 2\nstart beta\n"), (2_000, b"half a li")], 2_700),
        ([(700, b"lease 2\nstart beta\n"), (2_000, b"lease 0\n")], None),
        ([(700, b"start beta\n")], None),
    ],
)
def test_lease(said: list[tuple[int, bytes]], stops_at_ms: int | None) -> None:
    world = World()
    lease_script(world, said)
    world.run(10_000)
    assert world.offs_at_ms() == [stops_at_ms or 10_000]


def test_a_lease_of_another_connection_stops_nothing() -> None:
    world = World()
    lease_script(world, [(600, b"lease 1\n")])
    lease_script(world, [(700, b"start beta\n")])
    world.run(5_000)
    assert world.offs_at_ms() == [5_000]


def test_a_lease_that_outlives_its_session_stops_nothing() -> None:
    """A stop would bar a start for a moment, and end a press that is going on."""
    world = World()
    wire = Wire(world.daemon)
    stops: list[int] = []
    world.at(1_000, lambda _: wire.hears(b"lease 5\nstart\n"))
    step = world.daemon.step

    def watched(event: Input) -> Step:
        if isinstance(event, Stop):
            stops.append(world.poller.now_ms())
        return step(event)

    world.daemon.step = watched  # type: ignore[method-assign]
    world.run(10_000)
    assert world.session.status.started == 1
    assert stops == []


@pytest.mark.parametrize(("lease", "stops_at_ms"), [(b"lease 60\n", 3_000), (b"", 5_000)])
def test_a_link_that_ends_is_let_go_once_and_its_lease_ends(lease: bytes, stops_at_ms: int) -> None:
    world = World()
    wire = lease_script(world, [(700, lease + b"start beta\n"), (3_000, b"")])
    world.run(5_000)
    assert wire.closed == 1
    assert world.daemon.links == []
    assert world.offs_at_ms() == [stops_at_ms]


def test_a_client_that_left_without_reading_is_let_go_and_its_lease_ends() -> None:
    world = World()
    client, ours = socket.socketpair()
    link = SocketLink(ours)
    world.daemon.join(link)

    def come_and_go(daemon: Daemon) -> None:
        client.sendall(b"lease 60\nstart beta\n" + b"help\n" * 50)
        client.close()
        daemon.clients.hear([link])

    world.at(700, come_and_go)
    world.at(701, lambda daemon: daemon.clients.hear([link]))
    world.run(5_000)
    assert world.daemon.links == []
    assert link.fileno() == -1
    assert world.session.status.started == 1
    assert not any(state is State.RUNNING for at_ms, state, *_ in world.rows if at_ms > TICK_MS)


# --- many requests ---


def test_a_flood_is_answered_in_order_and_no_tick_is_late() -> None:
    world = World()
    wire = Wire(world.daemon)
    world.at(700, lambda _: wire.hears(b"start beta\n" + b"ping\n" * 500 + b"status\n"))
    world.run(2_000)
    assert wire.said[1:502] == ["ok profile=beta left=60", *["ok"] * 500]
    assert wire.said[502].startswith("ok state=running")
    assert len(wire.said) == 503


def test_a_client_that_takes_little_gets_it_all_in_the_end() -> None:
    world = World()
    wire = Wire(world.daemon)
    wire.takes = 3
    world.at(700, lambda _: wire.hears(b"help\nhello\n"))
    world.run(400_000)
    assert wire.said[0] == READY
    assert wire.said[-2] == "ok"
    assert wire.said[-1].startswith("ok firmware-ctl ")


def test_events_go_to_those_who_asked() -> None:
    world = World()
    eager, other = Wire(world.daemon), Wire(world.daemon)
    world.at(600, lambda _: eager.hears(b"events on\n"))
    world.at(700, lambda _: other.hears(b"start alpha\n"))
    world.run(3_000)
    assert other.said[1:] == ["ok profile=alpha left=1"]
    assert [line.split()[1] for line in eager.said[2:]] == [
        "event=state",
        "event=phase",
        "event=state",
    ]


# --- reload ---


def test_reload_answers_when_all_is_read_and_holds_up_nothing_else() -> None:
    world = World()
    asks, other = Wire(world.daemon), Wire(world.daemon)
    world.at(700, lambda _: asks.hears(b"reload\nping\n"))
    world.at(800, lambda _: other.hears(b"ping\n"))
    before: list[list[str]] = []

    def read(daemon: Daemon) -> None:
        before.extend([asks.said, other.said])
        assert daemon.loop._sources == [world.readers[0]]
        world.readers[0].done(Catalogue((CATALOGUE.entries[1],)))

    world.at(900, read)
    world.run(2_000)
    assert before == [[READY], [READY, "ok"]]
    assert asks.said == [READY, "ok count=1", "ok"]
    assert world.daemon.loop._sources == []
    assert world.session.selected is CATALOGUE.entries[1]


def test_a_stop_line_is_found_in_what_was_sent_behind_a_request_that_waits() -> None:
    world = World()
    asks, other = Wire(world.daemon), Wire(world.daemon)
    world.at(700, lambda daemon: daemon.act(Start("alpha")))
    world.at(900, lambda _: asks.hears(b"reload\n" + b"ping\n" * 600 + b"stop\n"))
    world.run(1_400)
    assert world.readers != []
    assert 900 <= world.offs_at_ms()[0] <= 940
    assert other.said == [READY]


def test_who_leaves_is_told_to_others_and_ends_a_start_that_waits() -> None:
    world = World()
    leaves, stays = Wire(world.daemon), Wire(world.daemon)
    world.at(650, lambda _: stays.hears(b"events on\n"))
    world.at(700, lambda _: leaves.hears(b"lease 60\nstart alpha\n"))
    world.at(900, lambda _: leaves.hears(b""))
    heard: list[list[str]] = []
    world.at(930, lambda _: heard.append(stays.said))
    world.run(1_000)
    assert heard[0][-1].startswith("* event=state state=idle"), heard


def test_a_reload_that_fails_changes_nothing_and_says_why() -> None:
    world = World()
    wire = Wire(world.daemon)
    world.at(700, lambda _: wire.hears(b"reload\n"))
    world.at(900, lambda _: world.readers[0].done("the folder is gone"))
    world.run(2_000)
    assert wire.said[1:] == ["err not-ready the folder is gone"]
    assert world.session.catalogue is CATALOGUE


def test_a_reload_that_takes_too_long_is_given_up_and_comes_too_late() -> None:
    world = World()
    wire = Wire(world.daemon)
    world.at(700, lambda _: wire.hears(b"reload\n"))
    world.at(900, lambda _: wire.hears(b"ping\n"))
    world.at(700 + RELOAD_MS + 1, lambda _: world.readers[0].done(Catalogue()))
    world.run(20_000)
    assert wire.said[1:] == ["err not-ready reading took too long", "ok"]
    assert world.session.catalogue is CATALOGUE


def test_a_refusal_is_raised_to_who_asked() -> None:
    world = World()
    world.at(700, lambda daemon: daemon.act(Start("beta")))

    def start_another(daemon: Daemon) -> None:
        with pytest.raises(CallerError, match="beta is running; stop it first"):
            daemon.act(Start("alpha"))

    world.at(800, start_another)
    world.run(1_000)
