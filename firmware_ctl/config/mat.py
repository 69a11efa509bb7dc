"""A mat as frozen values: zones, motors, pins, supply and limits, read from the text of a mat file.

This module never knows time, and opens no file.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from firmware_ctl import limits
from firmware_ctl.config.fields import (
    VERSION,
    Block,
    Field,
    Kind,
    boolean,
    choice,
    identifier,
    list_of,
    named_blocks,
    plain_text,
    table,
)
from firmware_ctl.config.patterns import Side
from firmware_ctl.config.quantities import duration, in_units, integer
from firmware_ctl.config.yaml_tree import (
    Node,
    Report,
    ScalarNode,
    duplicate,
    parse,
)


class Motor(NamedTuple):
    """One motor. Duties are whole percents of the time that the pin is on."""

    name: str
    zone: str
    side: Side
    pin: int
    """GPIO number (BCM)."""
    start_pct: int
    """The duty that starts the motor from rest."""
    hold_pct: int
    """The lowest duty that keeps the motor turning; level 1 maps onto it."""
    cap_pct: int
    """The highest duty; level 100 maps onto it. At most the limit of the mat and of the code."""
    kick_ms: int
    """How long the motor gets its highest duty when it starts from rest. 0: it needs no kick."""
    run_ma: int
    """Current of the turning motor at its cap."""
    start_ma: int
    """Current of the motor at its cap while it starts from rest."""
    row: str = ""
    """The row of the zone that the motor belongs to. Empty: the zone has no rows, or none here."""


class Zone(NamedTuple):
    name: str
    present: bool
    """False while the zone's part of the mat is not plugged in: its motors stay silent."""
    cap_pct: int
    """The highest level that a profile may ask of the zone."""
    motors: tuple[Motor, ...]


class ButtonPins(NamedTuple):
    """The pins of the start button.

    `released_pin` belongs to a change-over contact, where a broken wire shows: neither pin then
    reads as joined. None for a plain contact, whose broken wire reads as released.
    """

    pressed_pin: int
    released_pin: int | None


class Gate(NamedTuple):
    """The pins of the motor gate."""

    heartbeat_pin: int
    """The gate cuts the motors' rail unless this pin toggles."""
    rail_pin: int | None
    """The read-back of the rail. None: the mat cannot tell whether the gate works."""


class SerialPort(NamedTuple):
    device: str
    baud: int


class MatLimits(NamedTuple):
    """The limits of this mat. Each is at most the limit in the code (`firmware_ctl.limits`)."""

    session_ms: int
    daily_ms: int
    duty_pct: int
    rise_pct_s: int


class Mat(NamedTuple):
    """A whole mat. `button`, `led_pin` and `gate` are None if the mat does not have the part."""

    name: str
    zones: tuple[Zone, ...]
    pwm_hz: int
    max_ma: int
    """The most current that the supply gives for all motors together."""
    limits: MatLimits
    button: ButtonPins | None
    led_pin: int | None
    gate: Gate | None
    ports: tuple[SerialPort, ...]
    source: bytes = b""
    """The bytes of the file that the mat was read from."""

    @property
    def motors(self) -> tuple[Motor, ...]:
        """Every motor in the order of the file. Levels, duties and traces have the same order."""
        return tuple(motor for zone in self.zones for motor in zone.motors)

    @property
    def power_pins(self) -> tuple[int, ...]:
        """The pins of all motors and of the gate's heartbeat. No motor turns while all are low."""
        gate = (self.gate.heartbeat_pin,) if self.gate else ()
        return (*(motor.pin for motor in self.motors), *gate)


# ---- the file


def zone_name(text: str) -> str:
    """The name as the code spells it: `lower-back` and `lower_back` are the same zone."""
    return text.replace("-", "_")


def _read_zone_name(node: Node, key: str, report: Report) -> str | None:
    text = _NAME.read(node, key, report)
    if text == "all":
        report.add(node, f"{key}: `all` means every zone in a profile; rename this zone")
        return None
    return text and zone_name(text)


