"""What the emulation's own tools report when something goes wrong. Only the last two tests need an emulated Pi."""

import socket
from collections.abc import Iterator

import pytest

from tests.emulation import build
from tests.emulation.machine import Edge, Qtest
from tests.emulation.pi import MOTOR_PINS, WITNESS_PINS, WITNESS_S, Pi, lateness_s, restore


@pytest.fixture
def qtest_and_qemu() -> Iterator[tuple[Qtest, socket.socket]]:
    """A `Qtest`, and the end of its connection that QEMU would have."""
    our_end, qemu = socket.socketpair()
    qtest = Qtest(our_end, lambda: "the emulated Pi was killed")
    yield qtest, qemu
    qtest.close()
    our_end.close()
    qemu.close()


def test_qtest_after_a_missing_answer_fails_every_request_at_once(
    qtest_and_qemu: tuple[Qtest, socket.socket],
) -> None:
    qtest, qemu = qtest_and_qemu
    with pytest.raises(RuntimeError, match=r"QEMU did not answer 'readl 0x10' within 0.05 s"):
        qtest.ask("readl 0x10", within_s=0.05)
    qemu.sendall(b"OK 0x1\n")  # too late; it must not become the answer to the next request
    with pytest.raises(RuntimeError, match=r"'readl 0x20' was not sent: QEMU did not answer"):
        qtest.ask("readl 0x20")
    assert qemu.recv(100) == b"readl 0x10\n"


def test_qtest_of_an_ended_qemu_reports_why_at_once(
    qtest_and_qemu: tuple[Qtest, socket.socket],
) -> None:
    qtest, qemu = qtest_and_qemu
    qemu.shutdown(socket.SHUT_RDWR)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="the emulated Pi was killed"):
            qtest.ask("readl 0x10")


def test_qtest_separates_edges_from_answers_and_reports_a_refusal(
    qtest_and_qemu: tuple[Qtest, socket.socket],
) -> None:
    qtest, qemu = qtest_and_qemu
    qemu.sendall(b"IRQ raise 17\nOK 0x2a\nIRQ lower 30\n")
    assert qtest.ask("readl 0x10") == ["0x2a"]
    qemu.sendall(b"FAIL Unknown command\n")
    with pytest.raises(RuntimeError, match="QEMU refused 'reedl': FAIL Unknown command"):
        qtest.ask("reedl")
    assert [(edge.pin, edge.is_high) for edge in qtest.edges] == [(17, True)]
    assert [(edge.pin, edge.is_high) for edge in qtest.internal_edges] == [(30, False)]


def test_lateness_is_the_longest_pause_within_the_interval_minus_a_period() -> None:
    pin = WITNESS_PINS[0]
    edges = [Edge(at_s, pin, True) for at_s in (1.0, 1.05, 1.35, 1.40, 1.45, 2.0)]
    assert lateness_s(edges, pin, 1.0, 1.45) == pytest.approx(0.30 - WITNESS_S)
    assert lateness_s(edges, pin, 1.35, 1.45) == pytest.approx(0)
    assert lateness_s(edges, pin, 1.25, 1.45) == pytest.approx(
        0.10 - WITNESS_S
    )  # a part of a pause
    with pytest.raises(RuntimeError, match="does not run in the guest"):
        lateness_s(edges, WITNESS_PINS[1], 1.0, 1.45)


def test_pi_press_changes_no_output_and_set_input_refuses_an_output(pi: Pi) -> None:
    before = len(pi.edges)
    pi.press(True)
    pi.press(False)
    with pytest.raises(ValueError, match=f"pin {MOTOR_PINS[0]} is an output of the guest"):
        pi.set_input(MOTOR_PINS[0], True)
    assert pi.high_motor_pins() == []
    assert [edge for edge in pi.edges[before:] if edge.pin in MOTOR_PINS] == []


def test_machine_after_its_life_reports_that_it_was_killed(image: build.Image) -> None:
    with restore(image, life_s=20) as pi, pytest.raises(RuntimeError, match="after its 20 s"):
        pi.shell("sleep 60")
