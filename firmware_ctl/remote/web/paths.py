"""Everything that the bridge serves, in one table. The table in `docs/web.md` is made from it."""

from typing import Any, Final, NamedTuple

from tornado.routing import Rule
from tornado.web import RequestHandler, url

from firmware_ctl.remote.web import handlers
from firmware_ctl.remote.web.site import Site


class Path(NamedTuple):
    method: str
    path: str
    """As in the documents."""
    who: str
    """`anyone` in the network, or `paired` devices."""
    about: str
    pattern: str
    """The regular expression of the path."""
    handler: type[RequestHandler]
    options: dict[str, Any] = {}  # noqa: RUF012, it is never changed


PATHS: Final = (
    Path("GET", "/", "anyone", "the page", r"/", handlers.PageHandler, {"name": "index.html"}),
    Path("GET", "/page/NAME", "anyone", "a file of the page", r"/page/([a-z0-9._-]{1,64})",
         handlers.PageHandler),
    Path("POST", "/stop", "anyone", "stops all motors: 204 when the daemon says so, 504 if it does"
         " not say so within 0.5 s", r"/stop/?", handlers.StopHandler),
    Path("GET", "/state", "anyone", "the state, as JSON; of a device that is not paired only"
         " whether something plays", r"/state", handlers.StateHandler),
    Path("GET", "/ws", "anyone", "a WebSocket: the state down at each change, frames up;"
         " a device that is not paired may only stop", r"/ws", handlers.PhoneHandler),
    Path("GET", "/profiles/NAME", "paired", "a whole session of a profile, as JSON: phases, and"
         " the level of each motor over time", r"/profiles/([a-z0-9-]{1,32})",
         handlers.ProfileHandler),
    Path("POST", "/pair", "anyone", "`{\"code\": \"123456\"}`: 204 and a cookie, 403, or 429 after"
         " too many wrong codes", r"/pair", handlers.PairHandler),
    Path("GET", "/metrics", "anyone", "figures in the text format of Prometheus", r"/metrics",
         handlers.MetricsHandler),
)  # fmt: skip


def rules(site: Site) -> list[Rule]:
    """The table for tornado."""
    return [url(path.pattern, path.handler, {"site": site, **path.options}) for path in PATHS]
