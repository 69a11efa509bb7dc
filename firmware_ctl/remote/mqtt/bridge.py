"""Every decision of a bridge between an MQTT broker and the daemon. It does no I/O.

`Bridge.handle` takes an input and the time, and returns the actions that follow. A stop comes
first in them, and nothing delays, refuses or filters it. What starts or strengthens has to be
allowed in the bridge's file, must be fresh, and must not be a message that the broker kept.

The bridge holds a lease towards the daemon, and renews it only when the broker has just answered.
So what was started over MQTT ends `LEASE_S` after the last sign of life of broker or bridge. A
connection that comes back resumes nothing.
"""

from collections.abc import Callable, Mapping
from typing import Final

from firmware_ctl.config.yaml_tree import shown
from firmware_ctl.errors import CallerError
from firmware_ctl.remote.mqtt import discovery, requests
from firmware_ctl.remote.mqtt.actions import (
    Action,
    AskBroker,
    CloseBroker,
    DropBroker,
    DropDaemon,
    OpenBroker,
    OpenDaemon,
    Publish,
    Send,
    StopMat,
    Subscribe,
    Tell,
)
from firmware_ctl.remote.mqtt.back_off import Attempts, Waits
from firmware_ctl.remote.mqtt.conversation import (
    AFTER_EVENT,
    GREETING,
    LEASE_S,
    Answer,
    Conversation,
    Event,
)
from firmware_ctl.remote.mqtt.inputs import (
    BrokerAnswered,
    BrokerConnected,
    BrokerLost,
    BrokerRefused,
    Close,
    DaemonConnected,
    DaemonLine,
    DaemonLost,
    Input,
    Message,
    Moment,
    StopAnswered,
    StopFailed,
)
from firmware_ctl.remote.mqtt.kept import ACTS_WHEN_KEPT, KeptCommands, sentence_about
from firmware_ctl.remote.mqtt.mat_state import MatState, event
from firmware_ctl.remote.mqtt.stops import PendingStop
from firmware_ctl.remote.mqtt.topics import ALL_STOP, OFFLINE, ONLINE, Topics
from firmware_ctl.remote.mqtt.warnings import Warnings

BROKER_WAITS: Final = Waits(1_000, 60_000, stable_ms=60_000, patience_ms=15_000)
DAEMON_WAITS: Final = Waits(500, 5_000, stable_ms=5_000, patience_ms=5_000)

ASK_MS: Final = 2_500
"""How often the broker is asked for a sign of life while something plays that MQTT has started:
four times within the lease."""
STALE_MS: Final = 5_000
"""A start that has waited longer than this in the bridge is not wanted any more."""
BIRTH_SPREAD_MS: Final = 2_000
"""After a birth message of Home Assistant the mats publish at different times within this."""
PENDING_MAX: Final = 32
"""Most requests that wait for the daemon. Further messages are refused; stops are not counted."""

TAKEN_OVER: Final = (
    "another bridge has the id {}, and only one of them can be connected; "
    "give each machine its own /etc/machine-id"
)
MAYBE_TAKEN_OVER: Final = "; if this comes again, another bridge may have the id {}"
NOT_ALLOWED: Final = "starting and strengthening is not allowed; set allow_start in mqtt.yaml"
EMPTY: Final = "resume: with MQTT 3 an empty message may be the removal of a kept one; send resume"


