"""People at a keyboard: the commands of `firmware-ctl`, and the live view of a mock.

Each module loads what its own commands need, when they run. Knows no rules: it asks the daemon, or
the rooms below.
"""

__all__ = [
    "arguments",
    "assembly",
    "authoring",
    "builder",
    "client",
    "feed",
    "guarded",
    "live_view",
    "log",
    "main",
    "mock",
    "parser",
    "run",
    "service",
    "view_layout",
    "view_picture",
    "view_terminal",
]
