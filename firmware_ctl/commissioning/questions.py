"""The questions to a builder about each motor, the stop switch and the start button.

Each public function is a generator for `Procedure`. It knows what to show, which keys answer, how
the motor is driven meanwhile, and what the answers mean. It never knows a terminal or a file.

A key has one meaning in all questions: space runs a motor that is at rest and stops one that runs,
y and n are answers, s skips, b goes back, q quits. In a simulation x and p are the switches.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Final

from firmware_ctl.commissioning.procedure import (
    BUTTON,
    MOTOR_MS,
    OTHER_KEY,
    OUT_OF_TIME,
    RAIL_NEVER_ON,
    RAIL_OFF,
    SPACE,
    Answer,
    Gentle,
    Question,
    Questions,
)
from firmware_ctl.config.mat import Mat, Motor
from firmware_ctl.session.button import Contact

INTERRUPTIONS: Final[Mapping[str, str]] = {
    OTHER_KEY: "Unknown key. Motor off.",
    SPACE: "Motor off.",
    BUTTON: "Start button pressed. Motor off.",
    RAIL_OFF: "The motors' supply is off: release the stop switch, then check the fuse.",
    RAIL_NEVER_ON: "The supply was off before the motor ran: release the stop switch, plug it in.",
}
"""What turned a motor off that should have run on → the sentence to show."""
TIME_LIMIT: Final = f"{MOTOR_MS // 1000}-second limit reached."


def _present_motors(mat: Mat) -> list[tuple[int, Motor]]:
    """The motors of the zones that are present, with their index in `mat.motors`."""
    zones = {zone.name for zone in mat.zones if zone.present}
    return [(i, motor) for i, motor in enumerate(mat.motors) if motor.zone in zones]


def show(*lines: str) -> Generator[Question, Answer, None]:
    """Shows lines and asks nothing."""
    yield Question(lines, "", "", for_ms=0)


def ask_until_known_key(question: Question) -> Questions[Answer]:
    """Repeats the question until one of its keys is pressed."""
    while (answer := (yield question)).text == OTHER_KEY:
        question = question._replace(lines=("Unknown key.",))
    return answer


def _ask_while_running(question: Question, mat: Mat, motor: int) -> Questions[Answer]:
    """Asks while a motor runs gently. The keys answer once the motor has had time to start.

    After each of `INTERRUPTIONS` space runs the motor again; `expects_rail_off` makes the supply
    that is off an answer instead.
    """
    answers = (RAIL_OFF,) if question.expects_rail_off else ()
    question = question._replace(motor=motor, expects_rail_off=True)
    while True:
        drive = Gentle(mat, motor)
        answer = yield question._replace(drive=drive, opens_after_ms=drive.turns_after_ms)
        if answer.text in answers or answer.text not in INTERRUPTIONS:
            return answer
        line = INTERRUPTIONS[answer.text]
        yield from ask_until_known_key(Question((line,), "space: run it again   q: quit", " "))
        question = question._replace(lines=())


# ---- wiring


def check_motors(mat: Mat, was_felt: dict[str, bool]) -> Questions[bool]:
    """Runs every motor of the present zones gently. Result: each was felt in its place.

    Writes motor name → felt into `was_felt` after each answer, so that the answers are known
    however the procedure ends. The motors that were not felt can be run again, for example after a
    plug was pushed in.
    """
    motors = _present_motors(mat)
    intro = (
        f"Motors to run: {len(motors)}, one after another, gently, each for at most "
        f"{MOTOR_MS // 1000} s. Put a hand on each, or lie down and have someone else press the "
        "keys."
    )
    yield from ask_until_known_key(Question((intro,), "space: begin   q: quit", " "))
    while motors:
        yield from _ask_about_motors(mat, motors, was_felt)
        yield from show(*motor_report(mat, was_felt))
        motors = [(i, motor) for i, motor in motors if not was_felt[motor.name]]
        if motors:
            keys = "space: run those not felt again   Enter: finish   q: quit"
            answer = yield from ask_until_known_key(Question((), keys, " \n"))
            if answer.text == "\n":
                break
    return all(was_felt.values())


def _ask_about_motors(
    mat: Mat, motors: Sequence[tuple[int, Motor]], was_felt: dict[str, bool]
) -> Questions[None]:
    """Asks about each motor, and writes the answers into `was_felt`. b goes back to the one before,
    whose answer is then asked again."""
    position = 0
    while position < len(motors):
        i, motor = motors[position]
        place = f"{motor.zone.replace('_', ' ')}, {motor.side} side"
        head = f"{position + 1}/{len(motors)}  {motor.name}: GPIO {motor.pin}, {place}"
        key = yield from _ask_about_motor(mat, i, head, can_go_back=position > 0)
        if key == "b":
            position -= 1
            continue
        was_felt[motor.name] = key == "y"
        yield from show("     felt" if was_felt[motor.name] else "     NOT FELT")
        position += 1


def _ask_about_motor(mat: Mat, i: int, head: str, can_go_back: bool) -> Questions[str]:
    """Returns y, n, or b."""
    back, b = ("   b: back", "b") if can_go_back else ("", "")
    keys = f"y: felt   n: not felt   space: stop{back}   q: quit"
    answer = yield from _ask_while_running(Question((head,), keys, f"yn{b}"), mat, i)
    if answer.text == OUT_OF_TIME:
        line = f"{TIME_LIMIT} Motor off. Did you feel it there?"
        keys = f"y: felt   n: not felt{back}   q: quit"
        answer = yield from ask_until_known_key(Question((line,), keys, f"yn{b}"))
    return answer.text


def motor_report(mat: Mat, was_felt: Mapping[str, bool]) -> Iterator[str]:
    """Every motor with its answer, then what to check for each motor that was not felt."""
    motors = [motor for _, motor in _present_motors(mat)]
    words = {True: "felt", False: "NOT FELT", None: "no answer"}
    for motor in motors:
        yield f"  {motor.name:<20} GPIO {motor.pin:<3} {words[was_felt.get(motor.name)]}"
    missed_motors = [motor for motor in motors if was_felt.get(motor.name) is False]
    if len(missed_motors) == len(motors):
        yield (
            "No motor was felt: check the motors' supply, its fuse, the stop switch, and the "
            "ground between Pi and driver."
        )
        return
    for motor in missed_motors:
        yield (
            f"{motor.name}: if nothing ran, check the wire from GPIO {motor.pin} to its driver, "
            "the plug and the PTC. If another motor ran, two wires or header pins are swapped: "
            "fix the wiring, not the mat file."
        )


# ---- stop switch and start button


def check_stop_switch(mat: Mat) -> Questions[bool | None]:
    """True if the stop switch stops a running motor, and the motor runs again after its release.

    False if it does not stop the motor. None if the time was too short for an answer. With a
    read-back the rail shows that the motor has stopped; without one the person answers.
    """
    i, motor = _present_motors(mat)[0]
    has_read_back = mat.gate is not None and mat.gate.rail_pin is not None
    intro = (
        f"{motor.name} will run gently. While it runs, press the stop switch, as you would lying "
        "down."
    )
    yield from ask_until_known_key(Question((intro,), "space: begin   q: quit", " "))
    press = f"{motor.name} runs. Press the stop switch."
    if has_read_back:
        question = Question((press,), "n: pressed, but it still runs   q: quit", "n")
    else:
        question = Question((press,), "y: it stopped   n: it still runs   q: quit", "yn")
    question = question._replace(expects_rail_off=has_read_back)
    answer = yield from _ask_while_running(question, mat, i)
    if answer.text == RAIL_OFF:
        yield from show("The read-back shows that the motors' supply is off.")
    elif answer.text == "n":
        yield from show(_STOP_FAILS)
        return False
    elif answer.text != "y":
        yield from show(f"{TIME_LIMIT} The stop switch was not pressed in time.")
        return None
    line = "Release it: turn or pull it."
    while True:
        release = Question((line,), "space: run the motor again   q: quit", " ")
        yield from ask_until_known_key(release)
        question = Question(
            (f"{motor.name} runs again, gently.",),
            "y: it runs   n: it does not   q: quit",
            "yn",
            expects_rail_off=has_read_back,
        )
        answer = yield from _ask_while_running(question, mat, i)
        if answer.text == "y":
            return True
        line = "Check that the stop switch is released, then check the fuse."
        if answer.text == OUT_OF_TIME:
            yield from show(f"{TIME_LIMIT} {line}")
            return None


_STOP_FAILS: Final = (
    "THE STOP SWITCH DOES NOT STOP THE MOTOR. Do not use the mat. The switch itself must cut the "
    "motors' supply: check its wires."
)


def check_start_button(mat: Mat) -> Questions[bool]:
    """True if the contacts read released, pressed and released again, or there is no button."""
    pins = mat.button
    if pins is None:
        yield from show("The mat file has no start button.")
        return True
    wires = f"GPIO {pins.pressed_pin}"
    if pins.released_pin is not None:
        wires += f" (pressed) and GPIO {pins.released_pin} (released)"
    for line, contact in (
        (f"The start button is on {wires}. Do not touch it.", Contact.RELEASED),
        ("It reads released. Press it and hold it.", Contact.PRESSED),
        ("It reads pressed. Release it.", Contact.RELEASED),
    ):
        question = Question((line,), "n: nothing happens   q: quit", "n", contact=contact)
        answer = yield from ask_until_known_key(question)
        if answer.text == "n":
            reading = answer.contact.value if answer.contact else "nothing"
            yield from show(
                f"The contacts read `{reading}` instead of `{contact.value}`: check the wires of "
                f"{wires} and the button's ground."
            )
            return False
    yield from show("It reads released: the start button works.")
    return True
