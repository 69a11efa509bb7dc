"""The topics of a mat on a broker, and the id by which they name the mat."""

import hmac
from typing import Final, NamedTuple

ROOT: Final = "firmware-ctl"
ALL_STOP: Final = f"{ROOT}/all/cmd/stop"
"""Stops every mat of a broker. No other command exists for all."""
ONLINE: Final = "online"
OFFLINE: Final = "offline"


def mat_id(machine_id: str) -> str:
    """Eight hex digits that stay the same on a machine, and tell nothing else about it.

    The text of `/etc/machine-id` must not leave a machine, and a host name would tell more than
    its owner may want.
    """
    return hmac.new(machine_id.strip().encode(), ROOT.encode(), "sha256").hexdigest()[:8]


class Topics(NamedTuple):
    """The topics of one mat."""

    mat_id: str

    @property
    def base(self) -> str:
        return f"{ROOT}/{self.mat_id}"

    @property
    def bridge(self) -> str:
        return f"{self.base}/bridge"

    @property
    def daemon(self) -> str:
        return f"{self.base}/daemon"

    @property
    def state(self) -> str:
        return f"{self.base}/state"

    @property
    def event(self) -> str:
        return f"{self.base}/event"

    @property
    def probe(self) -> str:
        """A topic that nobody uses. A broker answers when a client leaves it, and tells nobody."""
        return f"{self.base}/probe"

    def command(self, name: str) -> str:
        return f"{self.base}/cmd/{name}"

    @property
    def commands(self) -> str:
        """The filter for all commands to this mat."""
        return self.command("+")

    def command_of(self, topic: str) -> str | None:
        """The command of a topic. None: the topic is not a command to this mat."""
        if topic == ALL_STOP:
            return "stop"
        name = topic.removeprefix(self.command(""))
        return None if name == topic or "/" in name else name
