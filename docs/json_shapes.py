"""What each `--json` prints: the source of `docs/json.schema.json` and of the tables in `json.md`.

`docs/make_references.py` writes both, and tests compare what the commands print with the schema.
"""

from collections.abc import Mapping
from typing import Any, Final

Shape = dict[str, Any]
"""A part of a JSON Schema."""


def table(title: str, about: str, /, **keys: Shape) -> Shape:
    """An object that has all these keys and no other. Its title heads its table in the document."""
    return {
        "title": title,
        "description": about,
        "type": "object",
        "additionalProperties": False,
        "required": list(keys),
        "properties": keys,
    }


def text(about: str, **rules: object) -> Shape:
    return {"type": "string", "description": about, **rules}


def whole(about: str, least: int = 0) -> Shape:
    return {"type": "integer", "description": about, "minimum": least}


def percent(about: str, least: int = 0) -> Shape:
    return {"type": "integer", "description": about, "minimum": least, "maximum": 100}


def number(about: str) -> Shape:
    return {"type": "number", "description": about, "minimum": 0}


def flag(about: str) -> Shape:
    return {"type": "boolean", "description": about}


def array(about: str, items: Shape) -> Shape:
    return {"type": "array", "description": about, "items": items}


def sentences(about: str) -> Shape:
    return array(about, {"type": "string"})


def or_null(shape: Shape) -> Shape:
    choices = {"enum": [*shape["enum"], None]} if "enum" in shape else {}
    return {**shape, "type": [shape["type"], "null"], **choices}


CERT: Final = text("the hash of the compiled session", pattern="^[0-9a-f]{12}$")
LINE: Final = whole("the line in the file, from 1", 1)
COLUMN: Final = whole("the column, from 1", 1)
SENTENCE: Final = text("what is wrong, and what to write instead")


def _peak(title: str) -> Shape:
    return table(
        title,
        "The instant of the most current.",
        at_ms=whole("when"),
        ma=number("the current in mA"),
        motors=array("the motors that draw it, by their place in the mat file", whole("from 0")),
    )


CHECK: Final = array(
    "One object for each profile that could be read. An invalid one has other keys.",
    {
        "oneOf": [
            table(
                "check: a valid profile",
                "",
                path=text("the file"),
                valid={"const": True, "description": "true"},
                certificate=table(
                    "check: a certificate",
                    "What is proven of the session.",
                    length_ms=whole("its length"),
                    rise_pct_s=whole("the steepest rise after a start, in level percent a second"),
                    zones=array(
                        "the zones that play",
                        table(
                            "check: a zone",
                            "The highest figures of one zone.",
                            zone=text("its name"),
                            played_ms=whole("the length of the phases that name it"),
                            level_pct=percent("its level"),
                            duty_pct=percent("its duty, apart from kicks"),
                            kick_pct=percent("the duty of a kick; 0: no motor is kicked"),
                            steps=whole("steps of level in the cycles; 0: too many to count"),
                            dead_steps=whole("those that change no duty"),
                        ),
                    ),
                    worst=_peak("check: the peak"),
                    budget=table(
                        "check: a budget",
                        "What was changed so that the supply bears the session.",
                        asked={
                            "oneOf": [{"type": "null"}, _peak("check: the peak as written")],
                            "description": "the peak as written; null: the supply bears it",
                        },
                        longest_wait_ms=whole("the longest that a start waits"),
                        kicks=flag("false: kicks were left out"),
                        level_pct=percent("the factor on all levels"),
                    ),
                    cert=CERT,
                ),
                notes=array(
                    "what is valid and probably not meant",
                    table("check: a note", "", line=LINE, sentence=text("the note")),
                ),
                mat_notes=sentences("what this mat and its supply change"),
            ),
            table(
                "check: an invalid profile",
                "",
                path=text("the file"),
                valid={"const": False, "description": "false"},
                mistakes=array(
                    "all mistakes of the file",
                    table("check: a mistake", "", line=LINE, column=COLUMN, sentence=SENTENCE),
                ),
            ),
        ]
    },
)

