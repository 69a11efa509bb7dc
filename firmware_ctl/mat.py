"""The machine as data: zones, motors, pins, supply and limits, read from a mat file.

Knows nothing of time, and does no I/O beyond reading its file.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from firmware_ctl import limits
from firmware_ctl.document import (
    VERSION,
    Field,
    Form,
    Kind,
    Node,
    Report,
    Text,
    again,
    blocks,
    choice,
    flag,
    in_units,
    length,
    list_of,
    parse,
    table,
    whole,
    word,
    words,
)
from firmware_ctl.patterns import Side


class Motor(NamedTuple):
    """One motor. Duties in whole percent of what the pin can give, currents at the cap."""

    name: str
    zone: str
    side: Side
    pin: int
    start_pct: int
    """Duty that sets a resting motor turning."""
    hold_pct: int
    """Duty that just keeps a turning motor turning; level 1 maps onto it."""
    cap_pct: int
    """Highest duty; level 100 maps onto it. Never above the mat's and the code's own."""
    kick_ms: int
    run_ma: int
    start_ma: int


class Zone(NamedTuple):
    name: str
    present: bool
    cap_pct: int
    """Highest level that a profile may ask of the zone."""
    motors: tuple[Motor, ...]


class Contacts(NamedTuple):
    """The start button. Change-over where `released_pin` is given: a broken wire is then seen."""

    pressed_pin: int
    released_pin: int | None


class Gate(NamedTuple):
    heartbeat_pin: int
    rail_pin: int | None


class SerialPort(NamedTuple):
    device: str
    baud: int


class MatLimits(NamedTuple):
    """What the file asks for, at most the code's own limits."""

    session_ms: int
    daily_ms: int
    duty_pct: int
    rise_pct_s: int


class Mat(NamedTuple):
    name: str
    zones: tuple[Zone, ...]
    pwm_hz: int
    max_ma: int
    limits: MatLimits
    button: Contacts | None
    led_pin: int | None
    gate: Gate | None
    ports: tuple[SerialPort, ...]
    source: bytes = b""
    """The file that this was read from."""

    @property
    def motors(self) -> tuple[Motor, ...]:
        """Every motor in the order of the file: the order of levels, duties and traces."""
        return tuple(motor for zone in self.zones for motor in zone.motors)

    @property
    def power_pins(self) -> tuple[int, ...]:
        """With all of these low nothing moves: every motor's pin and the gate's heartbeat."""
        gate = (self.gate.heartbeat_pin,) if self.gate else ()
        return (*(motor.pin for motor in self.motors), *gate)


# ---- the file


def zone_name(text: str) -> str:
    """The name as the code knows it: `lower-back` and `lower_back` are the same zone."""
    return text.replace("-", "_")


def _read_zone_name(node: Node, key: str, report: Report) -> str | None:
    text = _NAME.read(node, key, report)
    if text == "all":
        report.add(node, f"{key}: `all` means every zone in a profile; name this zone otherwise")
        return None
    return text and zone_name(text)


def _pin(least: int, why: str) -> Kind:
    """A GPIO number (BCM) from `least` to 27; GPIO 14 and 15 belong to the serial port."""
    number = whole(0, 27)

    def read(node: Node, key: str, report: Report) -> int | None:
        value: int | None = number.read(node, key, report)
        if value in (14, 15):
            report.add(node, f"{key}: GPIO 14 and 15 are the serial port's; use another pin")
        elif value is not None and value < least:
            report.add(node, f"{key}: {why.format(value)}")
        else:
            return value
        return None

    text = f"GPIO number (BCM), {least} to 27 without 14 and 15"
    schema = {"type": "integer", "minimum": least, "maximum": 27, "not": {"enum": [14, 15]}}
    return Kind(read, schema | {"description": text})


_NAME: Final = word("a-z0-9_-", "a-z, 0-9, '_' and '-'")
_ANY_PIN: Final = _pin(0, "")
_MOTOR_PIN: Final = _pin(9, "GPIO {} is pulled up at boot, the motor would run; use 9 to 27")

