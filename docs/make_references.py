"""Makes the tables of the reference documents: `python docs/make_references.py`, from anywhere.

The tables come from those that the program itself uses, so that a document cannot differ from it.
Each table stands between two comments, and the rest of the documents is written by hand. The manual
page and the shells' completions are made whole.
"""

import argparse
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import json_shapes
from command_line import (
    ENVIRONMENT,
    arguments,
    command_parsers,
    meaning,
    sentence,
    spelt,
    usage,
)

from firmware_ctl import limits
from firmware_ctl.cli.exit_codes import EXIT_CODES, OF_COMMAND
from firmware_ctl.cli.parser import COMMANDS as COMMANDS_OF_PROGRAM
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


def shapes() -> str:
    """A section for each command that has `--json`, with a table for each object in it."""
    parts = []
    for name, shape in json_shapes.SHAPES.items():
        parts.append(f"### {name}")
        if shape["type"] == "array":
            parts.append(f"A list. {shape['description']}")
        for title, block in blocks(shape):
            if title != name:
                parts.append(f"**{title}**")
            parts += [block["description"]] if block["description"] else []
            keys = block["properties"].items()
            rows = ((code(key), _type(value), value["description"]) for key, value in keys)
            parts.append(table(("key", "type", "means"), rows))
    return "\n\n".join(parts)


def _type(shape: Mapping[str, Any]) -> str:
    """The type of a value in a word, such as `number or null`."""
    if "const" in shape:
        return "boolean"
    if "oneOf" in shape:
        return " or ".join(_type(each) for each in reversed(shape["oneOf"]))
    types = [shape["type"]] if isinstance(shape["type"], str) else shape["type"]
    return " or ".join("list" if kind == "array" else kind for kind in types)


def blocks(node: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every block of keys in a schema by its title, from outside inwards."""
    if "title" in node:
        yield node["title"], node
    children = [
        *node.get("properties", {}).values(),
        *node.get("oneOf", ()),
        *(node[key] for key in ("items", "additionalProperties") if node.get(key)),
    ]
    for child in children:
        yield from blocks(child)


# ---- commands.md


def overview() -> str:
    return table(
        ("command", "does"),
        ((f"[`{name}`](#{name})", command.about) for name, command in COMMANDS_OF_PROGRAM.items()),
    )


def exit_codes() -> str:
    return table(("code", "means"), ((str(c), text) for c, text in EXIT_CODES.items()))


def options() -> str:
    return "\n\n".join(_section(name, parser) for name, parser in command_parsers().items())


def _section(name: str, parser: argparse.ArgumentParser) -> str:
    about, _, more = (parser.description or "").partition("\n\n")
    parts = [f"### {name}", sentence(about), *_texts(more)]
    parts.append(f"```text\n{usage(name, parser)}\n```")
    if rows := [(code(spelt(action)), meaning(action)) for action in arguments(parser)]:
        parts.append(table(("argument", "means"), rows))
    parts.append("Exit codes: " + "; ".join(f"{c} {text}" for c, text in OF_COMMAND[name].items()))
    parts.append(f"Example: {code(COMMANDS_OF_PROGRAM[name].example)}")
    return "\n\n".join(parts)


def _texts(more: str) -> Iterator[str]:
    """The paragraphs of a description. One with indented lines is shown as it is."""
    for text in filter(None, more.split("\n\n")):
        yield f"```text\n{text}\n```" if "\n  " in text else text


def environment() -> str:
    return table(("variable", "means"), ((code(v), text) for v, text in ENVIRONMENT.items()))


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
        ("commands.md", "exit codes"): exit_codes(),
        ("commands.md", "environment"): environment(),
        ("commands.md", "options"): options(),
        ("json.md", "shapes"): shapes(),
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
    shape = json.dumps(json_shapes.schema(), indent=2, ensure_ascii=False)
    texts[DOCS / "json.schema.json"] = f"{shape}\n"
    return texts


if __name__ == "__main__":
    from make_completion import scripts
    from make_manual import FILE, manual

    for path, text in (documents() | scripts() | {FILE: manual()}).items():
        path.write_text(text, encoding="utf-8")
