"""Makes the tables of the reference documents: `python docs/make_references.py`, from anywhere.

The tables come from those that the program itself uses, so that a document cannot differ from it.
Each table stands between two comments, and the rest of the documents is written by hand.
"""

import argparse
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from firmware_ctl import limits
from firmware_ctl.cli import parser as command_line
from firmware_ctl.config import shipped
from firmware_ctl.config.patterns import AFTER, PATTERNS, Key
from firmware_ctl.config.points import POINTS
from firmware_ctl.config.quantities import in_units
from firmware_ctl.config.schema import schema
from firmware_ctl.protocol.commands import COMMANDS
from firmware_ctl.protocol.connection import END_REASONS, ERROR_CODES, FAULT_CODES
from firmware_ctl.remote.web.paths import PATHS
from firmware_ctl.timeline.folder import load_mat, read_catalogue
from firmware_ctl.timeline.haptics import GAPS

DOCS: Final = Path(__file__).resolve().parent

ANSWERS: Final[Mapping[str, str]] = {
    "help": "ok",
    "hello": 'ok firmware-ctl VERSION protocol=1 mat="…" zones=neck,lower_back,hips gate=none',
    "caps": "ok",
    "profiles": "ok count=6",
    "select": "ok profile=NAME",
    "start": "ok profile=NAME left=720",
    "stop": "ok",
    "pause": "ok",
    "resume": "ok",
    "trim": "ok trim=70",
    "try": "ok left=10",
    "status": (
        'ok state=idle profile=NAME cert=HASH phase="…" t=0.0 left=0.0 trim=100 neck=0 '
        "lower_back=0 hips=0 signal= fault="
    ),
    "limits": "ok session=900 daily=1800 used=0 left=1800",
    "explain": "ok",
    "events": "ok",
    "echo": "ok",
    "lease": "ok lease=5",
    "ping": "ok",
    "press": "ok",
    "reload": "ok count=6",
    "clear": "ok",
}
"""The final line of each request that works. A test asks a mock and compares the fields."""


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def code(text: str) -> str:
    return f"`{text}`" if text else ""


# ---- protocol.md


def requests() -> str:
    return table(
        ("request", "does", "final line"),
        (
            (code(f"{c.name} {c.usage}".strip()), c.about, code(ANSWERS[c.name]))
            for c in COMMANDS.values()
        ),
    )


def error_codes() -> str:
    return table(("code", "means"), ((code(c), text) for c, text in ERROR_CODES.items()))


def fault_codes() -> str:
    return table(("code", "means"), ((code(c), text) for c, text in FAULT_CODES.items()))


def end_reasons() -> str:
    rows = ((code(reason), text) for reason, text in END_REASONS.items())
    return table(("reason", "the session ended because"), rows)


def gaps() -> str:
    return table(("signal", "gaps"), ((code(name), str(count)) for name, count in GAPS.items()))


# ---- profiles.md


def patterns() -> str:
    def keys(pattern: str) -> str:
        kind = PATTERNS[pattern]
        if kind.course is None:
            return "`frames`, without `level`"
        return ", ".join(map(_key, kind.keys))

    return table(
        ("pattern", "keys in addition to `level`", "over time"),
        ((code(kind.name), keys(kind.name), kind.about) for kind in PATTERNS.values()),
    )


def pattern_keys() -> str:
    keys = {f"{kind.name}.{key.name}": key for kind in PATTERNS.values() for key in kind.keys}
    return table(
        ("key", "means", "from", "to", "if not given"),
        (
            (
                code(name),
                key.about,
                _amount(key, key.least),
                _amount(key, key.most),
                "required" if key.default is None else _amount(key, key.default),
            )
            for name, key in (*keys.items(), ("every pattern: after", AFTER))
        ),
    )


def _key(key: Key) -> str:
    if key.is_count:
        return f"`{key.name}` ({key.least} to {key.most})"
    return f"`{key.name}`" + ("" if key.default is None else f" ({in_units(key.default)})")


