"""A mat on an MQTT broker: `firmware-ctl mqtt`, and `firmware-ctl fleet` for many mats.

`bridge` decides: it takes the messages of the broker, the lines of the daemon and the time, and
returns actions. `inputs` and `actions` have these values. `conversation` reads what the daemon
answers, `requests` reads what a message asks, `mat_state` and `discovery` make what is published,
`back_off`, `stops` and `warnings` know when to do something again, and `kept` removes commands
that a broker has kept. None of these does any I/O.

`runner` waits for bytes and carries out the actions, with the connections in `broker` and
`daemon_socket`. `settings` reads `/etc/firmware-ctl/mqtt.yaml`, `topics` names the topics and the
mat, and `fleet` gathers what all mats of a broker publish.
"""

__all__ = [
    "actions",
    "back_off",
    "bridge",
    "broker",
    "conversation",
    "daemon_socket",
    "discovery",
    "fleet",
    "inputs",
    "kept",
    "mat_state",
    "requests",
    "runner",
    "settings",
    "stops",
    "topics",
    "warnings",
]
