"""A tap on the start button while a `try` replaces another one: no motor moves after it.

The daemon compiles the second line between the end of the first `try` and the start of the second
one, and reads the button only afterwards.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_ctl.config.mat import Mat
from firmware_ctl.protocol import commands, meaning
from firmware_ctl.protocol.commands import CommandContext
from firmware_ctl.protocol.connection import Connection
from firmware_ctl.protocol.framing import Flaw, Line
from firmware_ctl.protocol.meaning import answer
from firmware_ctl.protocol.try_line import try_timeline
from firmware_ctl.session.button import Contact, spells_of
from firmware_ctl.session.events import Contacts
from firmware_ctl.timeline.model import Timeline
from tests.support.reached import must_reach, reached
from tests.support.worlds import SILENCE, Bench, WirePoller

TRY: Final = b"try all steady 30\r"
RESTART_MS: Final = 100
LONGEST_GAP_MS: Final = 1_200
"""Below the 1.5 s for which the button is locked. So each tap finds the button locked, a `try` that
runs, or a `try` that is compiled, and is a stop in each case."""


class Tap(NamedTuple):
    at_ms: int
    for_ms: int
    bounces_ms: tuple[int, ...] = ()
    """Times after the release at which the contact moves once more; an even number of them."""

    @property
    def released_at_ms(self) -> int:
        return self.at_ms + self.for_ms

    def edges(self) -> list[tuple[int, Contact]]:
        moves_ms = [self.at_ms, self.released_at_ms]
        moves_ms += [self.released_at_ms + after_ms for after_ms in self.bounces_ms]
        sides = (Contact.PRESSED, Contact.RELEASED)
        return [(at_ms, sides[n % 2]) for n, at_ms in enumerate(moves_ms)]


class EdgeButton:
    """A button whose edges wait, with their times, until the loop reads them."""

    def __init__(self, taps: list[Tap]) -> None:
        self.poller = WirePoller()
        self._edges = [edge for tap in taps for edge in tap.edges()]
        self._contact = Contact.RELEASED

    def read(self) -> Contacts:
        edges = [edge for edge in self._edges if edge[0] <= self.poller.now_ms()]
        del self._edges[: len(edges)]
        if edges:
            self._contact = edges[-1][1]
        return Contacts(self._contact, spells_of(edges))

    def press(self, is_down: bool) -> None:
        raise NotImplementedError


def bench_with(taps: list[Tap]) -> Bench:
    """A daemon whose loop wakes at each edge of the button, unless it is busy then."""
    button = EdgeButton(taps)
    bench = Bench(button)  # type: ignore[arg-type]
    button.poller = bench.poller
    for tap in taps:
        for at_ms, _ in tap.edges():
            bench.at(at_ms, lambda _: None)
    return bench


def play(
    monkeypatch: pytest.MonkeyPatch, tries: list[tuple[int, int]], taps: list[Tap]
) -> tuple[Bench, list[str], list[int]]:
    """Sends a `try` at each time, whose compilation takes so many milliseconds. Returns the
    answers, and when the loop read each line."""
    bench = bench_with(taps)
    compile_ms, arrivals_ms = 0, list[int]()

    def compile_slowly(words: Sequence[str], mat: Mat) -> Timeline:
        bench.poller.hold_up(compile_ms)
        return try_timeline(words, mat)

    def answer_and_note(
        context: CommandContext, connection: Connection, text: str | Flaw, line: Line
    ) -> list[str] | None:
        nonlocal compile_ms
        compile_ms = tries[len(arrivals_ms)][1]
        arrivals_ms.append(line.arrived_at_ms)
        return answer(context, connection, text, line)

    monkeypatch.setattr(commands, "try_timeline", compile_slowly)
    monkeypatch.setattr(meaning, "answer", answer_and_note)
    for at_ms, _ in tries:
        bench.send(at_ms, TRY)
    bench.run(20_000)
    return bench, bench.wires[0].lines()[1:], arrivals_ms


def moved_between(bench: Bench, from_ms: int, until_ms: int) -> list[int]:
    return [
        at_ms for at_ms, duties in bench.pins.written if from_ms <= at_ms < until_ms and any(duties)
    ]


OVERTAKEN = "err busy a stop overtook this request; send it again"


@pytest.mark.parametrize("tap", [Tap(2_001, 1), Tap(2_010, 80), Tap(2_149, 1), Tap(2_100, 40)])
def test_tap_while_the_next_try_is_compiled_refuses_it(
    monkeypatch: pytest.MonkeyPatch, tap: Tap
) -> None:
    bench, answers, _ = play(monkeypatch, [(1_000, 0), (2_000, 150)], [tap])

    assert answers == ["ok left=10", OVERTAKEN]
    assert moved_between(bench, 1_500, 2_000)
    assert not moved_between(bench, 2_001, 20_000)


def test_try_that_a_stop_overtook_is_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compilation would delay the reading of the next stop."""
    tries = [(1_000, 0), (2_050, 150), (2_100, 0)]
    _, answers, arrivals_ms = play(monkeypatch, tries, [Tap(2_000, 20)])

    assert answers == [
        "ok left=10",
        "err busy stopped just now; try again in a moment",
        "ok left=10",
    ]
    assert arrivals_ms == [1_000, 2_050, 2_100]


def test_touch_while_the_first_try_is_compiled_refuses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    bench, answers, _ = play(monkeypatch, [(1_000, 150)], [Tap(1_050, 5)])

    assert answers == [OVERTAKEN]
    assert not moved_between(bench, 0, 20_000)