PROFILES: Final = array(
    "One object for each profile.",
    table(
        "profiles",
        "",
        name=text("its name"),
        title=or_null(text("its title; null: the file is invalid")),
        length_s=or_null(number("its length; null: it is not known")),
        is_selected=or_null(flag("whether the next start plays it; null: no daemon was asked")),
        mistakes=array(
            "all mistakes of its file",
            table(
                "profiles: a mistake",
                "",
                path=text("the file"),
                line=LINE,
                column=COLUMN,
                sentence=SENTENCE,
            ),
        ),
    ),
)

PROFILE: Final = table(
    "profiles NAME",
    "",
    name=text("its name"),
    title=or_null(text("its title")),
    about=or_null(text("what its author says of it")),
    path=or_null(text("the file; null: only the daemon has it")),
    daemon=or_null(text("the socket or port of the daemon; null: the file was read")),
    length_s=or_null(number("its length")),
    phases=or_null(
        array(
            "its phases; null: only the daemon has the file",
            table(
                "profiles NAME: a phase",
                "",
                name=text("its name"),
                for_s=number("the length of one pass"),
                repeat=whole("how many passes", 1),
                cue=or_null(text("what is done by hand")),
                points=sentences("the points that the mat presses"),
                play=array(
                    "what each target does",
                    table(
                        "profiles NAME: a line of play",
                        "",
                        target=text("a zone, a side or `all`"),
                        pattern=text("the pattern"),
                        from_pct=percent("the level at the beginning of a pass"),
                        to_pct=percent("the level at its end"),
                    ),
                ),
            ),
        )
    ),
    notes=or_null(sentences("what an author should know; null: only the daemon has the file")),
)

EXPLAIN: Final = table(
    "explain",
    "",
    profile=text("its name"),
    daemon=or_null(text("the socket or port of the daemon that explains its own; null: a file")),
    is_whole=flag("false: the daemon has more rows than it sends"),
    rows=array(
        "a row for each zone of each line of `play`",
        table(
            "explain: a row",
            "",
            phase=text("the phase"),
            zone=text("a zone, or a side of it"),
            asked_pct=percent("the level that the profile asks for"),
            cap_pct=percent("the zone's cap"),
            trim_pct=percent("the trim"),
            supply_pct=percent("the factor with which the supply bears the session"),
            level_pct=percent("the level that plays"),
            duty_pct=percent("the duty that a motor gets"),
            bound_by=text("which of them decides"),
        ),
    ),
)

SIMULATE: Final = table(
    "simulate",
    "A `--replay` has no JSON.",
    profile=text("its name"),
    title=text("its title"),
    cert=CERT,
    trim_pct=percent("the trim", 10),
    length_ms=whole("its length"),
    ends_at_zero=flag("whether all motors are off at the end"),
    peak_ma=number("the most current that the session draws"),
    peak_at_ms=whole("when"),
    peak_with_pauses_ma=number("the most that it could draw after a pause"),
    max_ma=whole("what the supply gives"),
    warmest_k=number("by how much the warmest motor is warmer than the skin"),
    zones=array(
        "the zones that play",
        table(
            "simulate: a zone",
            "",
            zone=text("its name"),
            played_ms=whole("the length of the phases that name it"),
            vibrates_ms=whole("for how long it has a level above 0"),
            level_pct=percent("its highest level"),
            duty_pct=percent("its highest duty, apart from kicks"),
            kick_pct=percent("its highest duty, with kicks"),
            strength=number("the mean vibration in that time, from 0 to 1"),
            peak_ma=number("the most current of its motors"),
            peak_at_ms=whole("when"),
            warmer_k=number("by how much its warmest motor is warmer than the skin"),
        ),
    ),
    notes=sentences("what this mat and its supply change"),
    warnings=sentences("motors that stand still under power in the model"),
)

