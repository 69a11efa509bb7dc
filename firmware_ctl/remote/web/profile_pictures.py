"""Runs `profile_data` as a child process, and keeps its answers for phones."""

import asyncio
import gzip
import json
import sys
from contextlib import suppress
from typing import Final, NamedTuple

from firmware_ctl.config.shipped import child_environment
from firmware_ctl.remote.web.mirror import Facts
from firmware_ctl.remote.web.sources import Sources

PATIENCE_S: Final = 30.0
"""A child that takes longer is killed."""
MOST_KEPT: Final = 32
"""Most pictures in memory, each about 10 kB."""


class Picture(NamedTuple):
    """A session as JSON, packed, and the hash of the session."""

    cert: str
    packed: bytes


class Pictures:
    """The pictures of profiles. One child process runs at a time."""

    def __init__(self, sources: Sources) -> None:
        self._sources = json.dumps(sources._asdict())
        self._turn = asyncio.Lock()
        self._kept: dict[str, Picture] = {}

    async def facts(self) -> Facts | None:
        """What the files say of mat and profiles. None if the files cannot be read."""
        async with self._turn:
            output = await self._run("facts")
        found: Facts | None = json.loads(output) if output else None
        return found

    async def picture(self, name: str, cert: str | None) -> Picture | None:
        """The picture of a profile. `cert`: that of the daemon, if it is known. None: no picture.

        A kept picture of another session than the daemon's is made anew.
        """
        async with self._turn:
            kept = self._kept.get(name)
            if kept is not None and cert in (None, kept.cert):
                return kept
            output = await self._run("picture", name)
            if not output:
                return None
            made = Picture(json.loads(output)["cert"], gzip.compress(output, 6))
            self._kept.pop(name, None)
            self._kept[name] = made
            if len(self._kept) > MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            return made

    def forget(self) -> None:
        """Makes every picture anew when it is next asked for."""
        self._kept.clear()

    async def _run(self, *words: str) -> bytes:
        """The output of the child process, empty if it failed."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "firmware_ctl.remote.web.profile_data"),
            *(self._sources, *words),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=child_environment(),
        )
        output = b""
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return b"" if process.returncode else output
