"""What the client commands send."""

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
