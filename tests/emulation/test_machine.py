"""What the tests' own tools say when something goes wrong. Only the last two need an emulated Pi."""

import socket
from collections.abc import Iterator

import pytest

from tests.emulation import build
from tests.emulation.machine import Edge, Qtest
from tests.emulation.pi import PINS, WITNESS_PINS, WITNESS_S, Pi, lateness, restored


@pytest.fixture
def ends() -> Iterator[tuple[Qtest, socket.socket]]:
    ours, qemus = socket.socketpair()
    qtest = Qtest(ours, lambda: "the emulated Pi was ended")
    yield qtest, qemus
    qtest.close()
    ours.close()
    qemus.close()


def test_qtest_after_an_answer_that_never_came_every_request_fails_at_once(
    ends: tuple[Qtest, socket.socket],
) -> None:
    qtest, qemu = ends
    with pytest.raises(RuntimeError, match=r"QEMU did not answer 'readl 0x10' within 0.05 s"):
        qtest.ask("readl 0x10", within_s=0.05)
    qemu.sendall(b"OK 0x1\n")  # too late: it must not be taken for the next answer
    with pytest.raises(RuntimeError, match=r"'readl 0x20' was not asked: QEMU did not answer"):
        qtest.ask("readl 0x20")
    assert qemu.recv(100) == b"readl 0x10\n"


def test_qtest_where_qemu_has_ended_says_why_at_once(ends: tuple[Qtest, socket.socket]) -> None:
    qtest, qemu = ends
    qemu.shutdown(socket.SHUT_RDWR)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="the emulated Pi was ended"):
            qtest.ask("readl 0x10")


def test_qtest_keeps_edges_apart_from_answers_and_a_refusal_is_told(
    ends: tuple[Qtest, socket.socket],
) -> None:
    qtest, qemu = ends
    qemu.sendall(b"IRQ raise 17\nOK 0x2a\nIRQ lower 30\n")
    assert qtest.ask("readl 0x10") == ["0x2a"]
    qemu.sendall(b"FAIL Unknown command\n")
    with pytest.raises(RuntimeError, match="QEMU refused 'reedl': FAIL Unknown command"):
        qtest.ask("reedl")
    assert [(edge.pin, edge.is_high) for edge in qtest.edges] == [(17, True)]
    assert [(edge.pin, edge.is_high) for edge in qtest.inner_edges] == [(30, False)]


def test_lateness_is_the_longest_rest_within_the_interval_beyond_a_period() -> None:
    pin = WITNESS_PINS[0]
    edges = [Edge(at_s, pin, True) for at_s in (1.0, 1.05, 1.35, 1.40, 1.45, 2.0)]
    assert lateness(edges, pin, 1.0, 1.45) == pytest.approx(0.30 - WITNESS_S)
    assert lateness(edges, pin, 1.35, 1.45) == pytest.approx(0)
    assert lateness(edges, pin, 1.25, 1.45) == pytest.approx(0.10 - WITNESS_S)  # what lies within
    with pytest.raises(RuntimeError, match="does not run in the guest"):
        lateness(edges, WITNESS_PINS[1], 1.0, 1.45)


def test_a_press_changes_no_output_and_an_output_cannot_be_driven_from_outside(pi: Pi) -> None:
    before = len(pi.edges)
    pi.press(True)
    pi.press(False)
    with pytest.raises(ValueError, match=f"pin {PINS[0]} is an output of the guest"):
        pi.drive(PINS[0], True)
    assert pi.driven() == []
    assert [edge for edge in pi.edges[before:] if edge.pin in PINS] == []


def test_a_machine_whose_life_is_over_says_so(built: build.Image) -> None:
    with restored(built, life_s=20) as pi, pytest.raises(RuntimeError, match="after its 20 s"):
        pi.shell("sleep 60")