def _pin(least: int, why_not_lower: str) -> Kind[int]:
    """A GPIO number (BCM) from `least` to 27, without 14 and 15, which are the serial port.

    `why_not_lower` is the sentence for a lower number, with `{}` in the place of the number.
    """
    number = integer(0, 27)

    def read(node: Node, key: str, report: Report) -> int | None:
        value = number.read(node, key, report)
        if value in (14, 15):
            report.add(node, f"{key}: GPIO 14 and 15 are the serial port's; use another pin")
        elif value is not None and value < least:
            report.add(node, f"{key}: {why_not_lower.format(value)}")
        else:
            return value
        return None

    description = f"GPIO number (BCM), {least} to 27 without 14 and 15"
    schema = {"type": "integer", "minimum": least, "maximum": 27, "not": {"enum": [14, 15]}}
    return Kind(read, schema | {"description": description})


def _read_row(node: Node, key: str, report: Report) -> str | None:
    text = _NAME.read(node, key, report)
    if text in ("left", "right"):
        report.add(node, f"{key}: {text} is a side; name the row otherwise, such as upper")
        return None
    return text and zone_name(text)


_NAME: Final = identifier("a-z0-9_-", "a-z, 0-9, '_' and '-'")
_ROW: Final = Kind(_read_row, _NAME.schema | {"not": {"enum": ["left", "right"]}})
_ANY_PIN: Final = _pin(0, "")
_MOTOR_PIN: Final = _pin(9, "GPIO {} is pulled up at boot, the motor would run; use 9 to 27")