@pytest.mark.parametrize(("for_ms", "answer"), [(60, "err busy calm is"), (200, OVERTAKEN)])
def test_press_of_an_idle_mat_while_the_first_try_is_compiled_starts_the_profile_alone(
    monkeypatch: pytest.MonkeyPatch, for_ms: int, answer: str
) -> None:
    """No `try` ran, so the button is not locked, and the press means what it always means."""
    bench, answers, _ = play(monkeypatch, [(1_000, 150)], [Tap(1_010, for_ms)])

    assert answers[0].startswith(answer)
    assert bench.session.status.started == 1
    assert moved_between(bench, 1_150, 2_000)


def test_no_haptic_plays_while_a_try_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop reads no stop meanwhile. A hold of 0.8 s selected the next profile, and the haptic
    tells its number."""
    hold, at_ms = Tap(1_000, 850), 1_950
    bench, _, _ = play(monkeypatch, [(at_ms, 150)], [hold])

    assert moved_between(bench, hold.at_ms + 800, at_ms)
    before = [duties for written_ms, duties in bench.pins.written if written_ms <= at_ms]
    assert before[-1] == SILENCE


@pytest.mark.parametrize("bounces_ms", [(), (3, 6), (3, 5, 8, 12)])
@pytest.mark.parametrize("after_release_ms", [0, 1, 40, 99])
def test_try_just_after_the_release_of_a_stop_starts(
    monkeypatch: pytest.MonkeyPatch, after_release_ms: int, bounces_ms: tuple[int, ...]
) -> None:
    """The press stopped the mat. Its release is no stop, and neither are the release's bounces,
    as long as no `try` runs yet."""
    tap = Tap(2_000, 250, bounces_ms)
    at_ms = tap.released_at_ms + max(after_release_ms, *bounces_ms, 0)
    bench, answers, _ = play(monkeypatch, [(1_000, 0), (at_ms, 0)], [tap])

    assert answers == ["ok left=10", "ok left=10"]
    assert moved_between(bench, at_ms, at_ms + 1_000)


@pytest.mark.parametrize("gap_ms", [120, 500, 1_300])
def test_second_tap_refuses_a_start_that_waits_behind_a_reload(gap_ms: int) -> None:
    """The first tap stopped a session. The start was sent after that, and has no answer yet."""
    taps = [Tap(2_000, 60), Tap(2_200 + gap_ms, 60)]
    bench = bench_with(taps)
    bench.reload_ms = 3_000
    bench.send(1_000, b"start calm\r")
    bench.send(2_200, b"reload\rstart calm\r")
    bench.run(9_000)

    assert bench.wires[0].lines()[-1] == OVERTAKEN
    assert moved_between(bench, 1_500, 2_000)
    assert not moved_between(bench, 2_001, 9_000)


@st.composite
def scripts(draw: st.DrawFn) -> tuple[list[tuple[int, int]], list[Tap]]:
    """Tries with the time that each takes to compile, and taps. The first event is a `try`."""
    at_ms, tries, taps = 1_000, [(1_000, draw(st.integers(0, 150)))], list[Tap]()
    free_at_ms = 1_200
    """The next tap comes at this time at the earliest: faster ones are noise."""
    for _ in range(draw(st.integers(1, 6))):
        at_ms += draw(st.one_of(st.integers(0, 200), st.integers(0, LONGEST_GAP_MS)))
        if draw(st.booleans()):
            tries.append((at_ms, draw(st.sampled_from([0, 5, 60, 150]))))
            continue
        at_ms = max(at_ms, free_at_ms)
        bounces_ms = draw(st.sampled_from([(), (2, 4), (1, 6, 9, 14)]))
        tap = Tap(at_ms, draw(st.sampled_from([1, 5, 40, 80, 200, 400])), bounces_ms)
        taps.append(tap)
        free_at_ms = tap.released_at_ms + 50
    return tries, taps


@must_reach(taps_while_compiling=10, clear_tries=50)
@settings(max_examples=300, deadline=None)
@given(scripts())
def test_no_motor_moves_between_a_tap_and_the_next_try_after_it(
    script: tuple[list[tuple[int, int]], list[Tap]],
) -> None:
    tries, taps = script
    with pytest.MonkeyPatch.context() as monkeypatch:
        bench, answers, arrivals_ms = play(monkeypatch, tries, taps)
    assert len(answers) == len(tries)
    sent_at_ms = [at_ms for at_ms, _ in tries]
    for tap in taps:
        later_ms = [at_ms for at_ms in arrivals_ms if at_ms >= tap.at_ms + RESTART_MS]
        until_ms = later_ms[0] if later_ms else 20_000
        assert not moved_between(bench, tap.at_ms + 1, until_ms)
    for (at_ms, compile_ms), final in zip(tries, answers, strict=True):
        if any(at_ms < tap.at_ms < at_ms + compile_ms for tap in taps):
            reached("taps_while_compiling")
        # A tap long ago, also one whose release has just bounced, refuses nothing.
        is_clear = not any(at_ms - 450 < tap.at_ms < at_ms + 500 for tap in taps)
        is_clear &= not any(at_ms - 450 < other_ms < at_ms for other_ms in sent_at_ms)
        is_released = all(tap.released_at_ms + 14 < at_ms for tap in taps if tap.at_ms < at_ms)
        if is_clear and is_released:
            reached("clear_tries")
            assert final == "ok left=10"
