"""The start button's contacts on a fake kernel: what is asked of it, and what its events say."""

import errno
import fcntl
import os
from struct import Struct

import pytest

from firmware_ctl import contacts, off
from firmware_ctl.button import Contact
from firmware_ctl.contacts import MOST_EDGES, KernelContacts
from firmware_ctl.errors import CallerError, DeviceError
from firmware_ctl.mat import Contacts
from firmware_ctl.session import Contacts as said  # noqa: N813

RISING, FALLING = 1, 2
INPUT_BOTH_EDGES_PULL_UP = 0b1_0011_0100
EVENT = Struct("=QIII28x")


class Kernel:
    """Gives out a pipe for a request of lines; `levels` are those of the last request's."""

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[int, ...], int]] = []
        self.busy: int | None = None
        self.levels = 0b11
        self.told = -1
        self.number = 0

    def ioctl(self, fd: int, number: int, data: bytes | bytearray) -> bytes:
        if number != off.GET_LINE:
            assert number == 0xC010B40E
            _, mask = Struct("=QQ").unpack(data)
            return Struct("=QQ").pack(self.levels & mask, mask)
        assert isinstance(data, bytearray)
        *offsets, _, flags, _, _, _, _, _, count, _, _ = off.LINE_REQUEST.unpack(data)
        self.asked.append((tuple(offsets[:count]), flags))
        if self.busy in offsets[:count]:
            raise OSError(errno.EBUSY, "Device or resource busy")
        given, self.told = os.pipe()
        data[-4:] = given.to_bytes(4, "little")
        return b""

    def edge(self, *edges: tuple[int, int]) -> None:
        self.events(*[(0, edge, pin) for edge, pin in edges])

    def events(self, *events: tuple[int, int, int]) -> None:
        for event in events:
            self.number = (self.number + 1) % 2**32
            os.write(self.told, EVENT.pack(*event, self.number))


def says(button: KernelContacts) -> list[Contact]:
    return [said.contact for said in button.read()]


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(fcntl, "ioctl", made.ioctl)
    return made


def test_both_contacts_are_asked_for_together_with_edges_and_pull_ups(kernel: Kernel) -> None:
    KernelContacts(os.devnull, Contacts(5, 6))
    flags = INPUT_BOTH_EDGES_PULL_UP
    assert kernel.asked == [((5,), flags), ((6,), flags), ((5, 6), flags)]


def test_change_over_contacts_tell_every_edge_and_what_they_say_now(kernel: Kernel) -> None:
    button = KernelContacts(os.devnull, Contacts(5, 6))
    assert says(button) == [Contact.NEITHER]
    kernel.edge((FALLING, 6), (RISING, 6), (FALLING, 5), (FALLING, 6))
    kernel.levels = 0b00
    told = [Contact.RELEASED, Contact.NEITHER, Contact.PRESSED, Contact.BOTH]
    assert says(button) == [*told, Contact.BOTH]
    assert says(button) == [Contact.BOTH]


def test_a_level_counts_though_its_edge_was_lost(kernel: Kernel) -> None:
    button = KernelContacts(os.devnull, Contacts(5, 6))
    kernel.levels = 0b01
    assert says(button) == [Contact.RELEASED]
    kernel.levels = 0b10
    assert says(button) == [Contact.PRESSED]


def test_a_plain_contact_tells_a_tap_that_is_over(kernel: Kernel) -> None:
    button = KernelContacts(os.devnull, Contacts(5, None))
    kernel.levels = 0b1
    assert says(button) == [Contact.RELEASED]
    kernel.edge((FALLING, 5), (RISING, 5))
    assert says(button) == [Contact.PRESSED, Contact.RELEASED, Contact.RELEASED]


