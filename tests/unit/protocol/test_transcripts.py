r"""Serial transcripts against the daemon on virtual time.

A transcript is played and written down again, and the two texts must be the same. Its lines:

    -> TEXT   the first client sends TEXT and CR; with `\c` at its end, no CR
    <- TEXT   the first client gets this line; with `\c` at its end, no line end came with it
    => <=     the same for the second client
    @ MS      what follows happens at this time; `@ MS pressed`, `neither` and so on move the
              button's contact, `@ MS fault CODE` is a fault, `@ MS gone`: the first client leaves
    # TEXT    a remark

Other bytes are escaped as in Python. VERSION and CERT stand for what changes with every release.
"""

import re
from pathlib import Path

import pytest

from firmware_ctl import __version__
from firmware_ctl.protocol.commands import COMMANDS
from firmware_ctl.protocol.connection import (
    ERROR_CODES,
    FAULT_CODES,
)
from firmware_ctl.session.button import Contact
from firmware_ctl.session.events import Fault
from tests.support.daemon import Daemon
from tests.support.process import ROOT
from tests.support.worlds import Bench

TRANSCRIPTS = sorted((ROOT / "tests" / "transcripts").glob("*.txt"))

ARROWS = ("-> <-", "=> <=")


def unescaped(text: str) -> bytes:
    data = (text + r"\r").removesuffix(r"\c\r")
    return data.encode("latin-1").decode("unicode_escape").encode("latin-1")


def escaped(data: str) -> str:
    return data.encode("unicode_escape").decode("ascii").replace("\x7f", r"\x7f")


class Player:
    """Plays a transcript, and writes down the real answers."""

    def __init__(self, text: str, byte_by_byte: bool) -> None:
        self.bench = Bench()
        self.written: list[str] = []
        self._byte_by_byte = byte_by_byte
        at_ms = 0
        for line in text.splitlines():
            kind, _, rest = line.partition(" ")
            if kind == "@":
                at_ms = int(rest.split()[0])
            self.bench.at(at_ms, lambda daemon, line=line: self._do(daemon, line))  # type: ignore[misc]
        self.bench.run(at_ms + 400)
        self._collect()

    def _do(self, daemon: Daemon, line: str) -> None:
        kind, _, rest = line.partition(" ")
        if kind in ("<-", "<="):
            return
        self._collect()
        self.written.append(line)
        for wire, arrows in zip(self.bench.wires, ARROWS, strict=True):
            if arrows.startswith(kind):
                data = unescaped(rest)
                # What is deleted before the daemon has read it is not echoed.
                is_typed = self._byte_by_byte or re.search(rb"[\x03\x08\x7f]", data)
                size = 1 if is_typed else len(data)
                wire.chunks.extend(data[i : i + size] for i in range(0, len(data), size))
        match rest.split()[1:] if kind == "@" else ():
            case ["fault", code]:
                daemon.step(Fault(code, FAULT_CODES[code]))
            case ["gone"]:
                self.bench.wires[0].ended = True
            case [contact]:
                self.bench.finger.contact = Contact(contact)
                daemon.sample()

    def _collect(self) -> None:
        for wire, arrows in zip(self.bench.wires, ARROWS, strict=True):
            *lines, rest = wire.heard.decode("ascii").split("\r\n")
            wire.heard.clear()
            received = [*map(escaped, lines), *([escaped(rest) + r"\c"] if rest else [])]
            self.written += [f"{arrows[3:]} {line}" for line in received]


@pytest.mark.parametrize("how", ["whole", "byte by byte"])
@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_transcript_played_again_is_the_same(path: Path, how: str) -> None:
    script = path.read_text("ascii")

    happened = "\n".join(Player(script, how == "byte by byte").written) + "\n"

    happened = happened.replace(f"firmware-ctl {__version__}", "firmware-ctl VERSION")
    assert re.sub(r"cert=\w{12}\b", "cert=CERT", happened) == script


def test_transcripts_contain_every_command_and_error_code() -> None:
    text = "\n".join(path.read_text("ascii") for path in TRANSCRIPTS)

    sent = {line.split()[1].lower() for line in re.findall(r"^[-=]> \w.*", text, re.MULTILINE)}
    assert set(COMMANDS) - sent == set()
    answered = set(re.findall(r"^<[-=] err ([\w-]+)", text, re.MULTILINE))
    # Of a real button, and of a flood: both below.
    assert set(ERROR_CODES) - answered == {"not-here", "overflow"}
