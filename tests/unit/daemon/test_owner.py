"""The owner of a session, where several clients start one or a start waits for the disk."""

from collections.abc import Callable

import pytest

from tests.unit.daemon.loop_world import Wire, World

Saved = list[Callable[[str], object]]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def saved(world: World) -> Saved:
    """The saves of the ledger that wait for the disk's answer: empty, or the reason of a failure."""
    saved: Saved = []
    world.daemon.player._ledger.save = lambda save, done: saved.append(done)  # type: ignore[method-assign]
    return saved


def says(world: World, *script: tuple[int, bytes]) -> Wire:
    wire = Wire(world.daemon)
    for at_ms, data in script:
        world.at(at_ms, lambda _, data=data: wire.receive(data))
    return wire


def test_client_that_starts_what_runs_already_does_not_own_it(world: World) -> None:
    first = says(world, (700, b"start beta\n"))
    second = says(world, (800, b"lease 1\nstart beta\n"))
    world.run(5_000)
    assert first.answers[-1].startswith("ok profile=beta")
    assert second.answers[-1].startswith("ok profile=beta")
    assert world.offs_at_ms() == [5_000]


def test_lease_of_a_start_that_waited_for_the_disk_stops_its_session(
    world: World, saved: Saved
) -> None:
    wire = says(world, (700, b"lease 1\nstart beta\n"))
    world.at(900, lambda _: saved.pop()(""))
    world.run(5_000)
    assert wire.answers[-1].startswith("ok profile=beta")
    assert world.session.status.started == 1
    assert world.offs_at_ms() == [1_700]


def test_client_whose_start_the_disk_refused_does_not_own_the_next_session(
    world: World, saved: Saved
) -> None:
    """The next session has the number that the refused one would have had."""
    refused = says(world, (700, b"lease 2\nstart beta\n"))
    plays = says(world, (1_000, b"start beta\n"))
    world.at(900, lambda _: saved.pop()("the disk is full"))
    world.at(1_100, lambda _: saved.pop()(""))
    world.run(5_000)
    assert refused.answers[-1].startswith("err ")
    assert plays.answers[-1].startswith("ok profile=beta")
    assert world.offs_at_ms() == [5_000]
