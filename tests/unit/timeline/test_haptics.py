"""The rhythm of haptics, as whole lists."""

from firmware_ctl.config import shipped
from firmware_ctl.limits import SIGNAL_LEVEL_PCT, SIGNAL_MS
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import Contacts, Wake
from firmware_ctl.session.session import Session
from firmware_ctl.timeline.folder import load_mat, read_catalogue
from firmware_ctl.timeline.haptics import (
    GAPS,
    haptic_cue,
    haptic_length_ms,
    profile_number_pulses,
    refused_pulse,
)
from firmware_ctl.timeline.steps import Steps


def test_profile_number_is_that_many_pulses() -> None:
    assert profile_number_pulses(2) == Steps((0, 200, 400, 600), (30, 0, 30, 0), 800)
    assert profile_number_pulses(12) == profile_number_pulses(100)


def test_refused_is_one_long_pulse() -> None:
    assert refused_pulse() == Steps((0, 1_000), (30, 0), 1_200)


def test_idle_haptics_are_within_their_limits() -> None:
    every = [refused_pulse(), *map(profile_number_pulses, range(1, 200))]

    assert max(steps.cycle_ms for steps in every) <= SIGNAL_MS
    assert {level for steps in every for level in steps.level_pct} == {0, SIGNAL_LEVEL_PCT}
    assert {steps.level_pct[-1] for steps in every} == {0}


def test_haptic_cues_of_a_session_differ_by_the_number_of_gaps() -> None:
    assert GAPS == {"cue-begin": 2, "cue-end": 3, "five-minutes-left": 5}
    cue = haptic_cue("cue-end", 1_000)
    assert [(gap.begin_ms, gap.end_ms) for gap in cue.gaps] == [
        (1_000, 1_200),
        (1_400, 1_600),
        (1_800, 2_000),
    ]
    assert cue.end_ms - cue.begin_ms == haptic_length_ms("cue-end")


def test_idle_pulse_begins_with_a_full_kick_so_that_it_is_felt() -> None:
    mat = load_mat(shipped.mat_file())
    session = Session(mat, read_catalogue([shipped.profiles_dir()], mat))
    session.handle(Contacts(Contact.RELEASED), 0)
    session.handle(Wake(), 100)
    session.handle(Contacts(Contact.PRESSED), 1_000)
    step = session.handle(Wake(), 1_800)
    assert session.status.haptic == "profile-2"
    assert (step.duty_pct, step.kicks) == ((0, 0, 72, 72, 72, 72, 0, 0), (2, 3, 4, 5))
