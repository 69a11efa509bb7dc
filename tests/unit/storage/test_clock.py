"""What the machine's clocks say, and when the time of day counts."""

import pytest

from firmware_ctl.storage.clock import read_clock


def test_read_clock_twice_goes_on_within_one_boot() -> None:
    first, second = read_clock(), read_clock()
    assert first.boot == second.boot
    assert len(first.boot) == 36
    assert first.up_ms <= second.up_ms
    assert (first.wall_ms is None) == (second.wall_ms is None)


@pytest.mark.parametrize("answer", [0, 4, 5, -1])
def test_read_clock_gives_the_time_of_day_only_if_synchronised(
    answer: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel answers TIME_ERROR, 5, for a time that a person or an RTC has set."""
    import ctypes

    class Libc:
        @staticmethod
        def adjtimex(timex: ctypes.Array[ctypes.c_char]) -> int:
            assert (len(timex) >= 208, timex[:4]) == (True, b"\0" * 4)  # modes 0 only reads
            return answer

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Libc)
    monkeypatch.setattr("time.time_ns", lambda: 5_000_000)

    clock = read_clock()
    assert isinstance(clock.up_ms, int)
    assert clock.wall_ms == (5 if answer in (0, 4) else None)


def test_read_clock_without_adjtimex_counts_as_synchronised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    assert read_clock().wall_ms is not None
