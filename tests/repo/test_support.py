"""The helpers of the tests report what went wrong, so that a failure can be understood."""

import re

import pytest

from tests.support.process import Client


@pytest.mark.parametrize(
    ("sent", "received"),
    [(b"", "received nothing"), (b"ok sta", "received an incomplete line, b'ok sta',")],
)
def test_client_without_an_answer_reports_its_request_and_the_state_of_the_daemon(
    sent: bytes, received: str
) -> None:
    """For example while the daemon restarts."""
    with Client("loop://", lambda: "The service is activating.") as client:
        client.port.timeout = 0
        client.port.write(b"* event=state state=idle\r\nok\r\n")
        client.ask("ping")
        client.port.read(99)  # the port sends the request back
        client.port.write(sent)
        expected = (
            f"{received} within 0 s after the last line; the last request was 'ping', the last "
            "events were ['* event=state state=idle']. The service is activating."
        )
        with pytest.raises(AssertionError, match=re.escape(expected)):
            client.line()
