"""Random valid mats and profiles, as documents of plain values and as `Mat` and `Profile`.

The real readers make each `Mat` and `Profile` from YAML text, so every value can come from a file.
"""

import copy
from typing import Any

import yaml
from hypothesis import strategies as st

from firmware_ctl import limits
from firmware_ctl.config.mat import Mat, read_mat
from firmware_ctl.config.patterns import PATTERNS, Key
from firmware_ctl.config.phase_items import DEEPEST
from firmware_ctl.config.points import POINTS
from firmware_ctl.config.profile import Profile, read_profile
from firmware_ctl.config.profile_fields import targets_of
from firmware_ctl.limits import CUE_MS

Document = dict[str, Any]

ZONES = ("neck", "lower_back", "hips", "shoulders", "calves")
MOTOR_PINS = tuple(pin for pin in range(9, 28) if pin not in (14, 15))
OTHER_PINS = tuple(range(9))


def to_yaml(document: Document) -> bytes:
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text = yaml.dump(document, Dumper=dumper, sort_keys=False, allow_unicode=True)
    return str(text).encode()


def percents(least: int, most: int, unit: str = "%") -> st.SearchStrategy[str]:
    return st.integers(least, most).map(lambda value: f"{value}{unit}")


@st.composite
def durations(draw: st.DrawFn, least_ms: int, most_ms: int) -> str:
    """A duration, written in one of the allowed units."""
    value_ms = draw(st.integers(least_ms, most_ms))
    written = [f"{value_ms}ms", f"{value_ms / 1_000:.3f}s"]
    if value_ms % 6 == 0:
        written.append(f"{value_ms / 60_000:.4f}min")
    return draw(st.sampled_from(written))


def titles(most: int) -> st.SearchStrategy[str]:
    printable_chars = st.characters(categories=["L", "N", "P", "S"], max_codepoint=0xFFFF)
    text = st.text(printable_chars, min_size=1, max_size=most).filter(str.isprintable)
    return st.one_of(st.just("Lower back: release"), text)


INVALID_VALUES: tuple[Any, ...] = (
    *(
        None,
        "",
        "90",
        -3,
        1.5,
        True,
        "30%",
        "101%",
        "0s",
        "5ms",
        "31min",
        "nan",
        "all",
        "hips.left",
    ),
    *("KI3", "BL23", "9" * 50, "a" * 2_000, "\x07", "\u202e", "ü", [], {}, [[]], ["x"], {"a": 1}),
    *({"rest": "5s"}, {"repeat": 3, "phases": [{"rest": "5s"}]}, {"rest": "5"}, {"phases": 3}),
    *({"from": "3%"}, {"pattern": "wave"}, [["0s", "1%"], ["0s", "1%"]], [[None]], {"all": "1%"}),
)


@st.composite
def damaged(draw: st.DrawFn, document: Document) -> bytes:
    """The YAML of the document, in which one to three values were replaced, removed or added."""
    broken = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        node: Any = broken
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(node[key], dict | list) and draw(st.integers(0, 3)):
                node = node[key]
                continue
            change = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
            if change == "replace":
                node[key] = copy.deepcopy(draw(st.sampled_from(INVALID_VALUES)))
            elif change == "remove":
                del node[key]
            elif isinstance(node, dict):
                known_keys = ["name", "level", "play", "after", "cue", "pin", "cap", "gate", "x"]
                known_keys += ["rest", "phases", "repeat"]
                node[draw(st.sampled_from(known_keys))] = copy.deepcopy(
                    draw(st.sampled_from(INVALID_VALUES))
                )
            else:
                node.append(copy.deepcopy(node[key]))
            break
    return to_yaml(broken)


# ---- mats


@st.composite
def motors(draw: st.DrawFn, name: str, pin: int, duty_pct: int, supply_ma: int) -> Document:
    cap_pct = draw(st.integers(2, 100))
    top_pct = min(cap_pct, duty_pct)
    hold_pct = draw(st.integers(1, top_pct - 1))
    run_ma = draw(st.integers(1, min(supply_ma, 400)))
    motor = {
        "name": name,
        "side": draw(st.sampled_from(["left", "right"])),
        "pin": pin,
        **draw(st.sampled_from([{}, {"row": "upper"}, {"row": "lower-2"}])),
        "start": draw(percents(hold_pct, top_pct)),
        "hold": f"{hold_pct}%",
        "cap": f"{cap_pct}%",
        "run_ma": run_ma,
        "start_ma": draw(st.integers(run_ma, supply_ma)),
    }
    if draw(st.booleans()):
        motor["kick"] = draw(durations(0, 300))
    return motor


