"""What the client commands send."""

import pytest

from firmware_ctl import client as commands
from firmware_ctl.cli import main
from firmware_ctl.client import Client


class Stream:
    """Keeps what is written; answers every line with ok."""

    def __init__(self) -> None:
        self.sent = b""

    def write(self, data: bytes) -> None:
        self.sent += data

    def flush(self) -> None:
        pass

    def readline(self) -> bytes:
        return b"ok\r\n"


def test_a_stop_stops_behind_a_line_that_someone_has_half_typed() -> None:
    stream = Stream()
    client = Client(stream, "a port", lambda: None)
    assert client.ask("stop") == ["ok"]
    assert client.ask("status") == ["ok"]
    assert stream.sent == b"!stop\nstatus\n"


NO_TEXT = "cannot be sent, only printable ASCII can; leave it out"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["select", "neck\nstart"], f"'\\n' {NO_TEXT}"),
        (["start", "neck\rstart hips"], f"'\\r' {NO_TEXT}"),
        (["try", "hips", "wave", "30\x03"], f"'\\x03' {NO_TEXT}"),
        (["send", "ping\nstart neck"], f"'\\n' {NO_TEXT}"),
        (["send", "sétart"], f"'é' {NO_TEXT}"),
        (["send", "s\udce9tart"], f"'\\udce9' {NO_TEXT}"),
        (["send", ""], "an empty line gets no answer; try: firmware-ctl send help"),
        (["send", "  "], "an empty line gets no answer; try: firmware-ctl send help"),
        (
            ["send", "sta?rt"],
            "? acts at once and is part of no line; send it alone: firmware-ctl send '?'",
        ),
        (
            ["start", "neck!"],
            "! acts at once and is part of no line; send it alone: firmware-ctl send '!'",
        ),
    ],
)
def test_what_is_no_line_of_text_is_refused_before_anyone_is_asked(
    words: list[str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(commands, "find", lambda *_: pytest.fail("it connects"))
    with pytest.raises(SystemExit) as ended:
        main(words)
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (2, "")
    assert said.err == f"firmware-ctl: {sentence}\n"


@pytest.mark.parametrize(
    ("line", "sent", "told"),
    [
        ("!", b"!", "* stopped"),
        ("stop!", b"!", "* stopped"),
        ("é\n!start", b"!", "* stopped"),
        ("?", b"?", "* status state=idle"),
    ],
)
def test_a_byte_that_acts_at_once_is_sent_alone_and_gets_its_own_line(
    line: str,
    sent: bytes,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Told(Stream):
        def readline(self) -> bytes:
            return f"{told}\r\n".encode()

    stream = Told()
    monkeypatch.setattr(commands, "find", lambda _: [Client(stream, "a port", lambda: None)])
    with pytest.raises(SystemExit) as ended:
        main(["send", line])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"{told}\n")
    assert stream.sent == sent
