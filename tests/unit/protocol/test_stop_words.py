"""Which words mean stop, and which are slips of another command."""

import pytest

from firmware_ctl.protocol.commands import COMMANDS
from firmware_ctl.protocol.stop_words import STOP_WORDS, means_stop


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