@st.composite
def mat_documents(draw: st.DrawFn) -> Document:
    names = draw(st.lists(st.sampled_from(ZONES), min_size=1, max_size=4, unique=True))
    pins = draw(st.permutations(MOTOR_PINS))
    others = draw(st.permutations(OTHER_PINS))
    duty_pct = draw(st.integers(2, limits.DUTY_PCT))
    supply_ma = draw(st.integers(20, 3_000))
    has_gate = draw(st.booleans())
    longest_ms = limits.SESSION_GATED_MS if has_gate else limits.SESSION_MS
    zones: Document = {}
    for index, name in enumerate(names):
        count = draw(st.integers(1, 4))
        zones[draw(st.sampled_from([name, name.replace("_", "-")]))] = {
            # The first zone is always present: a mat without a present zone is refused.
            "present": index == 0 or draw(st.booleans()),
            "cap": draw(percents(1, 100)),
            "motors": [
                draw(motors(f"{name}_{n}", pins[index * 4 + n], duty_pct, supply_ma))
                for n in range(count)
            ],
        }
    document: Document = {
        "name": draw(titles(60)),
        "pwm_hz": draw(st.integers(50, 400)),
        "supply": {"max_ma": supply_ma},
        "limits": {
            "session": draw(durations(60_000, longest_ms)),
            "daily": draw(durations(60_000, limits.DAILY_MS)),
            "duty": f"{duty_pct}%",
            "rise": draw(percents(1, limits.RISE_PCT_S, "%/s")),
        },
        "zones": zones,
    }
    if draw(st.booleans()):
        document["button"] = {"pressed": others[0], "released": others[1]}
    if draw(st.booleans()):
        document["led"] = {"pin": others[2]}
    if has_gate:
        document["gate"] = {"heartbeat": others[3], "rail": others[4]}
    if draw(st.booleans()):
        document["serial"] = [{"port": "/dev/serial0", "baud": 9_600}, {"port": "/dev/ttyUSB0"}]
    return document


def mats() -> st.SearchStrategy[Mat]:
    return mat_documents().map(lambda document: read_mat(to_yaml(document), "mat.yaml"))


# ---- profiles


