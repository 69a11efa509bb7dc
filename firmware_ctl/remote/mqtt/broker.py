"""One connection to a broker, with paho-mqtt. It never connects again by itself.

Each try has a client of its own, so that nothing of an earlier connection, such as a message that
was not sent, reaches the broker later. paho's thread only puts inputs into a queue.
"""

import ssl
from collections.abc import Callable
from contextlib import suppress
from socket import IPPROTO_TCP, SHUT_RDWR, TCP_NODELAY, socket
from threading import Event, Thread
from typing import Any, Final, NamedTuple

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from firmware_ctl.errors import DeviceError
from firmware_ctl.remote.mqtt.inputs import (
    BrokerAnswered,
    BrokerConnected,
    BrokerLost,
    BrokerRefused,
    Input,
    Message,
)
from firmware_ctl.remote.mqtt.settings import Settings, read_password, secret_file

KEEPALIVE_S: Final = 15
"""The broker publishes the last will when it has heard nothing for one and a half times this."""
CONNECT_S: Final = 10.0
LEAVE_S: Final = 2.0
"""How long the end of a bridge waits for the broker to take the last messages."""
PACKET_MAX: Final = 1_048_576
"""The largest message that is taken. The broker does not send a larger one."""
TAKEN_OVER: Final = 142
TOO_NEW: Final = 132
UNSPECIFIED: Final = 128
"""Reason codes of MQTT 5: another client with this id; unsupported protocol version; none given."""


Put = Callable[[Input], object]


class Will(NamedTuple):
    """The retained message that the broker publishes when this client is gone."""

    topic: str
    payload: str


def make_client(settings: Settings, client_id: str, will: Will | None, with_mqtt_5: bool) -> Client:
    """A client with its credentials. Raises `DeviceError` if a file of `settings` is unusable."""
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        protocol=MQTTProtocolVersion.MQTTv5 if with_mqtt_5 else MQTTProtocolVersion.MQTTv311,
        reconnect_on_failure=False,
    )
    client.connect_timeout = CONNECT_S
    if will is not None:
        client.will_set(will.topic, will.payload, qos=1, retain=True)
    if settings.user is not None:
        password = settings.password_file and read_password(settings.password_file)
        client.username_pw_set(settings.user, password)
    if settings.tls is not None:
        tls = settings.tls
        try:
            client.tls_set(
                ca_certs=tls.ca,
                certfile=tls.certificate,
                keyfile=None if tls.key is None else secret_file(tls.key),
            )
        except (OSError, ValueError) as error:
            raise DeviceError(f"TLS: a file of certificates cannot be used: {error}") from None
    return client


class BrokerLink:
    """A connection to the broker. It puts its inputs from other threads."""

    def __init__(
        self,
        settings: Settings,
        client_id: str,
        will: Will | None,
        with_mqtt_5: bool,
        put: Put,
        now_ms: Callable[[], int],
    ) -> None:
        """Raises `DeviceError` if a file of `settings` is unusable."""
        self._client = make_client(settings, client_id, will, with_mqtt_5)
        self._with_mqtt_5 = with_mqtt_5
        self._address = (settings.address.host, settings.port)
        self._put = put
        self._now_ms = now_ms
        self._is_open = True
        self._ended = Event()
        self._sent: dict[int, str] = {}
        """Message id → topic, until the broker has confirmed it."""
        self._listen()

    def open(self) -> None:
        """Connects in a thread, because names and TLS take their time."""
        Thread(target=self._connect, daemon=True).start()

    def connect(self) -> None:
        """Connects at once. Raises OSError or ValueError."""
        properties = None
        if self._with_mqtt_5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho's

            properties.MaximumPacketSize = PACKET_MAX
        host, port = self._address
        self._client.connect(host, port, KEEPALIVE_S, properties=properties)

    @property
    def client(self) -> Client:
        return self._client

    def subscribe(self, filters: tuple[str, ...]) -> None:
        if self._with_mqtt_5:
            # Kept messages stay marked as such, and what this client clears does not come back.
            options = SubscribeOptions(qos=1, noLocal=True, retainAsPublished=True)
            self._client.subscribe([(each, options) for each in filters])
        else:
            self._client.subscribe([(each, 1) for each in filters])

    def publish(self, topic: str, payload: str, retain: bool, qos: int = 0) -> None:
        """A message with quality 1 is confirmed by the broker, so that a refusal is noticed."""
        sent = self._client.publish(topic, payload, qos, retain)
        if qos and sent.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._sent[sent.mid] = topic

    def ask(self, topic: str) -> None:
        """Leaves a topic that is not subscribed: the broker answers, and nobody else notices."""
        self._client.unsubscribe(topic)

    def close(self) -> None:
        """Leaves the broker, after everything that was published before."""
        self._is_open = False
        if self._client.is_connected():
            self._client.disconnect()
            self._ended.wait(LEAVE_S)

    def drop(self) -> None:
        """Closes the connection to a broker that does not answer. No input comes after it."""
        self._is_open = False
        sock = self._client.socket()
        if isinstance(sock, socket):  # paho also knows sockets of websockets
            with suppress(OSError):
                sock.shutdown(SHUT_RDWR)

    # --- in other threads ---

    def _connect(self) -> None:
        try:
            self.connect()
        except ssl.SSLCertVerificationError as error:
            self._lost(BrokerLost(f"its certificate is not valid: {error.verify_message}"))
        except (OSError, ValueError) as error:
            self._lost(BrokerLost(getattr(error, "strerror", None) or str(error)))
        else:
            if self._is_open:
                self._client.loop_start()
            else:
                self._client.disconnect()

    def _lost(self, lost: BrokerLost) -> None:
        if self._is_open:
            self._is_open = False
            self._put(lost)

    def _listen(self) -> None:
        client = self._client
        client.on_socket_open = _send_at_once
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_unsubscribe = self._on_unsubscribe

    def _on_connect(self, client: Client, _: Any, flags: Any, code: ReasonCode, *__: Any) -> None:
        if code.is_failure:
            self._lost(BrokerLost(str(code), is_too_new=code.value == TOO_NEW))
        else:
            self._put(BrokerConnected())

    def _on_disconnect(
        self, client: Client, _: Any, flags: Any, code: ReasonCode, *__: Any
    ) -> None:
        self._ended.set()
        why = "it has closed the connection" if code.value == UNSPECIFIED else str(code)
        self._lost(BrokerLost(why, is_taken_over=code.value == TAKEN_OVER))

    def _on_message(self, client: Client, _: Any, message: MQTTMessage) -> None:
        topic = message._topic.decode("utf-8", "replace")
        payload = bytes(message.payload)
        self._put(Message(topic, payload, message.retain, self._now_ms()))

    def _on_unsubscribe(
        self, client: Client, _: Any, message_id: int, codes: Any, *__: Any
    ) -> None:
        self._put(BrokerAnswered())

    def _on_publish(
        self, client: Client, _: Any, message_id: int, code: ReasonCode, *__: Any
    ) -> None:
        topic = self._sent.pop(message_id, "")
        if code.is_failure:
            self._put(BrokerRefused(topic, str(code)))


def _send_at_once(client: Client, _: Any, sock: Any) -> None:
    """Without this a message waits until the one before is confirmed: 40 ms were measured."""
    sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
