"""A procedure: keys, contacts, faults and time become answers and duties."""

import pytest

from firmware_ctl.commissioning.procedure import (
    BUTTON,
    ENDED,
    MOTOR_MS,
    OTHER_KEY,
    OUT_OF_TIME,
    QUIT,
    SPACE,
    Answer,
    Question,
    Questions,
    Ramp,
)
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import Close, Contacts, Fault, Input, Suspended
from tests.support.worlds import SILENCE
from tests.support.worlds_procedure import NO_RAIL, Script, ran_ms


def ask_in_turn(*questions: Question) -> Questions[list[Answer]]:
    answers = []
    for question in questions:
        answers.append((yield question))
    return answers


UP = Question(("up",), "t", "t", 1, Ramp(2, 6, 2, 400))


# ---- the procedure


def test_ramp_rises_to_its_end_or_falls_to_zero() -> None:
    up, down = Ramp(2, 6, 2, 400), Ramp(4, 0, 1, 500)
    assert [up.at(t) for t in (0, 399, 400, 800, 1200)] == [
        (2, 400), (2, 400), (4, 800), (6, 1200), (None, 1600),
    ]  # fmt: skip
    assert [down.at(t)[0] for t in (0, 500, 1000, 1500, 2000)] == [4, 3, 2, 1, None]


def test_answer_turns_the_motor_off_before_the_next_question() -> None:
    script = Script(ask_in_turn(UP, Question(("and",), "y", "y"))).keys((900, "t"), (2000, "y"))
    assert script.duties == [(0, (0, 2, 0)), (400, (0, 4, 0)), (800, (0, 6, 0)), (900, SILENCE)]
    assert script.shown == [(0, "up"), (900, "and")]
    assert script.procedure.result == [Answer("t", 6), Answer("y", 0)]
    assert script.procedure.closed


def test_ended_ramp_or_unknown_key_turns_the_motor_off() -> None:
    script = Script(ask_in_turn(UP, UP)).at(3000)
    assert script.procedure.result == [Answer(ENDED, 6), Answer(ENDED, 6)]
    assert script.duties[3:5] == [(1200, (0, 2, 0)), (1600, (0, 4, 0))]
    script = Script(ask_in_turn(UP, Question(("and",), "y", "y"))).keys((100, "z"), (200, "y"))
    assert script.duties == [(0, (0, 2, 0)), (100, SILENCE)]
    assert script.procedure.result == [Answer(OTHER_KEY, 2), Answer("y", 0)]


@pytest.mark.parametrize("key", ["q", "\x03", "\x04", ""])
def test_leave_key_always_ends_the_procedure_with_motors_off(key: str) -> None:
    script = Script(ask_in_turn(UP)).at(500, key)
    assert (script.procedure.closed, script.procedure.result) == (True, None)
    assert script.duties[-1] == (500, SILENCE)
    assert script.lines[-1] == "Stopped: the motors are off."


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Close(), "Stopped by a signal: the motors are off."),
        (Suspended(5000), "The machine was suspended: the motors are off."),
        (NO_RAIL, f"The motors are off: {NO_RAIL.message}."),
        (Fault("tick-late", "the loop was held up"), "The motors are off: the loop was held up."),
    ],
)
def test_event_that_ends_a_session_ends_the_procedure(event: Input, line: str) -> None:
    script = Script(ask_in_turn(UP)).at(500, event)
    assert (script.procedure.closed, script.procedure.result) == (True, None)
    assert script.duties[-1] == (500, SILENCE)
    assert script.lines[-1] == line
    assert not script.procedure.is_moving


def test_held_key_answers_only_once() -> None:
    questions = [Question((), "y", "y") for _ in range(3)]
    script = Script(ask_in_turn(*questions))
    script.keys((0, "y"), (600, "y"), (1200, "y"), (1800, "y"))
    assert not script.procedure.closed
    script.keys((2500, "y"), (3200, "y"))
    assert script.procedure.closed


def test_start_button_press_turns_the_motor_off() -> None:
    script = Script(ask_in_turn(UP, Question((), "y", "y")))
    script.at(100, Contacts(Contact.RELEASED)).at(200, Contacts(Contact.PRESSED)).at(900, "y")
    assert script.duties[-1] == (200, SILENCE)
    assert script.procedure.result == [
        Answer(BUTTON, 2, Contact.PRESSED),
        Answer("y", 0, Contact.PRESSED),
    ]
    never_wired = Script(ask_in_turn(UP))
    never_wired.at(100, Contacts(Contact.NEITHER)).at(200, Contacts(Contact.NEITHER))
    assert never_wired.procedure.is_moving


def test_ramp_above_the_highest_duty_is_limited_to_it() -> None:
    script = Script(ask_in_turn(Question((), "", "t", 0, Ramp(70, 100, 10, 100)))).at(250)
    assert script.duties == [(0, (70, 0, 0)), (100, (80, 0, 0))]


def test_motor_that_ran_for_a_minute_runs_no_more() -> None:
    long = UP._replace(drive=Ramp(1, 1000, 1, 1000))
    script = Script(ask_in_turn(long, long, long)).at(40_000, "t").at(200_000)
    assert [answer.text for answer in script.procedure.result] == ["t", OUT_OF_TIME, OUT_OF_TIME]  # type: ignore[attr-defined]
    assert ran_ms(script, 1) == MOTOR_MS


@pytest.mark.parametrize("key", ["q", "\x03", "\x04"])
def test_question_that_takes_quit_gets_it_as_an_answer_with_the_motor_off(key: str) -> None:
    script = Script(ask_in_turn(UP._replace(takes_quit=True), Question((), "y", "y")))
    script.at(500, key)
    assert not script.procedure.closed
    assert script.duties[-1] == (500, SILENCE)
    assert script.at(2_000, "y").procedure.result == [Answer(QUIT, 4), Answer("y", 0)]


def test_question_that_takes_quit_ends_when_the_terminal_is_gone() -> None:
    script = Script(ask_in_turn(UP._replace(takes_quit=True))).at(500, "")
    assert (script.procedure.closed, script.procedure.result) == (True, None)
    assert script.duties[-1] == (500, SILENCE)


def test_key_before_the_question_opens_answers_nothing_and_the_motor_runs_on() -> None:
    script = Script(ask_in_turn(UP._replace(opens_after_ms=900)))
    assert script.procedure.prompt == "the motor starts   space: stop   q: quit"
    script.at(100, "t")
    assert script.lines[-1] == "Too early: the motor has not had time to start. It goes on."
    assert script.procedure.is_moving
    assert script.at(900).procedure.prompt == "t"
    assert script.at(1_000, "t").procedure.result == [Answer("t", 6)]


@pytest.mark.parametrize(("key", "text"), [("z", OTHER_KEY), (" ", SPACE)])
def test_unknown_key_or_space_before_the_question_opens_turns_the_motor_off(
    key: str, text: str
) -> None:
    script = Script(ask_in_turn(UP._replace(opens_after_ms=900, keys="t "))).at(100, key)
    assert script.procedure.result == [Answer(text, 2)]
    assert script.duties[-1] == (100, SILENCE)