@st.composite
def plays(draw: st.DrawFn, cap_pct: int, for_ms: int) -> str | Document:
    """One line of `play` in a phase of this length."""
    if draw(st.booleans()):
        return draw(percents(0, cap_pct))
    kind = draw(st.sampled_from(list(PATTERNS.values())))
    play: Document = {"pattern": kind.name}
    after_ms = draw(st.one_of(st.just(0), st.integers(0, for_ms - 1)))
    if after_ms:
        play["after"] = f"{after_ms}ms"
    if kind.course is None:
        steps = st.lists(st.integers(10, max(10, for_ms // 4)), max_size=5)
        at_ms = draw(st.integers(0, for_ms - after_ms))
        frames = []
        for step_ms in (0, *draw(steps)):
            at_ms += step_ms
            if at_ms <= for_ms - after_ms:
                frames.append([f"{at_ms}ms", draw(percents(0, cap_pct))])
        play["frames"] = frames
    else:
        level = percents(0, cap_pct)
        play["level"] = draw(st.one_of(level, st.fixed_dictionaries({"from": level, "to": level})))
    for key in kind.keys:
        if key.default is None or draw(st.booleans()):
            play[key.name] = draw(values_of(key))
    if "period" in play and draw(st.booleans()):
        from_ms = max(500, for_ms // 300)
        period = durations(from_ms, from_ms + 5_000)
        play["period"] = {"from": draw(period), "to": draw(period)}
    return play


def values_of(key: Key) -> st.SearchStrategy[Any]:
    if key.is_count:
        return st.integers(key.least, key.most)
    return durations(key.least, min(key.most, 20_000))


@st.composite
def targets(draw: st.DrawFn, mat: Mat) -> list[str]:
    """The targets of one phase. No two targets share a motor."""
    if draw(st.booleans()):
        return ["all"]
    chosen: list[str] = []
    for zone in draw(st.lists(st.sampled_from(mat.zones), min_size=1, unique=True)):
        sides = sorted({motor.side for motor in zone.motors})
        halves = [f"{zone.name}.{side}" for side in sides]
        rows = sorted({(motor.row, motor.side) for motor in zone.motors if motor.row})
        row_names = [f"{zone.name}.{row}" for row in dict(rows)]
        row_sides = [f"{zone.name}.{row}.{side}" for row, side in rows]
        ways = [[zone.name], [zone.name.replace("_", "-")], halves, row_names, row_sides]
        chosen += draw(st.sampled_from([way for way in ways if way]))
    return chosen


@st.composite
def items(
    draw: st.DrawFn, mat: Mat, remaining_ms: int, may_hold: int
) -> tuple[list[Document], int]:
    """A list of phases, rests and groups within the remaining time, and its length in ms."""
    found: list[Document] = []
    begin_ms = remaining_ms
    for _ in range(draw(st.integers(1, 5 if may_hold == DEEPEST else 2))):
        kind = draw(st.sampled_from(["phase", "phase", "phase", "rest", "group"]))
        repeat = draw(st.sampled_from([1, 1, 2, 3, 7]))
        if remaining_ms < 10 * repeat:  # a list must not stay empty
            repeat = 1
        most_ms = min(remaining_ms // repeat, 180_000)
        if most_ms < 10:
            break
        if kind == "group" and may_hold:
            inner, length_ms = draw(items(mat, most_ms, may_hold - 1))
            found.append({"repeat": repeat, "phases": inner})
            remaining_ms -= length_ms * repeat
            continue
        for_ms = draw(st.integers(10, most_ms))
        if kind == "rest":
            found.append({"rest": f"{for_ms}ms"})
            remaining_ms -= for_ms
            continue
        remaining_ms -= for_ms * repeat
        found.append(draw(phases(mat, for_ms, repeat)))
    return found, begin_ms - remaining_ms


@st.composite
def phases(draw: st.DrawFn, mat: Mat, for_ms: int, repeat: int) -> Document:
    known_targets = targets_of(mat)
    phase: Document = {"name": draw(titles(60)), "for": f"{for_ms}ms"}
    if repeat > 1:
        phase["repeat"] = repeat
    if for_ms >= CUE_MS and draw(st.booleans()):
        by_hand = sorted(point.name for point in POINTS.values() if point.by_hand)
        phase["cue"] = draw(st.sampled_from(by_hand))
    if "cue" not in phase or draw(st.booleans()):
        phase["play"] = {
            target: draw(plays(known_targets[target.replace("-", "_")].cap_pct, for_ms))
            for target in draw(targets(mat))
        }
    if draw(st.booleans()):
        phase["points"] = draw(st.lists(st.sampled_from(["BL23", "GB30"]), unique=True))
    return phase


@st.composite
def profile_documents(draw: st.DrawFn, mat: Mat) -> Document:
    remaining_ms = min(mat.limits.session_ms, mat.limits.daily_ms)
    phases, _ = draw(items(mat, remaining_ms, DEEPEST))
    document: Document = {"title": draw(titles(80)), "phases": phases}
    if draw(st.booleans()):
        document["about"] = draw(titles(200))
    if draw(st.booleans()):
        document["strict"] = draw(st.booleans())
    if draw(st.booleans()):
        document["needs"] = [zone.name for zone in mat.zones if zone.present][:1]
    return document


def profiles(mat: Mat) -> st.SearchStrategy[Profile]:
    return profile_documents(mat).map(
        lambda document: read_profile(to_yaml(document), "random.yaml", mat)
    )


def mats_and_profiles() -> st.SearchStrategy[tuple[Mat, Profile]]:
    return mats().flatmap(lambda mat: st.tuples(st.just(mat), profiles(mat)))
