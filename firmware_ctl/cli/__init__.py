"""People at a keyboard: the commands of `firmware-ctl`, and the live view of a mock.

Each module loads what its commands need when they run. The package has no rules of its own: it asks
the daemon or the packages that it imports.
"""

__all__ = [
    "arguments",
    "assembly",
    "authoring",
    "builder",
    "client",
    "explanation",
    "feed",
    "fleet",
    "guarded",
    "live_view",
    "log",
    "main",
    "mistakes",
    "mock",
    "mqtt",
    "parser",
    "parser_authors",
    "parser_clients",
    "parser_remote",
    "profile_list",
    "run",
    "service",
    "session_lines",
    "simulation",
    "status",
    "stop_line",
    "try_command",
    "view_feed",
    "view_help",
    "view_layout",
    "view_lines",
    "view_picture",
    "view_terminal",
]
