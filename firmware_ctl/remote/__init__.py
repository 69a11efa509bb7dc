"""The mat on a phone and in a home: bridges, which are processes and users of their own.

A bridge is a client of the daemon's control socket, like any other, and passes on what other
programs ask. It never knows pins, sessions or profiles, and the daemon never knows a network.
"""

__all__: list[str] = []