def test_an_edge_tells_how_long_ago_it_was(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    button = KernelContacts(os.devnull, Contacts(5, None))
    kernel.levels = 0b1
    monkeypatch.setattr(contacts, "monotonic_ns", lambda: 1_000_000_000)
    kernel.events((960_000_000, FALLING, 5), (970_500_000, RISING, 5))
    assert button.read() == [
        said(Contact.PRESSED, 40),
        said(Contact.RELEASED, 29),
        said(Contact.RELEASED),
    ]


def unsteady(button: KernelContacts) -> list[bool]:
    return [said.unsteady for said in button.read()]


def test_an_edge_to_where_the_contact_is_tells_that_it_was_elsewhere(kernel: Kernel) -> None:
    button = KernelContacts(os.devnull, Contacts(5, 6))
    kernel.levels = 0b01
    button.read()
    kernel.edge((RISING, 6), (FALLING, 5), (FALLING, 5), (RISING, 6), (RISING, 5), (FALLING, 6))
    assert unsteady(button) == [False, False, True, True, False, False, False]
    kernel.edge((RISING, 5))
    assert unsteady(button) == [True, False]


def test_an_edge_whose_level_was_seen_before_it_is_no_other(kernel: Kernel) -> None:
    """It may be told late: a session that the release has started by then must go on."""
    button = KernelContacts(os.devnull, Contacts(5, 6))
    kernel.levels = 0b01
    button.read()
    kernel.edge((FALLING, 6))
    assert unsteady(button) == [False, False]
    kernel.edge((FALLING, 6))
    assert unsteady(button) == [True, False]
    kernel.levels = 0b11
    button.read()
    kernel.edge((FALLING, 6), (RISING, 6), (RISING, 6))
    assert unsteady(button) == [False, False, True, False]


def test_where_the_contacts_are_at_the_start_is_no_edge_that_is_still_to_come(
    kernel: Kernel,
) -> None:
    kernel.levels = 0b01
    button = KernelContacts(os.devnull, Contacts(5, 6))
    button.read()
    kernel.edge((FALLING, 6))
    assert unsteady(button) == [True, False]


def test_an_edge_tells_that_some_before_it_were_lost(kernel: Kernel) -> None:
    button = KernelContacts(os.devnull, Contacts(5, None))
    kernel.levels = 0b1
    button.read()
    kernel.edge((FALLING, 5), (RISING, 5))
    kernel.number += 1_000
    kernel.edge((FALLING, 5), (RISING, 5))
    assert unsteady(button) == [False, False, True, False, False]
    button._number = kernel.number = 2**32 - 2
    kernel.edge((FALLING, 5), (RISING, 5), (FALLING, 5))
    assert unsteady(button) == [False, False, False, False]


def test_edges_of_two_lines_may_come_in_another_order(kernel: Kernel) -> None:
    button = KernelContacts(os.devnull, Contacts(5, 6))
    kernel.levels = 0b01
    button.read()
    kernel.edge((RISING, 6))
    kernel.number = 2
    kernel.edge((FALLING, 5))
    kernel.number = 1
    kernel.edge((FALLING, 6))
    kernel.number = 3
    kernel.edge((RISING, 5))
    assert unsteady(button) == [False, True, False, False, False]


def test_of_a_contact_that_chatters_a_look_takes_so_many_edges_and_the_next_the_rest(
    kernel: Kernel,
) -> None:
    button = KernelContacts(os.devnull, Contacts(5, None))
    kernel.edge(*[(FALLING, 5), (RISING, 5)] * MOST_EDGES)
    assert len(button.read()) == MOST_EDGES + 1
    assert len(button.read()) == MOST_EDGES + 1
    assert len(button.read()) == 1


@pytest.mark.parametrize("pin", [5, 6])
def test_a_line_that_another_holds_is_named(kernel: Kernel, pin: int) -> None:
    kernel.busy = pin
    with pytest.raises(DeviceError) as error:
        KernelContacts(os.devnull, Contacts(5, 6))
    assert str(error.value) == (
        f"the start button on GPIO {pin} cannot be used: Device or resource busy; "
        "`firmware-ctl doctor` says who holds it"
    )


def test_no_command_presses_a_real_button(kernel: Kernel) -> None:
    with pytest.raises(CallerError, match="a hand has to do it") as refusal:
        KernelContacts(os.devnull, Contacts(5, 6)).press(True)
    assert refusal.value.code == "not-here"
