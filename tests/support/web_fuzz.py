"""Any bytes to the page's bridge: frames, paths, headers and bodies. No traceback, bounded memory.

`python -m tests.support.web_fuzz COUNT` sends so many inputs and prints what came back.
"""

import asyncio
import logging
import random
import struct
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from firmware_ctl.remote.web.frames import read_frame
from tests.support.web import Home, home

WORDS = (
    b"start", b"stop", b"!", b"\x18", b"neck", b"do", b'{"do":', b'"start"', b'"lease":5', b"}", b"{", b"[",
    b"null", b"1e999", b"\xff\xfe", b"\\ud800", b"\x00", b"\r\n", b"%2e%2e/", b"../", b"/stop", b"/state",
    b"/profiles/", b"/pair", b"/ws", b"/page/", b"Host: ", b"Origin: ", b"Cookie: firmware_ctl=", b": ", b";",
    b"Content-Length: ", b"Transfer-Encoding: chunked", b"Upgrade: websocket", b"Connection: Upgrade",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", b"Sec-WebSocket-Version: 13", b"localhost", b"evil.example",
    b"-1", b"99999999999999999999", b"Expect: 100-continue", b"Range: bytes=0-", b"a" * 300,
)  # fmt: skip
METHODS = (b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS", b"TRACE", b"\x00")
PATHS = (b"/", b"/state", b"/pair", b"/metrics", b"/profiles/neck", b"/page/index.html", b"/ws")


class Result(NamedTuple):
    inputs: int
    answers: Counter[str]
    errors: list[str]
    """What was logged as an error: an exception that nobody expected."""


def noise(rng: random.Random, most: int = 6) -> bytes:
    parts = [
        rng.choice(WORDS) if rng.random() < 0.7 else rng.randbytes(rng.randrange(12))
        for _ in range(rng.randrange(most))
    ]
    return b"".join(parts)


def request(rng: random.Random, host: bytes) -> bytes:
    """A request that is damaged in one part or in all."""
    path = rng.choice(PATHS) if rng.random() < 0.5 else b"/" + noise(rng)
    rows = [b"Host: " + (host if rng.random() < 0.7 else noise(rng))]
    for _ in range(rng.randrange(5)):
        rows.append(noise(rng, 4))
    body = noise(rng, 4)
    if rng.random() < 0.6:
        rows.append(b"Content-Length: %d" % len(body))
    return (
        rng.choice(METHODS)
        + b" "
        + path
        + b" HTTP/1.1\r\n"
        + b"\r\n".join(rows)
        + b"\r\n\r\n"
        + body
    )


def frame(rng: random.Random) -> bytes:
    """A WebSocket frame of a client: mostly text, sometimes with any header."""
    data = noise(rng, 4)[: rng.choice((20, 96, 125))]
    opcode = 0x81 if rng.random() < 0.95 else rng.randrange(256)
    mask = rng.randbytes(4)
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
    return struct.pack("BB", opcode, 0x80 | len(data)) + mask + masked


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


async def fuzz(found: Home, seed: int, count: int) -> Result:
    """Sends `count` inputs: frames to the reader and over sockets, and requests."""
    rng, answers, errors = random.Random(seed), Counter[str](), _Errors()
    root = logging.getLogger()
    root.addHandler(errors)
    sent = 0
    try:
        while sent < count:
            sent += 1
            kind = rng.random()
            if kind < 0.5:
                answers[type(read_frame(noise(rng))).__name__] += 1
            elif kind < 0.75:
                answers[f"http {await _send(found, request(rng, found.host.encode()))}"] += 1
            else:
                burst = rng.randrange(1, 20)
                sent += burst - 1
                answers["frames"] += await _frames(found, [frame(rng) for _ in range(burst)])
    finally:
        root.removeHandler(errors)
    return Result(sent, answers, errors.lines)


async def _send(found: Home, data: bytes) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", found.port)
    writer.write(data)
    writer.write_eof()
    line = b""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(2):
            line = await reader.readline()
    await _close(writer)
    return line[9:12].decode("latin-1")


async def _frames(found: Home, frames: list[bytes]) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", found.port)
    writer.write(
        f"GET /ws HTTP/1.1\r\nHost: {found.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    writer.write(b"".join(frames))
    with suppress(OSError):
        await reader.read(1000)
    await _close(writer)
    return len(frames)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


def memory_kb() -> int:
    return int(Path("/proc/self/status").read_text().partition("VmRSS:")[2].split()[0])


async def _main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with home(Path(folder), is_open_here=True) as found:
            found.daemon.is_noting = False
            for seed in range(10):
                began_s = time.monotonic()
                result = await fuzz(found, seed, count // 10)
                print(
                    f"{result.inputs} inputs in {time.monotonic() - began_s:.0f} s, "
                    f"{memory_kb()} kB, {len(result.errors)} errors, {dict(result.answers)}",
                    *result.errors[:3],
                    flush=True,
                )


if __name__ == "__main__":
    logging.getLogger("tornado.access").disabled = True
    logging.getLogger("tornado.general").setLevel(logging.ERROR)
    asyncio.run(_main(int(sys.argv[1])))