_MOTOR: Final = table(
    "a motor",
    Field("name", _NAME, "what the motor is called in traces and by the wiring test"),
    Field("side", choice(("left", "right"), "side"), "the side of the person it lies on"),
    Field("pin", _MOTOR_PIN, "the pin that switches it"),
    Field("start", whole(1, 100, "%"), "duty that sets it turning from rest"),
    Field("hold", whole(1, 100, "%"), "duty that just keeps it turning; level 1 becomes this"),
    Field(
        "cap", whole(1, 100, "%"), "highest duty; level 100 becomes this, or limits.duty if less"
    ),
    Field("kick", length(0, 300), "how long it gets its highest duty from rest", default=0),
    Field("run_ma", whole(1, 10_000), "current in mA that it draws at its cap"),
    Field("start_ma", whole(1, 10_000), "current in mA that it draws from rest, at its cap"),
)
_ZONE: Final = table(
    "a zone",
    Field("present", flag(), "false while its part is not plugged in", default=True),
    Field("cap", whole(1, 100, "%"), "highest level that a profile may ask of it", default=100),
    Field("motors", list_of(_MOTOR, least=1), "its motors, in the order in which `travel` runs"),
)
_ZONES: Final = blocks(
    "zones", Kind(_read_zone_name, _NAME.schema | {"not": {"const": "all"}}), _ZONE
)
_OWN: Final = "the code's own limit of"
_LIMITS: Final = table(
    "the block of limits",
    Field(
        "session",
        length(60_000, limits.SESSION_GATED_MS, _OWN),
        "longest session; above 15min only with a motor gate",
    ),
    Field("daily", length(60_000, limits.DAILY_MS, _OWN), "most running time in 24 hours"),
    Field("duty", whole(1, limits.DUTY_PCT, "%", _OWN), "highest duty of any motor"),
    Field("rise", whole(1, limits.RISE_PCT_S, "%/s", _OWN), "steepest rise of the soft start"),
)
_BUTTON: Final = table(
    "the button",
    Field("pressed", _ANY_PIN, "pin that is joined to ground while the button is pressed"),
    Field(
        "released",
        _ANY_PIN,
        "pin of a change-over contact, joined to ground while it is released",
        default=None,
    ),
)
_GATE: Final = table(
    "the motor gate",
    Field("heartbeat", _ANY_PIN, "pin that must toggle to hold the motor rail on"),
    Field("rail", _ANY_PIN, "pin that reads whether the rail is on", default=None),
)
_PORT: Final = table(
    "a serial port",
    Field("port", words(200), "its device, such as /dev/serial0"),
    Field("baud", whole(1_200, 4_000_000), "bits a second", default=115_200),
)
FILE: Final = table(
    "a mat file",
    Field("schema", VERSION, "version of the format", default="1"),
    Field("name", words(60), "what the mat calls itself"),
    Field("pwm_hz", whole(50, 400), "PWM frequency in Hz; more costs more of the processor"),
    Field(
        "supply",
        table(
            "the supply", Field("max_ma", whole(1, 100_000), "most current in mA, for all motors")
        ),
        "what feeds the motors",
    ),
    Field("limits", _LIMITS, "at most the code's own limits"),
    Field("zones", _ZONES, "the zones, each with its motors"),
    Field("button", _BUTTON, "the start button", default=None),
    Field("led", table("the LED", Field("pin", _ANY_PIN, "its pin")), "status LED", default=None),
    Field("gate", _GATE, "the motor gate; leave it out where it is not fitted", default=None),
    Field("serial", list_of(_PORT), "serial ports that take commands", default=()),
)


def read_mat(data: bytes, path: str) -> Mat:
    """The mat of this file. Raises AuthorError with every mistake in it; `path` is for them."""
    report = Report(path)
    form: Form | None = FILE.read(parse(data, report), "the file", report)
    zones: Mapping[str, tuple[Text, Form | None]] = (form and form["zones"]) or {}
    if form is not None:
        _check_pins(form, report)
        _check_limits(form, report)
        motors = [motor for _, zone in zones.values() for motor in _motors(zone)]
        for motor in motors:
            _check_motor(motor, form, report)
        _check_unique(motors, "name", report)
        _check_unique([port for port in form["serial"] or () if port is not None], "port", report)
        if zones and not any(
            zone is None or zone["present"] is not False for _, zone in zones.values()
        ):
            report.add(form.at("zones"), "zones: none of them is present; nothing could play")
    if report.mistakes or form is None:
        raise report.error()
    ceiling_pct = form["limits"]["duty"]
    return Mat(
        name=form["name"],
        zones=tuple(
            Zone(
                name=name,
                present=zone["present"],
                cap_pct=zone["cap"],
                motors=tuple(_motor(motor, name, ceiling_pct) for motor in zone["motors"]),
            )
            for name, (_, zone) in zones.items()
            if zone is not None
        ),
        pwm_hz=form["pwm_hz"],
        max_ma=form["supply"]["max_ma"],
        limits=MatLimits(
            session_ms=form["limits"]["session"],
            daily_ms=form["limits"]["daily"],
            duty_pct=ceiling_pct,
            rise_pct_s=form["limits"]["rise"],
        ),
        button=form["button"] and Contacts(form["button"]["pressed"], form["button"]["released"]),
        led_pin=form["led"] and form["led"]["pin"],
        gate=form["gate"] and Gate(form["gate"]["heartbeat"], form["gate"]["rail"]),
        ports=tuple(SerialPort(port["port"], port["baud"]) for port in form["serial"]),
        source=data,
    )