STATUS: Final = table(
    "status",
    "On one line. With `--watch` a line for each change.",
    state=text("what the mat does", enum=["idle", "running", "paused", "fault"]),
    profile=or_null(text("the profile that plays, or the selected one")),
    cert=or_null(CERT),
    phase=or_null(text("the present phase")),
    t=number("seconds played"),
    left=number("seconds left"),
    trim=percent("the trim in percent", 10),
    zones={
        "type": "object",
        "description": "the level of each zone now, in percent, by its name",
        "additionalProperties": percent("a level"),
    },
    signal=or_null(text("the haptic that plays")),
    fault=or_null(text("the code of the fault")),
)

LIMITS: Final = table(
    "limits",
    "",
    session_s=whole("the longest session"),
    daily_s=whole("the running time of a day"),
    used_s=whole("what is used of it"),
    left_s=whole("what is left"),
)

DOCTOR: Final = array(
    "One object for each finding.",
    table(
        "doctor",
        "",
        subject=text("what was checked"),
        word=text("BAD: unsafe, or unable to run", enum=["ok", "note", "BAD"]),
        sentence=text("what was found"),
        fix=or_null(text("what to do")),
        edit={
            "oneOf": [
                {"type": "null"},
                table(
                    "doctor: an edit",
                    "",
                    path=text("the file"),
                    lines=sentences("lines to add at its end"),
                ),
            ],
            "description": "what doctor can add to a file itself",
        },
    ),
)

HISTORY: Final = array(
    "One object for each session, the oldest first.",
    table(
        "history",
        "",
        began=text("when, in local time", pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d$"),
        clock_synchronised=flag("false: the machine's clock was not, so `began` may be wrong"),
        profile=text("its name; `try` for a line of `try`"),
        by=or_null(
            text("where the start came from, such as `button`; null: the program, as with `play`")
        ),
        played_s=number("the time played, without pauses; at least that if `end` is `cut` or null"),
        length_s=number("the length of the profile"),
        end=or_null(
            text(
                "how it ended; `cut`: power failed, or the daemon was killed; null: it plays now",
                enum=["stop", "button", "lease", "end", "fault", "closed", "cut"],
            )
        ),
        ended_by=or_null(text("where the stop came from; null: nobody stopped it")),
        fault=or_null(text("the code of the fault that ended it")),
    ),
)

FLEET: Final = array(
    "One object for each mat on the broker, by id, with its last state, also if it is away now.",
    table(
        "fleet",
        "",
        id=text("the id of the mat", pattern="^[0-9a-f]{8}$"),
        bridge=flag("its bridge is connected to the broker"),
        daemon=flag("its daemon is connected to the bridge"),
        state=or_null(text("such as `running`")),
        selected=or_null(text("the profile that a start would play")),
        profile=or_null(text("the profile that plays")),
        phase=or_null(text("its phase")),
        ends_at=or_null(text("when the session ends, in UTC")),
        fault=or_null(text("the code of the fault")),
        by=or_null(text("where the last change came from, such as `button`")),
        trim=or_null({"type": "integer", "description": "the trim in percent"}),
        left_today=or_null(
            {"type": "integer", "description": "seconds that are left of today's allowance"}
        ),
        used_today=or_null({"type": "integer", "description": "seconds that are used of it"}),
    ),
)

SHAPES: Final[Mapping[str, Shape]] = {
    "check": CHECK,
    "profiles": PROFILES,
    "profiles NAME": PROFILE,
    "explain": EXPLAIN,
    "simulate": SIMULATE,
    "status": STATUS,
    "limits": LIMITS,
    "doctor": DOCTOR,
    "history": HISTORY,
    "fleet": FLEET,
}
"""What each command prints with `--json`."""


def schema() -> Shape:
    """The JSON Schema of all commands, each below its name in `$defs`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "firmware-ctl --json",
        "description": "What each command prints with --json, below its name in $defs.",
        "$defs": dict(SHAPES),
    }
