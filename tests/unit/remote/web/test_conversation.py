"""The daemon's bytes become answers and events."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from firmware_ctl.remote.web.conversation import Answer, Conversation, Told

LINES = (
    b"* status state=idle\r\n- a minutes=1\r\n- b minutes=2\r\nok count=2\r\n"
    b"* event=state state=running by=web\r\nerr busy something runs\r\n* stopped\r\n"
)
ITEMS = [
    Told("status state=idle"),
    Answer(("a minutes=1", "b minutes=2"), "ok count=2"),
    Told("event=state state=running by=web"),
    Answer((), "err busy something runs"),
    Told("stopped"),
]


@given(st.lists(st.integers(0, len(LINES)), max_size=8))
def test_conversation_is_the_same_however_the_bytes_are_split(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(LINES)]
    conversation = Conversation()
    found = [item for begin, end in pairwise(edges) for item in conversation.feed(LINES[begin:end])]
    assert found == ITEMS


@given(st.lists(st.binary(max_size=200)))
def test_conversation_takes_any_bytes(chunks: list[bytes]) -> None:
    conversation = Conversation()
    for chunk in chunks:
        list(conversation.feed(chunk))


def test_refusal_has_code_and_message() -> None:
    assert Answer((), "err allowance 20 the day is used up").refusal == (
        "allowance",
        "20 the day is used up",
    )
    assert Answer((), "err").refusal == ("", "")
