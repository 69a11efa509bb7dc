"""Warnings that come at most once a minute each, so that a flood of messages fills no log."""

from typing import Final

AGAIN_MS: Final = 60_000


class Warnings:
    def __init__(self) -> None:
        self._kinds: dict[str, tuple[int, int]] = {}
        """Kind → when it was told last, and how many were not told since."""

    def due(self, kind: str, sentence: str, now_ms: int) -> str | None:
        """The sentence to tell, with the number of those that were not told. None: not now.

        `kind` is one of a few words of the code: nobody outside may choose it.
        """
        told_at_ms, left_out = self._kinds.get(kind, (None, 0))
        if told_at_ms is not None and now_ms - told_at_ms < AGAIN_MS:
            self._kinds[kind] = (told_at_ms, left_out + 1)
            return None
        self._kinds[kind] = (now_ms, 0)
        return f"{sentence} ({left_out} more like it in between)" if left_out else sentence
