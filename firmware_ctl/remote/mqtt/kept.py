"""Commands that a broker has kept (retain), perhaps for months. They are removed."""

from collections.abc import Sequence
from typing import Final

from firmware_ctl.remote.mqtt.actions import Publish
from firmware_ctl.remote.mqtt.inputs import Message
from firmware_ctl.remote.mqtt.topics import ALL_STOP

ACTS_WHEN_KEPT: Final = ("stop", "pause")
"""Commands that act even if the broker has kept them: they turn motors off."""
KEPT: Final = (
    "a kept message (retain) on cmd/{} {}, and was removed; publish commands without retain"
)
KEPT_FOR_ALL: Final = (
    f"a kept message (retain) on {ALL_STOP} stops every mat that connects; "
    "publish an empty one there to remove it"
)


class KeptCommands:
    """Removes kept commands from the broker, so that they do not come back."""

    def __init__(self) -> None:
        self._removed: set[str] = set()
        """The topics whose removal comes back as an empty message."""

    def remove(self, message: Message, with_mqtt_5: bool) -> Sequence[Publish]:
        """What to publish to remove a kept command."""
        if message.topic == ALL_STOP:
            # Each mat has to see it, also one that connects later. So no mat removes it.
            return []
        if not with_mqtt_5:
            self._removed.add(message.topic)
        return [Publish(message.topic, "")]

    def is_removal(self, message: Message) -> bool:
        """Whether a message is no command, but the removal of a kept one by this bridge."""
        if message.payload or message.topic not in self._removed:
            return False
        self._removed.discard(message.topic)
        return True


def sentence_about(message: Message, command: str) -> str:
    """What became of a kept command, and what to do."""
    if message.topic == ALL_STOP:
        return KEPT_FOR_ALL
    return KEPT.format(command, "has acted" if command in ACTS_WHEN_KEPT else "is ignored")
