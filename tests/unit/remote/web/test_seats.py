"""How many phones watch and command."""

from hypothesis import given
from hypothesis import strategies as st

from firmware_ctl.remote.web.seats import MOST_COMMANDING, MOST_WATCHING, Seats


def test_ninth_paired_phone_watches_until_a_seat_is_free() -> None:
    seats: Seats[int] = Seats()
    assert all(seats.enter(phone, True) for phone in range(10))
    assert [seats.may_command(phone) for phone in (7, 8, 9)] == [True, False, False]
    seats.leave(3)
    assert [seats.may_command(phone) for phone in (7, 8, 9)] == [True, True, False]


def test_strangers_take_no_seat_of_the_paired() -> None:
    seats: Seats[int] = Seats()
    entered = [seats.enter(phone, False) for phone in range(30)]
    assert entered == [True] * MOST_WATCHING + [False] * (30 - MOST_WATCHING)
    assert all(seats.enter(phone, True) for phone in range(100, 100 + MOST_COMMANDING))
    assert not seats.enter(200, True)


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.booleans())))
def test_seats_are_never_more_and_no_stranger_commands(moves: list[tuple[int, bool, bool]]) -> None:
    seats: Seats[int] = Seats()
    paired: dict[int, bool] = {}
    for phone, enters, is_paired in moves:
        if enters and phone not in paired:
            if seats.enter(phone, is_paired):
                paired[phone] = is_paired
        elif not enters:
            seats.leave(phone)
            paired.pop(phone, None)
        assert {*seats.phones} == {*paired}
        assert seats.commanding <= MOST_COMMANDING
        assert len(seats) - seats.commanding <= MOST_WATCHING
        commanding = [phone for phone in paired if seats.may_command(phone)]
        assert all(paired[phone] for phone in commanding)
        # A paired phone waits only while all seats are taken.
        assert len(commanding) == min(sum(paired.values()), MOST_COMMANDING)