def _motor(form: Form, zone: str, ceiling_pct: int) -> Motor:
    return Motor(
        name=form["name"],
        zone=zone,
        side=form["side"],
        pin=form["pin"],
        start_pct=form["start"],
        hold_pct=form["hold"],
        cap_pct=min(form["cap"], ceiling_pct),
        kick_ms=form["kick"],
        run_ma=form["run_ma"],
        start_ma=form["start_ma"],
    )


def _motors(zone: Form | None) -> Iterator[Form]:
    return (motor for motor in (zone and zone["motors"]) or () if motor is not None)


def _check_pins(form: Form, report: Report) -> None:
    used: list[tuple[Node, int, str]] = []

    def use(block: Form | None, owner: str, *keys: str) -> None:
        for key in keys:
            if block is not None and block[key] is not None:
                used.append((block.at(key), block[key], f"{owner}'s {key}"))

    for _, zone in (form["zones"] or {}).values():
        for motor in _motors(zone):
            use(motor, f"motor {motor['name']}", "pin")
    use(form["button"], "the button", "pressed", "released")
    use(form["led"], "the LED", "pin")
    use(form["gate"], "the gate", "heartbeat", "rail")
    owners: dict[int, str] = {}
    for place, pin, owner in sorted(used, key=lambda use: (use[0].line, use[0].column)):
        if pin in owners:
            report.add(place, f"GPIO {pin} is already {owners[pin]}; a pin does one thing")
        owners.setdefault(pin, f"{owner} (line {place.line})")


def _check_limits(form: Form, report: Report) -> None:
    asked: Form | None = form["limits"]
    session_ms = asked and asked["session"]
    if asked and session_ms and session_ms > limits.SESSION_MS and "gate" not in form.node.pairs:
        own = in_units(limits.SESSION_MS)
        sentence = f"session: {in_units(session_ms)} is above {_OWN} {own} without a motor gate"
        report.add(asked.at("session"), sentence)


def _check_motor(motor: Form, form: Form, report: Report) -> None:
    asked: Mapping[str, Any] = form["limits"] or {}
    supply_ma = (form["supply"] or {}).get("max_ma")
    start, hold, run_ma, start_ma = (motor[key] for key in ("start", "hold", "run_ma", "start_ma"))
    tops = [(motor["cap"], "cap"), (asked.get("duty"), "limits.duty")]
    top_pct, top = min(((pct, name) for pct, name in tops if pct), default=(100, "full duty"))
    if hold and start and hold > start:
        sentence = f"hold: {hold}% is above start, {start}%; what starts a motor also holds it"
        report.add(motor.at("hold"), sentence)
    if start and start > top_pct:
        sentence = f"start: {start}% is above {top}, {top_pct}%; the motor could never start"
        report.add(motor.at("start"), sentence)
    if hold and hold >= top_pct:
        sentence = f"hold: {hold}% is not below {top}, {top_pct}%; no room is left for levels"
        report.add(motor.at("hold"), sentence)
    if run_ma and start_ma and start_ma < run_ma:
        sentence = (
            f"start_ma: {start_ma} is below run_ma, {run_ma}; a motor draws most at its start"
        )
        report.add(motor.at("start_ma"), sentence)
    if start_ma and supply_ma and start_ma > supply_ma:
        sentence = f"start_ma: {start_ma} is more than the supply gives, max_ma {supply_ma}"
        report.add(motor.at("start_ma"), sentence)


def _check_unique(forms: list[Form], key: str, report: Report) -> None:
    first: dict[str, Node] = {}
    for form in forms:
        place = form.at(key)
        if form[key] and first.setdefault(form[key], place) is not place:
            report.add(place, again(form[key], first[form[key]]))