_MOTOR: Final = table(
    "a motor",
    Field("name", _NAME, "what the motor is called in traces and by the wiring test"),
    Field("side", choice(("left", "right"), "side"), "the side of the person it lies on"),
    Field("row", _ROW, "a row of the zone, such as upper, which profiles may name", default=""),
    Field("pin", _MOTOR_PIN, "the pin that switches it"),
    Field("start", integer(1, 100, "%"), "duty that sets it turning from rest"),
    Field("hold", integer(1, 100, "%"), "duty that just keeps it turning; level 1 becomes this"),
    Field(
        "cap",
        integer(1, 100, "%"),
        "highest duty; level 100 becomes this, or limits.duty if less",
    ),
    Field("kick", duration(0, 300), "how long it gets its highest duty from rest", default=0),
    Field("run_ma", integer(1, 10_000), "current in mA that it draws at its cap"),
    Field("start_ma", integer(1, 10_000), "current in mA that it draws from rest, at its cap"),
)
_ZONE: Final = table(
    "a zone",
    Field("present", boolean(), "false while its part is not plugged in", default=True),
    Field("cap", integer(1, 100, "%"), "highest level that a profile may ask of it", default=100),
    Field("motors", list_of(_MOTOR, least=1), "its motors, in the order in which `travel` runs"),
)
_ZONES: Final = named_blocks(
    "zones",
    "hips: {motors: [...]}",
    Kind(_read_zone_name, _NAME.schema | {"not": {"const": "all"}}),
    _ZONE,
)
_OWN: Final = "the code's own limit of"
_LIMITS: Final = table(
    "the block of limits",
    Field(
        "session",
        duration(60_000, limits.SESSION_GATED_MS, _OWN),
        "longest session; above 15min only with a motor gate",
    ),
    Field("daily", duration(60_000, limits.DAILY_MS, _OWN), "most running time in 24 hours"),
    Field("duty", integer(1, limits.DUTY_PCT, "%", _OWN), "highest duty of any motor"),
    Field("rise", integer(1, limits.RISE_PCT_S, "%/s", _OWN), "steepest rise of the soft start"),
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
    Field("port", plain_text(200), "its device, such as /dev/serial0"),
    Field("baud", integer(1_200, 4_000_000), "bits a second", default=115_200),
)
IF_EMPTY: Final = (
    "copy the reference mat's file, hw/mat.yaml, to this place; or remove the file, and "
    "`firmware-ctl setup` makes that copy"
)
FILE: Final = table(
    "a mat file",
    Field("schema", VERSION, "version of the format", default="1"),
    Field("name", plain_text(60), "what the mat calls itself"),
    Field("pwm_hz", integer(50, 400), "PWM frequency in Hz; higher values use more CPU"),
    Field(
        "supply",
        table(
            "the supply",
            Field("max_ma", integer(1, 100_000), "most current in mA, for all motors"),
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
    """The mat in the text of a mat file. Raises AuthorError with every mistake in the file.

    `path` is only for the mistakes; no file is opened.
    """
    report = Report(path)
    file = FILE.read(parse(data, report, if_empty=IF_EMPTY), "the file", report)
    if file is not None:
        zones: Mapping[str, tuple[ScalarNode, Block | None]] = file["zones"] or {}
        motors = [motor for _, zone in zones.values() for motor in _motor_blocks(zone)]
        _check_pins(file, motors, report)
        _check_session(file, report)
        for motor in motors:
            _check_motor(motor, file, report)
        _check_unique(motors, "name", report)
        _check_unique([port for port in file["serial"] or () if port is not None], "port", report)
        if zones and all(
            zone is not None and zone["present"] is False for _, zone in zones.values()
        ):
            report.add(file.at("zones"), "zones: none of them is present; nothing could play")
    if report.mistakes or file is None:
        raise report.error()
    return _mat(file, data)


def _mat(file: Block, data: bytes) -> Mat:
    duty_pct = file["limits"]["duty"]
    return Mat(
        name=file["name"],
        zones=tuple(
            Zone(
                name=name,
                present=zone["present"],
                cap_pct=zone["cap"],
                motors=tuple(_motor(motor, name, duty_pct) for motor in zone["motors"]),
            )
            for name, (_, zone) in file["zones"].items()
        ),
        pwm_hz=file["pwm_hz"],
        max_ma=file["supply"]["max_ma"],
        limits=MatLimits(
            session_ms=file["limits"]["session"],
            daily_ms=file["limits"]["daily"],
            duty_pct=duty_pct,
            rise_pct_s=file["limits"]["rise"],
        ),
        button=file["button"] and ButtonPins(file["button"]["pressed"], file["button"]["released"]),
        led_pin=file["led"] and file["led"]["pin"],
        gate=file["gate"] and Gate(file["gate"]["heartbeat"], file["gate"]["rail"]),
        ports=tuple(SerialPort(port["port"], port["baud"]) for port in file["serial"]),
        source=data,
    )


def _motor(block: Block, zone: str, duty_pct: int) -> Motor:
    return Motor(
        name=block["name"],
        zone=zone,
        side=block["side"],
        pin=block["pin"],
        start_pct=block["start"],
        hold_pct=block["hold"],
        cap_pct=min(block["cap"], duty_pct),
        kick_ms=block["kick"],
        run_ma=block["run_ma"],
        start_ma=block["start_ma"],
        row=block["row"],
    )


def _motor_blocks(zone: Block | None) -> Iterator[Block]:
    return (motor for motor in (zone and zone["motors"]) or () if motor is not None)


def _check_pins(file: Block, motors: list[Block], report: Report) -> None:
    uses: list[tuple[Node, int, str]] = []

    def use(block: Block | None, owner: str, *keys: str) -> None:
        for key in keys:
            if block is not None and block[key] is not None:
                uses.append((block.at(key), block[key], f"{owner}'s {key}"))

    for motor in motors:
        use(motor, f"motor {motor['name']}", "pin")
    use(file["button"], "the button", "pressed", "released")
    use(file["led"], "the LED", "pin")
    use(file["gate"], "the gate", "heartbeat", "rail")
    owners: dict[int, str] = {}
    for node, pin, owner in sorted(uses, key=lambda use: (use[0].line, use[0].column)):
        if pin in owners:
            report.add(node, f"GPIO {pin} is already {owners[pin]}; a pin does one thing")
        owners.setdefault(pin, f"{owner} (line {node.line})")


def _check_session(file: Block, report: Report) -> None:
    block: Block | None = file["limits"]
    session_ms = block and block["session"]
    if block and session_ms and session_ms > limits.SESSION_MS and "gate" not in file.node.pairs:
        own = in_units(limits.SESSION_MS)
        sentence = f"session: {in_units(session_ms)} is above {_OWN} {own} without a motor gate"
        report.add(block.at("session"), sentence)


def _check_motor(motor: Block, file: Block, report: Report) -> None:
    duty_pct = (file["limits"] or {}).get("duty")
    supply_ma = (file["supply"] or {}).get("max_ma")
    start, hold, run_ma, start_ma = (motor[key] for key in ("start", "hold", "run_ma", "start_ma"))
    tops = [(motor["cap"], "cap"), (duty_pct, "limits.duty")]
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


def _check_unique(blocks: list[Block], key: str, report: Report) -> None:
    first: dict[str, Node] = {}
    for block in blocks:
        node = block.at(key)
        if block[key] in first:
            report.add(node, duplicate(key, block[key], first[block[key]]))
        elif block[key] is not None:
            first[block[key]] = node
