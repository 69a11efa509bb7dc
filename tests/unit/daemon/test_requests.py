"""Requests that arrive too early, and answers that come late: start and reload."""

import pytest

from firmware_ctl.daemon.clients import READY
from firmware_ctl.daemon.loop import SETTLE_MS
from firmware_ctl.daemon.requests import MOST_REFUSED, RELOAD_MS
from firmware_ctl.errors import AuthorError, CallerError, Mistake
from firmware_ctl.session.events import (
    Start,
)
from firmware_ctl.timeline.catalogue import BadEntry, Catalogue
from tests.support.daemon import Daemon
from tests.unit.daemon.loop_world import CATALOGUE, Wire, World


@pytest.mark.parametrize("line", [b"start\n", b"try all steady 30\n", b"press\n"])
@pytest.mark.parametrize("arrived_at_ms", [0, SETTLE_MS - 1])
@pytest.mark.parametrize("waits_behind", [b"", b"reload\n"])
def test_invariant_08_a_request_that_arrives_before_ready_starts_nothing(
    line: bytes, arrived_at_ms: int, waits_behind: bytes
) -> None:
    """However late it is served: here behind a reload that ends long after `* ready`."""
    world = World()
    wire = Wire(world.daemon)
    world.at(arrived_at_ms, lambda _: wire.receive(waits_behind + line))
    world.at(1_000, lambda _: [reader.done(CATALOGUE) for reader in world.readers])
    world.run(3_000)

    assert "err not-ready the daemon was not ready yet; ask again" in wire.answers
    assert READY in wire.answers
    assert (world.session.status.started, world.motors.writes) == (0, [])


def test_request_that_arrives_after_ready_starts() -> None:
    world = World()
    wire = Wire(world.daemon)
    world.at(SETTLE_MS, lambda _: wire.receive(b"start beta\n"))
    world.run(1_000)
    assert wire.answers[1:] == ["ok profile=beta left=60"]


def test_reload_answers_after_reading_and_delays_nothing_else() -> None:
    world = World()
    asks, other = Wire(world.daemon), Wire(world.daemon)
    world.at(700, lambda _: asks.receive(b"reload\nping\n"))
    world.at(800, lambda _: other.receive(b"ping\n"))
    before: list[list[str]] = []

    def read(daemon: Daemon) -> None:
        before.extend([asks.answers, other.answers])
        assert daemon.loop._sources == [world.readers[0]]
        world.readers[0].done(Catalogue((CATALOGUE.entries[1],)))

    world.at(900, read)
    world.run(2_000)
    assert before == [[READY], [READY, "ok"]]
    assert asks.answers == [READY, "ok count=1", "ok"]
    assert world.daemon.loop._sources == []
    assert world.session.selected is CATALOGUE.entries[1]
    (selected,) = [line for line in world.log if line.startswith("event=state profile=beta")]
    assert selected.endswith(" by=socket")


def test_stop_line_behind_a_waiting_request_acts_at_once() -> None:
    world = World()
    asks, other = Wire(world.daemon), Wire(world.daemon)
    world.at(700, lambda daemon: daemon.act(Start("alpha")))
    world.at(900, lambda _: asks.receive(b"reload\n" + b"ping\n" * 600 + b"stop\n"))
    world.run(1_400)
    assert world.readers != []
    assert 900 <= world.offs_at_ms()[0] <= 940
    assert other.answers == [READY]


def test_reload_that_fails_changes_nothing_and_answers_the_reason() -> None:
    world = World()
    wire = Wire(world.daemon)
    world.at(700, lambda _: wire.receive(b"reload\n"))
    world.at(900, lambda _: world.readers[0].done("the folder is gone"))
    world.run(2_000)
    assert wire.answers[1:] == ["err not-ready the folder is gone"]
    assert world.session.catalogue is CATALOGUE


def test_second_reload_is_refused_until_the_first_has_ended() -> None:
    world = World()
    first, second = Wire(world.daemon), Wire(world.daemon)
    world.at(700, lambda _: first.receive(b"reload\n"))
    world.at(800, lambda _: second.receive(b"reload\n"))
    world.at(900, lambda _: world.readers[0].done(CATALOGUE))
    world.at(1_000, lambda _: second.receive(b"reload\n"))
    world.at(1_100, lambda _: world.readers[1].done(CATALOGUE))
    world.run(2_000)
    assert first.answers[1:] == ["ok count=2"]
    assert second.answers[1:] == [
        "err busy the profiles are being read already; ask again",
        "ok count=2",
    ]


def test_reload_names_each_refused_profile_with_its_first_mistake() -> None:
    world = World()
    wire = Wire(world.daemon)
    errors = [
        [
            Mistake("/p/live.yaml", 5, 20, 'level: "4" has no unit'),
            Mistake("/p/live.yaml", 6, 1, ""),
        ]
    ]
    bad = [BadEntry("live", AuthorError(mistakes)) for mistakes in errors]
    world.at(700, lambda _: wire.receive(b"reload\n"))
    world.at(900, lambda _: world.readers[0].done(Catalogue((*CATALOGUE.entries, *bad))))
    world.at(1_000, lambda _: wire.receive(b"reload\n"))
    world.at(1_100, lambda _: world.readers[1].done(Catalogue(tuple(bad * 40))))
    world.run(2_000)
    row = (
        '- refused=live why="/p/live.yaml:5:20: level: \\"4\\" has no unit '
        '(and 1 more; `firmware-ctl check` shows all)"'
    )
    assert wire.answers[1:3] == [row, "ok count=2 refused=1"]
    assert world.log.count(bad[0].error.summary()) == 1 + 40
    assert wire.answers[3:] == [*[row] * MOST_REFUSED, "ok count=0 refused=40"]


def test_reload_quotes_the_name_of_a_file_that_is_no_name_of_a_profile() -> None:
    world = World()
    wire = Wire(world.daemon)
    bad = BadEntry("x\nok count=9", AuthorError([Mistake("/p/x.yaml", 1, 1, "is empty")]))
    world.at(700, lambda _: wire.receive(b"reload\n"))
    world.at(900, lambda _: world.readers[0].done(Catalogue((*CATALOGUE.entries, bad))))
    world.run(2_000)
    assert wire.answers[1].startswith('- refused="x\\nok count=9" why=')
    assert wire.answers[2:] == ["ok count=2 refused=1"]


def test_reload_that_takes_too_long_is_given_up() -> None:
    world = World()
    wire = Wire(world.daemon)
    world.at(700, lambda _: wire.receive(b"reload\n"))
    world.at(900, lambda _: wire.receive(b"ping\n"))
    world.at(700 + RELOAD_MS + 1, lambda _: world.readers[0].done(Catalogue()))
    world.run(20_000)
    assert wire.answers[1:] == ["err not-ready reading took too long", "ok"]
    assert world.session.catalogue is CATALOGUE


def test_refusal_is_raised_to_the_caller() -> None:
    world = World()
    world.at(700, lambda daemon: daemon.act(Start("beta")))

    def start_another(daemon: Daemon) -> None:
        with pytest.raises(CallerError, match="beta is running; stop it first"):
            daemon.act(Start("alpha"))

    world.at(800, start_another)
    world.run(1_000)