class Bridge:
    def __init__(
        self,
        mat_id: str,
        allow_start: bool = False,
        discovery_prefix: str | None = "homeassistant",
        random: Callable[[], float] = lambda: 0.5,
    ) -> None:
        """`discovery_prefix` None: the mat does not show itself to Home Assistant."""
        self.topics = Topics(mat_id)
        self._allow_start = allow_start
        self._prefix = discovery_prefix
        self._with_mqtt_5 = True
        self._broker = Attempts(BROKER_WAITS, random)
        self._daemon = Attempts(DAEMON_WAITS, random)
        self._conversation = Conversation()
        self._mat = MatState()
        self._warnings = Warnings()
        self._published: dict[str, str] = {}
        """Topic → its retained payload, since the broker is connected."""
        self._kept = KeptCommands()
        """Topics whose kept message was removed. With MQTT 3 the empty message comes back."""
        self._holds = False
        """True while something may play that a message has started."""
        self._ask_at_ms: int | None = None
        self._is_change_unasked = False
        """True while an event waits for a sign of life of the broker before the daemon is asked."""
        self._pending_stop = PendingStop()
        self._announce_at_ms: int | None = None
        self._is_closed = False
        self._now = Moment(0, 0.0)
        self._out: list[Action] = []

    def wake_at_ms(self) -> int | None:
        """When to pass the next `Wake`. None: not before another input."""
        if self._is_closed:
            return None
        times = (
            self._broker.due_ms(),
            self._daemon.due_ms(),
            self._ask_at_ms,
            self._announce_at_ms,
            self._pending_stop.due_ms(),
            self._conversation.late_at_ms(),
        )
        return min((at_ms for at_ms in times if at_ms is not None), default=None)

    def handle(self, taken: Input, now: Moment) -> list[Action]:
        """What to do now, in this order."""
        self._now, self._out = now, []
        match taken:
            case Message():
                self._take_message(taken)
            case DaemonLine():
                self._take_line(taken.line)
            case StopAnswered():
                self._pending_stop.confirmed()
                if taken.is_absent:
                    self._tell("absent", "a stop found no daemon: nothing plays")
            case StopFailed():
                self._tell("stop", f"a stop was not confirmed: {taken.why}; it is sent again")
            case BrokerConnected():
                self._broker_connected()
            case BrokerLost():
                self._broker_lost(taken)
            case BrokerAnswered():
                self._broker_answered()
            case BrokerRefused():
                sentence = f"the broker does not let this mat publish {taken.topic} ({taken.why})"
                self._tell(f"acl {taken.topic}", f"{sentence}; docs/home.md has its rules")
            case DaemonConnected():
                self._daemon.connected(now.now_ms)
                self._conversation = Conversation()
                self._ask(*GREETING)
            case DaemonLost():
                self._daemon_lost(taken.why)
            case Close():
                self._close()
        if not self._is_closed:
            self._do_what_is_due(now.now_ms)
        return self._out

    # --- the clock ---

    def _do_what_is_due(self, now_ms: int) -> None:
        if (again := self._pending_stop.again(now_ms)) is not None:
            self._out.append(again)
        late_at_ms = self._conversation.late_at_ms()
        is_silent = late_at_ms is not None and now_ms >= late_at_ms
        if is_silent or self._daemon.is_late(now_ms):
            self._out.append(DropDaemon())
            self._daemon_lost("it does not answer")
        if self._broker.is_late(now_ms):
            self._out.append(DropBroker())
            self._broker_lost(BrokerLost("it does not answer"))
        if self._ask_at_ms is not None and now_ms >= self._ask_at_ms:
            self._out.append(AskBroker())
            self._ask_at_ms = now_ms + ASK_MS
        if self._announce_at_ms is not None and now_ms >= self._announce_at_ms:
            self._announce()
        if self._daemon.is_due(now_ms):
            self._out.append(OpenDaemon())
        if self._broker.is_due(now_ms):
            self._out.append(OpenBroker(self._with_mqtt_5))

    # --- the broker ---

    def _broker_connected(self) -> None:
        self._broker.connected(self._now.now_ms)
        filters = [self.topics.commands, ALL_STOP]
        if self._prefix is not None:
            filters.append(discovery.status_topic(self._prefix))
        self._out += [Tell("connected to the broker"), Subscribe(tuple(filters))]
        self._announce()
        if self._holds:
            self._ask_at_ms = self._now.now_ms

    def _broker_answered(self) -> None:
        if self._holds and self._daemon.is_open:
            self._ask("ping")
            if self._is_change_unasked:
                self._ask_what_changed()

    def _broker_lost(self, lost: BrokerLost) -> None:
        self._published.clear()
        self._kept = KeptCommands()
        self._ask_at_ms = self._announce_at_ms = None
        if lost.is_too_new and self._with_mqtt_5:
            self._with_mqtt_5 = False
            self._broker.retry(self._now.now_ms)
            self._out.append(Tell("the broker does not know MQTT 5; MQTT 3.1.1 is used"))
            return
        was_short = self._broker.lost(self._now.now_ms, at_most=lost.is_taken_over)
        if lost.is_taken_over:
            self._tell("taken", TAKEN_OVER.format(self.topics.mat_id))
            return
        ends = f"; what MQTT has started ends within {LEASE_S} s" if self._holds else ""
        # mosquitto 2.0.11 does not say that another client has taken the id over.
        hint = MAYBE_TAKEN_OVER.format(self.topics.mat_id) if was_short else ""
        self._tell("broker", f"no connection to the broker: {lost.why}{ends}{hint}")

    def _announce(self) -> None:
        """Publishes everything, whatever was published before."""
        self._announce_at_ms = None
        self._published.clear()
        self._publish(self.topics.bridge, ONLINE)
        self._publish(self.topics.daemon, ONLINE if self._conversation.is_complete else OFFLINE)
        self._publish_mat()

    def _publish_mat(self) -> None:
        if not self._conversation.is_complete:
            return
        if self._prefix is not None:
            topic = discovery.config_topic(self._prefix, self.topics.mat_id)
            self._publish(topic, discovery.payload(self.topics, self._conversation))
        state = self._mat.state_of(self._conversation, self._now.wall_s)
        self._publish(self.topics.state, state)

    def _publish(self, topic: str, payload: str) -> None:
        """Publishes a retained message if it differs from the last one."""
        if self._broker.is_open and self._published.get(topic) != payload:
            self._published[topic] = payload
            self._out.append(Publish(topic, payload))

    def _publish_event(self, payload: str) -> None:
        if self._broker.is_open:
            self._out.append(Publish(self.topics.event, payload, retain=False))

    # --- messages ---

    def _take_message(self, message: Message) -> None:
        command = self.topics.command_of(message.topic)
        if command == "stop":
            self._out.append(StopMat())
            self._pending_stop.arrived(message.arrived_at_ms, self._now.now_ms)
        if command is None:
            self._take_other(message)
            return
        if self._kept.is_removal(message):
            return
        if command == "resume" and not (message.payload or self._with_mqtt_5):
            self._refuse(command, CallerError("bad-argument", EMPTY))
            return
        if message.is_retained and message.payload:  # without a payload somebody has removed it
            self._out += self._kept.remove(message, self._with_mqtt_5)
            self._refuse(command, CallerError("retained", sentence_about(message, command)))
        if command == "stop" or (message.is_retained and command not in ACTS_WHEN_KEPT):
            return
        try:
            self._pass_on(command, message)
        except CallerError as error:
            self._refuse(command, error)

    def _take_other(self, message: Message) -> None:
        is_status = self._prefix and message.topic == discovery.status_topic(self._prefix)
        if not is_status:
            self._tell("topic", f"a message on {shown(message.topic)} is ignored: not for this mat")
        elif message.payload == discovery.BIRTH and not message.is_retained:
            spread_ms = int(self.topics.mat_id, 16) % BIRTH_SPREAD_MS
            self._announce_at_ms = self._now.now_ms + spread_ms

    def _pass_on(self, command: str, message: Message) -> None:
        """Asks the daemon. Raises `CallerError` if the request must not or cannot be passed on."""
        request = requests.read(command, message.payload)
        conversation, now_ms = self._conversation, self._now.now_ms
        if not (self._daemon.is_open and conversation.is_complete):
            raise CallerError("not-ready", f"{command}: the daemon does not run")
        if request.strengthens or _is_above(request.trim_pct, conversation.status):
            if not self._allow_start:
                raise CallerError("not-allowed", f"{command}: {NOT_ALLOWED}")
            if why := _why_late(message, self._pending_stop.arrived_at_ms, now_ms):
                raise CallerError("stale", f"{command}: {why}; send it again")
        if conversation.pending >= PENDING_MAX:
            raise CallerError("overflow", f"{command}: too many messages at once; it is ignored")
        if request.trim_pct is not None:
            # A second trim that comes before the daemon's answer is compared with this one.
            conversation.status = {**conversation.status, "trim": str(request.trim_pct)}
        if command == "start":
            self._holds = True
            self._ask_at_ms = now_ms + ASK_MS
        self._out.append(Send(conversation.ask(request.line, now_ms, command)))

    def _refuse(self, command: str, error: CallerError) -> None:
        known = command if command in (*requests.REQUESTS, "stop") else "?"
        sentence = self._warnings.due(f"{error.code} {known}", str(error), self._now.now_ms)
        if sentence is not None:
            self._out.append(Tell(sentence))
            words = {"command": known, "code": error.code, "message": str(error)}
            self._publish_event(event("refused", words))

    # --- the daemon ---

    def _take_line(self, line: str) -> None:
        taken = self._conversation.take(line)
        if isinstance(taken, Event):
            payload = self._mat.event_of(taken.fields)
            if payload is not None:
                self._publish_event(payload)
                self._take_change(taken.fields)
        elif isinstance(taken, Answer):
            self._take_answer(taken)

    def _take_change(self, fields: Mapping[str, str]) -> None:
        """Asks what an event has changed. Each line renews the lease, so while something plays
        that MQTT has started, the broker has to answer first."""
        if self._holds and fields.get("state") not in ("idle", "fault"):
            self._is_change_unasked = True
            self._out.append(AskBroker())
        else:
            self._ask_what_changed()

    def _take_answer(self, answer: Answer) -> None:
        if answer.code is not None and answer.asked.command is not None:
            command = answer.asked.command
            words = {"command": command, "code": answer.code, "message": answer.message}
            self._publish_event(event("refused", words))
            sentence = f"{command}: the daemon refuses it: {answer.code} {answer.message}"
            self._tell(f"{answer.code} {command}", sentence)
        elif answer.asked.command == "select":
            self._ask_what_changed()  # during a session no event tells it
        conversation = self._conversation
        if answer.asked.line == "status" or answer.asked.command == "start":
            self._note_what_plays(answer)
        if answer.asked.line == AFTER_EVENT[-1] and conversation.is_complete:
            self._publish(self.topics.daemon, ONLINE)
            if not conversation.is_asked(AFTER_EVENT[0]):
                self._publish_mat()

    def _note_what_plays(self, answer: Answer) -> None:
        """A start that worked shows in the next status only."""
        is_on = self._conversation.status.get("state") in ("running", "paused")
        is_started = answer.asked.command == "start" and answer.code is None
        if not (is_on or is_started or self._conversation.is_asking("start")):
            self._holds, self._ask_at_ms = False, None

    def _daemon_lost(self, why: str) -> None:
        if self._daemon.is_open:
            self._out.append(Tell(f"the connection to the daemon has ended: {why}"))
        else:
            self._tell("daemon", f"no daemon answers: {why}")
        self._daemon.lost(self._now.now_ms)
        self._conversation = Conversation()
        self._holds, self._ask_at_ms = False, None
        self._publish(self.topics.daemon, OFFLINE)

    def _ask_what_changed(self) -> None:
        self._is_change_unasked = False
        if not self._conversation.is_asked(AFTER_EVENT[0]):
            self._ask(*AFTER_EVENT)

    def _ask(self, *lines: str) -> None:
        self._out += [Send(self._conversation.ask(line, self._now.now_ms)) for line in lines]

    def _close(self) -> None:
        self._out.append(DropDaemon())
        self._publish(self.topics.daemon, OFFLINE)
        self._publish(self.topics.bridge, OFFLINE)
        self._out.append(CloseBroker())
        self._is_closed = True

    def _tell(self, kind: str, sentence: str) -> None:
        due = self._warnings.due(kind, sentence, self._now.now_ms)
        if due is not None:
            self._out.append(Tell(due))


def _why_late(message: Message, stopped_at_ms: int, now_ms: int) -> str:
    """Why this message comes too late to start or strengthen anything. Empty: it does not."""
    if message.arrived_at_ms <= stopped_at_ms:
        return "a stop came after it"
    if now_ms - message.arrived_at_ms > STALE_MS:
        return f"it waited for longer than {STALE_MS // 1000} s"
    return ""


def _is_above(trim_pct: int | None, status: Mapping[str, str]) -> bool:
    """Whether a trim asks for more than the present one."""
    return trim_pct is not None and trim_pct > int(status.get("trim") or 0)
