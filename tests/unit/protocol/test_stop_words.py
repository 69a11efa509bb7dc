"""Which words mean stop, and which are slips of another command."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware_ctl.protocol.commands import COMMANDS
from firmware_ctl.protocol.stop_words import STOP_WORDS, means_stop, slips


@pytest.mark.parametrize("word", [*STOP_WORDS, "STOP", "off.", "--halt", "stop;", "abort-now"])
def test_means_stop_for_a_stop_word_in_any_case_and_with_punctuation(word: str) -> None:
    assert means_stop(word, COMMANDS)


@pytest.mark.parametrize(
    "word",
    [
        "sttop",
        "stpo",
        "sto",
        "top",
        "atop",
        "stip",
        "stopp",
        "tsop",
        "hlat",
        "hal",
        "halr",
        "of",
        "offf",
        "fof",
        "aborr",
        "baort",
    ],
)
def test_means_stop_for_one_slip(word: str) -> None:
    assert means_stop(word, COMMANDS)


@pytest.mark.parametrize("word", ["", "...", "spot", "on", "stttop", "stapp", "exit", "nonsense"])
def test_means_stop_for_another_word_is_false(word: str) -> None:
    assert not means_stop(word, COMMANDS)


@pytest.mark.parametrize("word", ["halp", "sart", "stat", "tart"])
def test_means_stop_for_a_slip_of_another_command_is_false(word: str) -> None:
    assert not means_stop(word, COMMANDS)


@pytest.mark.parametrize("word", [word for word in COMMANDS if word != "stop"])
def test_means_stop_for_another_command_is_false(word: str) -> None:
    assert not means_stop(word, COMMANDS)


SLIPS = frozenset(slips())
NEAR_STOP = st.text("abfhlopst1", max_size=6)


@settings(max_examples=1_000, deadline=None)
@given(NEAR_STOP)
@example("stop")
@example("of")
def test_slips_are_the_words_that_mean_stop_without_other_commands(word: str) -> None:
    assert (word in SLIPS) == means_stop(word, ())


def test_every_slip_means_stop_without_other_commands() -> None:
    assert [slip for slip in SLIPS if not means_stop(slip, ())] == []
