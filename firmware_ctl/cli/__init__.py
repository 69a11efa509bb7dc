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
    "exit_codes",
    "explanation",
    "feed",
    "guarded",
    "history",
    "journal",
    "live_view",
    "log",
    "main",
    "mistakes",
    "mock",
    "parser",
    "parser_authors",
    "parser_clients",
    "profile_json",
    "profile_list",
    "reload",
    "run",
    "running_time",
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