def _amount(key: Key, value: int) -> str:
    return str(value) if key.is_count else in_units(value)


def points() -> str:
    return table(
        ("name", "point", "where", "pressed by", "note"),
        (
            (code(p.name), p.title, p.where, "you" if p.by_hand else "the mat", p.caution)
            for p in POINTS.values()
        ),
    )


def shipped_profiles() -> str:
    catalogue = read_catalogue([shipped.profiles_dir()], load_mat(shipped.mat_file()))
    return table(
        ("name", "title", "length", "about"),
        (
            (code(profile.name), profile.title, _clock(profile.length_ms), profile.about)
            for profile in (entry.profile for entry in catalogue.entries)
            if profile is not None
        ),
    )


def _clock(length_ms: int) -> str:
    return f"{length_ms // 60_000}:{length_ms // 1000 % 60:02}"


# ---- fields of files


def fields(block: Mapping[str, Any]) -> str:
    """The keys of one block, as the schema that editors use describes them."""
    return table(
        ("key", "required", "means"),
        (
            (code(key), "yes" if key in block["required"] else "", value["description"])
            for key, value in block["properties"].items()
        ),
    )


def blocks(node: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every block of keys in a schema by its title, from outside inwards."""
    if "title" in node:
        yield node["title"], node
    children = [
        *node.get("properties", {}).values(),
        *(node[key] for key in ("items", "additionalProperties") if node.get(key)),
    ]
    for child in children:
        yield from blocks(child)


# ---- commands.md


def command_parsers() -> dict[str, argparse.ArgumentParser]:
    """Every command's parser by its name."""
    parsers = {}
    for name, command in command_line.COMMANDS.items():
        parsers[name] = argparse.ArgumentParser(description=command.about)
        command.add_arguments(parsers[name])
    return parsers


def overview() -> str:
    return table(
        ("command", "does"),
        (
            (f"[`{name}`](#{name})", command.about)
            for name, command in command_line.COMMANDS.items()
        ),
    )


def options() -> str:
    return "\n\n".join(_section(name, parser) for name, parser in command_parsers().items())


def _section(name: str, parser: argparse.ArgumentParser) -> str:
    actions = [a for a in parser._actions if not isinstance(a, argparse._HelpAction)]
    actions.sort(key=lambda action: bool(action.option_strings))
    usage = " ".join([f"firmware-ctl {name}", *map(_usage, actions)])
    about, _, more = (parser.description or "").partition("\n\n")
    parts = [f"### {name}", _sentence(about), *([more] if more else [])]
    parts.append(f"```text\n{usage}\n```")
    if actions:
        rows = ((code(_spelt(action)), _meaning(action)) for action in actions)
        parts.append(table(("argument", "means"), rows))
    parts.append(f"Example: {code(command_line.COMMANDS[name].example)}")
    return "\n\n".join(parts)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _usage(action: argparse.Action) -> str:
    if action.option_strings:
        return f"[{_spelt(action)}]"
    forms = {"?": "[{}]", "*": "[{}...]", "+": "{}..."}
    return forms.get(str(action.nargs), "{}").format(_spelt(action))


def _spelt(action: argparse.Action) -> str:
    value = action.metavar or "|".join(map(str, action.choices or ()))
    value = value if isinstance(value, str) else " ".join(value)
    if not action.option_strings:
        return value or action.dest
    return ", ".join(action.option_strings) + (f" {value}" if value and action.nargs != 0 else "")


def _meaning(action: argparse.Action) -> str:
    text = (action.help or "").replace("%%", "%")
    is_plain = action.default in (None, False, []) or "default" in text
    return text if is_plain else f"{text} (default: {action.default})"


# ---- safety.md


def numbers() -> str:
    return table(
        ("quantity", "limit of the code"),
        (
            ("running time of a session, with the motor gate", in_units(limits.SESSION_GATED_MS)),
            ("running time of a session, without it", in_units(limits.SESSION_MS)),
            ("running time of a day, 24 h from its first start", in_units(limits.DAILY_MS)),
            ("all pauses of a session together", in_units(limits.PAUSES_MS)),
            ("duty of a motor", f"{limits.DUTY_PCT} %"),
            ("duty of the first kick after a start or a resume", f"{limits.FIRST_KICK_PCT} %"),
            ("rise of the envelope", f"{limits.RISE_PCT_S} % of level a second"),
            ("level and length of an idle haptic", _idle_haptic()),
            ("idle haptics in an hour", in_units(limits.SIGNALS_HOURLY_MS)),
            ("a checked tick while motors run, at least every", in_units(limits.TICK_MS)),
            ("a tick this late is a fault", in_units(limits.TICK_LATE_MS)),
            ("dead-man: stacks are logged after", in_units(limits.DEADMAN_DUMP_MS)),
            ("dead-man: the process is killed after", in_units(limits.DEADMAN_KILL_MS)),
            ("a start this soon after a stop is refused", in_units(limits.RESTART_MS)),
            ("after a stop the button must be released for", in_units(limits.LOCK_MS)),
            ("running time is reserved on disk in slices of", in_units(limits.SLICE_MS)),
            ("rail off after the last heartbeat, else a fault", in_units(limits.RAIL_OFF_MS)),
            ("under-voltage for longer than this is a fault", in_units(limits.UNDER_VOLTAGE_MS)),
            ("`try` plays for", in_units(limits.TRY_MS)),
        ),
    )


def _idle_haptic() -> str:
    return f"{limits.SIGNAL_LEVEL_PCT} %, {in_units(limits.SIGNAL_MS)}"


def tables() -> dict[tuple[str, str], str]:
    """Every table by its document and its name."""
    profile, mat = schema("profile"), schema("mat")
    in_profile, in_mat = dict(blocks(profile)), dict(blocks(mat))
    return {
        ("protocol.md", "requests"): requests(),
        ("protocol.md", "error codes"): error_codes(),
        ("protocol.md", "fault codes"): fault_codes(),
        ("protocol.md", "end reasons"): end_reasons(),
        ("protocol.md", "gaps"): gaps(),
        ("profiles.md", "shipped profiles"): shipped_profiles(),
        ("profiles.md", "file"): fields(in_profile["a profile"]),
        ("profiles.md", "phase"): fields(in_profile["a phase"]),
        ("profiles.md", "patterns"): patterns(),
        ("profiles.md", "pattern keys"): pattern_keys(),
        ("profiles.md", "points"): points(),
        **{("mat-file.md", title): fields(block) for title, block in in_mat.items()},
        ("commands.md", "overview"): overview(),
        ("commands.md", "options"): options(),
        ("safety.md", "numbers"): numbers(),
        ("web.md", "paths"): web_paths(),
    }


def web_paths() -> str:
    rows = ((f"`{path.method} {path.path}`", path.who, path.about) for path in PATHS)
    return table(("request", "who may", "answer"), rows)


def filled(text: str, name: str, content: str) -> str:
    """The document with this table made again. Raises ValueError where its two comments are not."""
    begin, end = f"<!-- {name}: made by docs/make_references.py -->\n", f"<!-- end of {name} -->\n"
    found = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if len(found.findall(text)) != 1:
        raise ValueError(f"the comments of the table {name!r} are missing or there twice")
    return found.sub(lambda _: f"{begin}\n{content}\n\n{end}", text)


def documents() -> dict[Path, str]:
    """Each reference document with its tables made again."""
    texts: dict[Path, str] = {}
    for (document, name), content in tables().items():
        path = DOCS / document
        text = texts.get(path) or path.read_text(encoding="utf-8")
        texts[path] = filled(text, name, content)
    return texts


if __name__ == "__main__":
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")
