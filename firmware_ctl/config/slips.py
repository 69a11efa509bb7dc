"""What an author probably meant by a wrong word or number.

Nothing here makes a wrong value valid. Each function gives the text that a sentence proposes.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

SYNONYMS: Final[Mapping[str, tuple[str, ...]]] = {
    "about": ("description", "desc", "comment", "notes"),
    "all": ("everything", "mat", "both"),
    "cue": ("prompt", "instruction"),
    "for": ("duration", "length", "time", "minutes", "seconds", "lasts"),
    "frames": ("points", "keyframe", "values"),
    "from": ("start", "begin", "min"),
    "in": ("inhale",),
    "level": ("intensity", "strength", "power", "duty", "amplitude", "value", "speed"),
    "lower_back": ("back", "lumbar", "spine"),
    "off_for": ("off", "pause", "off_time"),
    "on_for": ("on", "on_time"),
    "out": ("exhale",),
    "pattern": ("type", "mode", "effect", "wave"),
    "period": ("cycle", "frequency", "interval", "rate", "speed", "every"),
    "phases": ("steps", "sequence", "program", "stages"),
    "play": ("zones", "motors", "do", "actions"),
    "points": ("point",),
    "repeat": ("times", "count", "loop", "loops", "repetitions"),
    "rest": ("pause", "silence", "wait"),
    "shuffle": ("random", "randomized", "scatter"),
    "steady": ("constant", "on", "hold", "ramp", "fade"),
    "title": ("label", "heading"),
    "to": ("end", "until", "max"),
    "travel": ("chase", "run"),
    "wave": ("sine", "sinus", "swell"),
}
"""A word of the format → words that people write for it."""


def suggestion(word: str, known: Iterable[str]) -> str:
    """The known word that an unknown one probably stands for, or a list of all known words."""
    meant = probable(word, known)
    return f"did you mean {meant}?" if meant else "known: " + ", ".join(known)


def probable(word: str, known: Iterable[str]) -> str | None:
    """The known word that an unknown one probably stands for: by its letters or by its meaning."""
    from difflib import get_close_matches  # imported only when there is a mistake to explain

    by_lower = {name.lower(): name for name in known}
    lower = word.lower()[:40]
    close = get_close_matches(lower, by_lower, 1)
    if close:
        return by_lower[close[0]]
    return next((name for name in by_lower.values() if lower in SYNONYMS.get(name, ())), None)


def without_space(word: str) -> tuple[str, str] | None:
    """The key and the value of `for:1min` or `play:{all`, which YAML reads as one word."""
    match = re.fullmatch(r"([A-Za-z_][\w.-]*):([^\s:/].*)", word)
    return (match[1], match[2]) if match else None


def with_space(key: str, value: str) -> str:
    """The two as they have to be written, shortened for a sentence."""
    if value[0] in "{[":
        return f"{key}: {value[0]}..."
    return f"{key}: {value if len(value) <= 40 else value[:37] + '...'}"


# ---- numbers

Proposals = Callable[[str], Iterable[str]]
"""From a refused number to texts that may be meant. The first one that is valid is proposed."""

_UNIT_WORDS: Final[Mapping[str, str]] = {
    word: unit
    for unit, words in (
        ("ms", "ms msec msecs millis milliseconds millisecond"),
        ("s", "s sec secs second seconds sek sekunden"),
        ("min", "m min mins minute minutes minuten"),
        ("h", "h hr hrs hour hours std"),
    )
    for word in words.split()
}
_MS_OF: Final = {"ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000}
_NUMBER: Final = r"([0-9]{0,9}(?:\.[0-9]{1,9})?)"
_PART: Final = re.compile(rf"{_NUMBER}[ \u00a0]*([a-z]+)[ ]*")
_CLOCK: Final = re.compile(r"(?:([0-9]{1,2}):)?([0-9]{1,3}):([0-9]{2})(?:[ ]*(?:s|min|h))?")
_PERCENT: Final = re.compile(rf"\+?{_NUMBER}[ \u00a0]*(%|percent|pct|per cent|prozent)?")
_WORTH_OF: Final = {"half": "50%", "full": "100%", "max": "100%", "off": "0%", "none": "0%"}


def _bare(text: str) -> str:
    """The text in lower case, without typographic quotes and without a comment that YAML does not
    see, because no space is before its `#`."""
    return plain_width(text).partition("#")[0].strip("“”„ ").lower()


def plain_width(text: str) -> str:
    """The text with ASCII characters for the full-width ones of East Asian keyboards."""
    return "".join(
        chr(ord(char) - _FULL_WIDTH) if "！" <= char <= "～" else char  # noqa: RUF001
        for char in text
    )


_FULL_WIDTH: Final = 0xFEE0
"""By how much the code of a full-width character is above that of the ASCII one."""


def durations(text: str) -> Iterable[str]:
    """What is probably meant by a text that is not a duration: 1:30, 1m, 1h, 1,5min, 2min 30s."""
    if re.fullmatch("[0-9]{1,9},[0-9]{1,9}", text):
        text += "s"
    text = _bare(text).replace(",", ".")
    clock = _CLOCK.fullmatch(text)
    if clock:
        hours, minutes, seconds = (int(group or 0) for group in clock.groups())
        yield _in_units((hours * 60 + minutes) * 60_000 + seconds * 1_000)
        return
    total_ms = 0.0
    position = parts = 0
    for match in _PART.finditer(text):
        unit = _UNIT_WORDS.get(match[2])
        if unit is None or not match[1] or match.start() != position:
            return
        total_ms += float(match[1]) * _MS_OF[unit]
        position, parts, written = match.end(), parts + 1, (match[1], unit)
    if parts and position == len(text):
        if parts == 1 and written[1] != "h":
            number = written[0]
            yield f"{'0' * number.startswith('.')}{number.lstrip('0') or '0'}{written[1]}"
            yield f"{float(number):g}{written[1]}"
        yield _in_units(round(total_ms))


def _in_units(duration_ms: int) -> str:
    if duration_ms and duration_ms % 60_000 == 0:
        return f"{duration_ms // 60_000}min"
    return f"{duration_ms / 1_000}".removesuffix(".0") + "s"


def percentages(text: str) -> Iterable[str]:
    """What is probably meant by a text that is not a percentage: 0.25, 25,5%, 25 percent, max."""
    text = _bare(text).replace(",", ".")
    if text in _WORTH_OF:
        yield _WORTH_OF[text]
    match = _PERCENT.fullmatch(text)
    if not match or not match[1]:
        return
    number = float(match[1])
    if not match[2] and 0 < number < 1:
        # Other programs count a level from 0 to 1.
        yield f"{number * 100:g}%"
    else:
        yield f"{round(number)}%"


def whole_numbers(text: str) -> Iterable[str]:
    """What is probably meant by a text that is not a whole number: 4x, 3 times, three."""
    words = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    text = text.lower()
    if text in words:
        yield str(words.index(text))
    match = re.fullmatch(r"x? ?([0-9]{1,9})(?:\.0+)? ?[a-z]{0,9}", text)
    if match:
        yield str(int(match[1]))


_RAMP: Final = re.compile(
    r"([0-9]{1,3}) ?%? ?(?:-+>?|\.\.+|to|until|bis|/|→|\u2013|\u2026) ?([0-9]{1,3}) ?%?"
)


def ramp(texts: list[str]) -> str | None:
    """The block for a ramp that is written as a list, as `25% to 0%`, or as `25%-0%`."""
    match = _RAMP.fullmatch(texts[0].lower()) if len(texts) == 1 else None
    ends = list(match.groups()) if match else [text.removesuffix("%").strip() for text in texts]
    if len(ends) == 2 and all(end.isdecimal() and end.isascii() for end in ends):
        return f"{{from: {ends[0]}%, to: {ends[1]}%}}"
    return None
