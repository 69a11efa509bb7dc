"""What a frame of a phone means."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_ctl.protocol.framing import LONGEST_LINE
from firmware_ctl.remote.web.frames import LONGEST, Command, Ping, Refused, Stop, read_frame


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ("!", Stop()),
        ('{"do":"stop"}', Stop()),
        ('{"do":"ping"}', Ping()),
        (
            '{"do":"start","profile":"neck","lease":0}',
            Command(("lease 0", "start neck"), needs_button=True, lease_s=0),
        ),
        (
            '{"do":"start","profile":"neck","lease":5}',
            Command(("lease 5", "start neck"), lease_s=5),
        ),
        ('{"do":"select","profile":"neck-2"}', Command(("select neck-2",))),
        ('{"do":"pause"}', Command(("pause",))),
        ('{"do":"resume"}', Command(("resume",))),
        ('{"do":"trim","pct":70}', Command(("trim 70",), trim_pct=70)),
        ('{"do":"clear"}', Command(("clear",))),
    ],
)
def test_frame_is_a_stop_a_ping_or_requests(text: str, frame: object) -> None:
    assert read_frame(text) == read_frame(text.encode()) == frame


@pytest.mark.parametrize(
    "text",
    [
        '{"do":"start","profile":"neck"}',
        '{"do":"start","profile":"neck","lease":60}',
        '{"do":"start","profile":"neck","lease":true}',
        '{"do":"start","profile":"neck","lease":false}',
        '{"do":"start","profile":"neck\\nstart hips","lease":5}',
        '{"do":"start","lease":5}',
        '{"do":"select","profile":7}',
        '{"do":"trim","pct":9}',
        '{"do":"trim","pct":true}',
        '{"do":"trim","pct":70.0}',
        '{"do":["start"]}',
        '{"do":"reload"}',
        "[]",
        "{",
        "",
        "[" * 96,
    ],
)
def test_frame_that_is_none_of_these_is_refused(text: str) -> None:
    assert isinstance(read_frame(text), Refused)


def test_longest_start_fits_and_a_longer_frame_is_refused() -> None:
    frame = {"do": "start", "profile": "n" * 32, "lease": 5}
    assert isinstance(read_frame(json.dumps(frame)), Command)
    assert read_frame("x" * (LONGEST + 1)) == Refused(
        "too-long", "a frame has at most 96 characters"
    )


@given(st.text() | st.binary())
def test_frame_with_a_stop_byte_stops_and_no_frame_makes_more_than_its_lines(
    data: str | bytes,
) -> None:
    frame = read_frame(data)
    text = data if isinstance(data, str) else data.decode("latin-1")
    assert isinstance(frame, Stop) or not {"!", "\x03", "\x18"} & {*text}


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(
        ["start", "select", "trim", "neck", "profile", "lease", "pct", "do"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["do", "profile", "lease", "pct"]), inner, max_size=4
    ),
))  # fmt: skip
def test_every_request_is_one_line_of_the_protocol(values: object) -> None:
    frame = read_frame(json.dumps(values))
    if isinstance(frame, Command):
        for request in frame.requests:
            assert request.isascii()
            assert request.isprintable()
            assert len(request) <= LONGEST_LINE
            assert request.split(" ")[0] in (
                "lease", "start", "select", "pause", "resume", "trim", "clear"
            )  # fmt: skip
