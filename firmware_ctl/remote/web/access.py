"""Which requests of a browser are answered at all: by `Host`, `Origin` and peer.

These are functions on values. A stop asks none of them.
"""

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit


def host_name(host: str) -> str:
    """The name or address in a `Host` header, without its port. Empty if it has none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def is_own_host(host: str, names: Collection[str]) -> bool:
    """Whether a browser may reach the page by this `Host`.

    A page of a stranger can let a name of its own point to this machine (DNS rebinding), and then
    read the answers. It cannot do that with an address, `localhost`, or a name in `.local`, for
    which no DNS server is asked. `names`: what the owner has configured beside, in lower case.
    """
    name = host_name(host)
    return _is_address(name) or name == "localhost" or name.endswith(".local") or name in {*names}


def is_same_origin(origin: str | None, host: str) -> bool:
    """Whether a request comes from the page itself, or from a program, which sends no `Origin`.

    The scheme does not count: a proxy in front of the bridge may add HTTPS.
    """
    if origin is None:
        return True
    scheme, _, authority = origin.partition("://")
    return scheme in ("http", "https") and authority.lower() == host.lower()


def is_this_machine(peer: str, host: str) -> bool:
    """Whether the browser runs on this machine, and addresses it as such."""
    name = host_name(host)
    return _is_loopback(peer) and (name == "localhost" or _is_loopback(name))


def _is_loopback(text: str) -> bool:
    return _is_address(text) and ip_address(text).is_loopback


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
