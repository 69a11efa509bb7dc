"""The bridge's file, `/etc/firmware-ctl/mqtt.yaml`, and the secrets that it names.

The file is read like a mat file: every mistake with its line and column. The password is in a file
of its own, because an argument or a readable file would show it to every user of the machine.
"""

import os
import re
import stat
from typing import Final, NamedTuple

from firmware_ctl.config.fields import (
    Block,
    Field,
    Kind,
    boolean,
    plain_text,
    scalar_or_block,
    scalar_text,
    table,
)
from firmware_ctl.config.yaml_tree import Node, Report, parse, shown
from firmware_ctl.errors import DeviceError
from firmware_ctl.timeline.folder import read_file

SERVICE_FILE: Final = "/etc/firmware-ctl/mqtt.yaml"
PORT: Final = 1883
TLS_PORT: Final = 8883
NO_DISCOVERY: Final = "none"
IF_EMPTY: Final = "write `broker: HOST`, or remove the file"
PASSWORD_MAX: Final = 1024


class Address(NamedTuple):
    host: str
    port: int | None
    """None: the usual one, which depends on TLS."""


class Tls(NamedTuple):
    """Files of certificates. `ca` None: those that the machine trusts."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None


class Settings(NamedTuple):
    address: Address = Address("localhost", None)
    user: str | None = None
    password_file: str | None = None
    tls: Tls | None = None
    """None: without encryption."""
    allow_start: bool = False
    discovery_prefix: str | None = "homeassistant"
    """None: the mat does not show itself to Home Assistant."""

    @property
    def port(self) -> int:
        return self.address.port or (TLS_PORT if self.tls else PORT)

    @property
    def where(self) -> str:
        """The broker for a message."""
        host = f"[{self.address.host}]" if ":" in self.address.host else self.address.host
        return f"{host}:{self.port}"


_ADDRESS_TEXT: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?")


def address(text: str) -> Address | None:
    """`HOST`, `HOST:PORT`, `[::1]` or `[::1]:PORT`. None: it is none of them."""
    match = _ADDRESS_TEXT.fullmatch(text)
    if match is None or not 1 <= int(match[3] or 1) <= 65_535:
        return None
    return Address(match[1] or match[2], int(match[3]) if match[3] else None)


def _read_address(node: Node, key: str, report: Report) -> Address | None:
    text = scalar_text(node, key, report)
    found = None if text is None else address(text)
    if text is not None and found is None:
        report.add(node, f"{key}: {shown(text)} is not HOST or HOST:PORT; write localhost:1883")
    return found


def _read_prefix(node: Node, key: str, report: Report) -> str | None:
    text = _TEXT.read(node, key, report)
    if text is not None and (set(text) & set("+#") or text.strip("/") != text):
        sentence = f"{key}: {shown(text)} is not the begin of a topic; write homeassistant"
        report.add(node, sentence)
        return None
    return text


_TEXT: Final = plain_text(200)
_TLS: Final = scalar_or_block(
    boolean(),
    table(
        "the TLS block",
        Field("ca", _TEXT, "file with the certificate of who signed the broker's", default=None),
        Field("certificate", _TEXT, "file with the certificate of this client", default=None),
        Field("key", _TEXT, "file with the key of that certificate", default=None),
    ),
)
_ADDRESS: Final = Kind(_read_address, _TEXT.schema)
_PREFIX: Final = Kind(_read_prefix, _TEXT.schema)
FILE: Final = table(
    "the file of the MQTT bridge",
    Field("broker", _ADDRESS, "HOST or HOST:PORT", default=Address("localhost", None)),
    Field("user", _TEXT, "user name at the broker", default=None),
    Field("password_file", _TEXT, "file of mode 0600 with the password", default=None),
    Field("tls", _TLS, "true, or the files of certificates", default=False),
    Field("allow_start", boolean(), "true if a message may start and strengthen", default=False),
    Field("discovery_prefix", _PREFIX, "for Home Assistant, or none", default="homeassistant"),
)


def read_settings(data: bytes, path: str) -> Settings:
    """The settings in the text of a file. Raises `AuthorError` with every mistake in the file."""
    report = Report(path)
    file = FILE.read(parse(data, report, if_empty=IF_EMPTY), "the file", report)
    if file is not None:
        _check(file, report)
    if report.mistakes or file is None:
        raise report.error()
    tls: Block | bool = file["tls"]
    if isinstance(tls, Block):
        files: Tls | None = Tls(tls["ca"], tls["certificate"], tls["key"])
    else:
        files = Tls() if tls else None
    prefix: str = file["discovery_prefix"]
    return Settings(
        address=file["broker"],
        user=file["user"],
        password_file=file["password_file"],
        tls=files,
        allow_start=file["allow_start"],
        discovery_prefix=None if prefix == NO_DISCOVERY else prefix,
    )


def _check(file: Block, report: Report) -> None:
    if file["password_file"] and not file["user"]:
        sentence = "password_file: a password needs a user; add `user: NAME`"
        report.add(file.at("password_file"), sentence)
    tls = file["tls"]
    if isinstance(tls, Block) and bool(tls["certificate"]) != bool(tls["key"]) and tls.is_valid:
        report.add(file.at("tls"), "tls: a certificate and its key belong together; write both")


def load_settings(path: str | None, broker: Address | None = None) -> Settings:
    """Reads a file. `path` None: the service's file if it exists, unless a broker is named.

    Raises `DeviceError` if the file cannot be read, and `AuthorError` if it has mistakes.
    """
    if path is None and broker is None and os.path.exists(SERVICE_FILE):
        path = SERVICE_FILE
    settings = Settings()
    if path is not None:
        try:
            settings = read_settings(read_file(path), path)
        except OSError as error:
            raise DeviceError(f"{path} cannot be read: {error.strerror}") from None
    return settings if broker is None else settings._replace(address=broker)


def secret_file(path: str) -> str:
    """The path to read a secret from.

    The service is a user that exists only while it runs, and cannot own a file. So systemd hands
    it copies of the secrets, under the same names (`LoadCredential=` in the unit).
    """
    handed_over = os.path.join(os.environ.get("CREDENTIALS_DIRECTORY", ""), os.path.basename(path))
    return handed_over if os.path.isabs(handed_over) and os.path.exists(handed_over) else path


def read_password(path: str) -> str:
    """The password: the first line of the file. Raises `DeviceError` if others may read it too."""
    file = secret_file(path)
    try:
        with open(file, encoding="utf-8") as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            # What systemd hands over is closed to others by its folder.
            if file == path and mode & 0o077:
                sentence = f"{path} can be read by other users (mode {mode:04o})"
                raise DeviceError(f"{sentence}; run: chmod 600 {path}")
            password = opened.read(PASSWORD_MAX).partition("\n")[0]
    except UnicodeDecodeError:
        raise DeviceError(f"{path} is not text; write the password as one line") from None
    except OSError as error:
        if isinstance(error, DeviceError):
            raise
        raise DeviceError(f"{path} cannot be read: {error.strerror}") from None
    if not password:
        raise DeviceError(f"{path} is empty; write the password as one line")
    return password
