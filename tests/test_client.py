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


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["select", "neck\nstart"], "'\\n'"),
        (["start", "neck\rstart hips"], "'\\r'"),
        (["try", "hips", "wave", "30\x03"], "'\\x03'"),
        (["send", "ping\nstart neck"], "'\\n'"),
        (["send", "sétart"], "'é'"),
        (["send", "s\udce9tart"], "'\\udce9'"),
    ],
)
def test_what_is_no_printable_ascii_is_refused_before_anyone_is_asked(
    words: list[str],
    named: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(commands, "find", lambda *_: pytest.fail("it connects"))
    with pytest.raises(SystemExit) as ended:
        main(words)
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (2, "")
    assert said.err == (
        f"firmware-ctl: {named} cannot be sent, only printable ASCII can; leave it out\n"
    )
