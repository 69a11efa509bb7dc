"""A real mock and a real bridge as processes, and what a person does on a phone."""

import json
import re
import subprocess
import time
import urllib.request
from types import TracebackType
from typing import Any

from tests.support.process import PATIENCE_S, Lines, Mock, call, command, environment

ATTEMPTS = 3


class Bridge:
    """A `firmware-ctl web` of its own beside a mock, as it runs beside the service's daemon."""

    def __init__(self, mock: Mock, port: int = 0) -> None:
        self._home = mock.home
        self._state = mock.home / "web"
        self.process = subprocess.Popen(
            command(
                *("web", "--socket", mock.socket, "--listen", f"127.0.0.1:{port}"),
                *("--profiles", str(mock.home / "profiles"), "--state", str(self._state)),
            ),
            env=environment(mock.home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        with self.process.stdout as output:
            line = Lines(output.fileno()).until(lambda line: line.startswith("web page"))
        self.url = line.removeprefix("web page: ")

    def __enter__(self) -> "Bridge":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1].strip("/"))

    def code(self) -> str:
        """A new code for one phone, as `web pair` prints it."""
        found = re.search(r"code +(\d{6})", self.run("pair"))
        assert found
        return found[1]

    def run(self, *words: str) -> str:
        done = call(self._home, "web", *words, "--state", str(self._state))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def wait_for_phones(self, count: int) -> None:
        """Waits until so many phones are connected."""
        wanted, until = f"firmware_ctl_web_phones {count}\n", time.monotonic() + PATIENCE_S
        while wanted not in self.get("metrics"):
            assert time.monotonic() < until, self.get("metrics")

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=PATIENCE_S) as answer:
            text: str = answer.read().decode()
        return text

    def stop(self) -> None:
        """Anybody may stop."""
        urllib.request.urlopen(f"{self.url}stop", data=b"", timeout=PATIENCE_S).close()

    def state(self) -> object:
        return json.loads(self.get("state"))["state"]


def page_of(mock: Mock) -> str:
    """The address of the page that a `mock --web` serves."""
    (line,) = [line for line in mock.log.lines if line.startswith("web page: ")]
    return line.removeprefix("web page: ")


def hold(page: Any, button: str) -> None:
    """Presses a button with the mouse and holds it until the mat plays.

    A busy machine may refuse a start, or move the button away from the mouse: then as a person does,
    once more.
    """
    plays = page.locator("html[data-state=running]")
    for attempt in range(ATTEMPTS):
        page.locator(button).hover()
        page.mouse.down()
        try:
            plays.wait_for(state="attached", timeout=PATIENCE_S * 1000 / ATTEMPTS)
            return
        except Exception:
            if attempt == ATTEMPTS - 1:
                raise AssertionError(page.locator("main").inner_text()) from None
        finally:
            page.mouse.up()
