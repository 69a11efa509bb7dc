"""A listener whose process has no descriptor left: a client may have come to stop the mat."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EMFILE

import pytest

from firmware_ctl.daemon import links
from firmware_ctl.daemon.links import ACCEPT_AGAIN_MS, Listener


class Loop:
    """Loop and clients as a listener sees them."""

    def __init__(self, guests: int = 0) -> None:
        self.guests = guests
        self.joined: list[links.SocketLink] = []
        self.watched: list[object] = []
        self.timers: list[tuple[int, Callable[[], object]]] = []

    def join(self, link: links.SocketLink) -> None:
        self.joined.append(link)

    def make_room(self) -> bool:
        self.guests -= 1
        return self.guests >= 0

    def watch(self, source: object) -> None:
        self.watched.append(source)

    def unwatch(self, source: object) -> None:
        self.watched.remove(source)

    def later(self, after_ms: int, call: Callable[[], object]) -> None:
        self.timers.append((after_ms, call))


class Scarce:
    """A listening socket of a process that has `free` descriptors left."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.free = 0

    def setblocking(self, blocks: bool) -> None:
        assert not blocks

    def accept(self) -> tuple[socket.socket, str]:
        if self.free <= 0:
            raise OSError(EMFILE, os.strerror(EMFILE))
        self.free -= 1
        return socket.socket(socket.AF_UNIX), ""

    def close(self) -> None:
        pass


@contextmanager
def listener(scarce: Scarce) -> Iterator[Listener]:
    made = Listener(scarce)  # type: ignore[arg-type]
    made.attach(scarce.loop, scarce.loop)  # type: ignore[arg-type]
    yield made
    made.close()
    for link in scarce.loop.joined:
        link.close()


def test_listener_without_a_descriptor_gives_the_reserve_to_the_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = Loop()
    scarce = Scarce(loop)
    closed: list[int] = []

    def close(fd: int) -> None:
        closed.append(fd)
        scarce.free += 1
        real_close(fd)

    real_close = os.close
    with listener(scarce) as source:
        with monkeypatch.context() as patched:
            patched.setattr(os, "close", close)
            source.ready()
        assert (len(closed), len(loop.joined)) == (1, 1)
        assert source._reserve is not None  # there is one again for the next


def test_listener_without_a_descriptor_has_a_silent_client_make_room() -> None:
    loop = Loop(guests=3)
    scarce = Scarce(loop)

    def make_room() -> bool:
        scarce.free += 1
        return True

    loop.make_room = make_room  # type: ignore[method-assign]
    with listener(scarce) as source:
        source.ready()
        assert len(loop.joined) == 1
        assert source._reserve is not None


def test_listener_that_cannot_accept_rests_and_then_tries_again() -> None:
    """As where the whole machine has no descriptor left; else the loop would spin."""
    loop = Loop(guests=3)
    scarce = Scarce(loop)
    with listener(scarce) as source:
        source.ready()
        assert (loop.watched, loop.joined) == ([], [])
        ((after_ms, again),) = loop.timers
        assert after_ms == ACCEPT_AGAIN_MS
        again()
        assert loop.watched == [source]
        scarce.free = 1
        source.ready()
        assert len(loop.joined) == 1


def test_listener_whose_client_has_gone_already_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(guests=3)
    scarce = Scarce(loop)

    def accept() -> tuple[socket.socket, str]:
        raise ConnectionAbortedError(103, "aborted")

    monkeypatch.setattr(scarce, "accept", accept)
    with listener(scarce) as source:
        source.ready()
        assert (loop.watched, loop.guests) == ([source], 3)


def test_listener_that_finds_no_descriptor_for_its_reserve_takes_one_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> int:
        raise OSError(EMFILE, os.strerror(EMFILE))

    scarce = Scarce(Loop())
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", fail)
        made = Listener(scarce)  # type: ignore[arg-type]
    made.attach(scarce.loop, scarce.loop)  # type: ignore[arg-type]
    scarce.free = 1
    made.ready()
    assert len(scarce.loop.joined) == 1
    assert made._reserve is not None
    made.close()
    scarce.loop.joined[0].close()
