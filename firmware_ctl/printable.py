"""The one place that makes text from outside safe to show.

File names, incident files and a daemon's answers may hold terminal escapes, or line ends that forge
a line of their own (`* ready …`) in the log.
"""


def printable(text: str) -> str:
    """The text on one line; each character that is not printable is spelt as Python spells it."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
