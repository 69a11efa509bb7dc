"""The mat on a phone and in a home: bridges, which are processes and users of their own.

`web` serves a page for phones, and `mqtt` connects a mat to a broker. A bridge is a client of the
daemon's control socket, like any other, and passes on what other programs ask. It never knows the
daemon's loop, pins or state folder, and the daemon never knows a network.
"""

__all__ = ["mqtt", "web"]
