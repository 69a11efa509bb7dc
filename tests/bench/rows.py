"""The table: what is measured, beside whom, and how near to them ours has to come."""

from tests.bench.measure import Goal, Row

ROWS = (
    Row(
        "set-points",
        "A duty every 10 ms on one mock pin: how late each comes, and the last of them.",
        {
            "ours": "playing:ours",
            "absolute deadline": "playing:absolute",
            "sleep loop": "playing:sleeping",
            "gpiozero source": "playing:source",
            "gpiozero blink": "playing:blink",
        },
        (Goal("drift ms", "", 1), Goal("p50 ms", "absolute deadline", 1.5)),
    ),
    Row(
        "set-points-busy",
        "The same with every processor busy.",
        {"ours": "playing:ours_busy", "absolute deadline": "playing:absolute_busy"},
        (Goal("p99 ms", "absolute deadline", 2),),
    ),
    Row(
        "eight-motors",
        "Ramps and waves on eight motors.",
        {
            "ours": "playing:eight",
            "bare loop": "playing:eight_bare",
            "gpiozero source": "playing:eight_source",
            "gpiozero pulse": "playing:eight_pulse",
        },
        (Goal("CPU ms/s", "bare loop", 2), Goal("CPU ms/s", "gpiozero source", 0.3)),
    ),
    Row(
        "idle",
        "A daemon that waits for a press.",
        {"ours": "playing:idle"},
        (Goal("wake-ups/s", "", 5),),
    ),
    Row(
        "read-all",
        "All shipped profiles read, compiled and proven, in a process that has its imports.",
        {"ours": "compiling:ours", "yaml.safe_load": "compiling:safe_load"},
        (Goal("CPU ms", "yaml.safe_load", 3),),
    ),
    Row(
        "session-at-once",
        "`full-body` through session and model motors; an event is a motor's new duty.",
        {"ours": "compiling:events", "heapq loop": "compiling:heap"},
        (Goal("CPU us an event", "heapq loop", 6),),
    ),
    Row(
        "growth",
        "A profile of 64 KiB, 17 motors, 30 minutes: ten times as long, and four times as many "
        "phases or motors, in proportion.",
        {"ours": "compiling:growth"},
        (
            Goal("length", "", 1.2),
            Goal("length KiB", "", 1.2),
            Goal("phases x", "", 1.2),
            Goal("phases KiB x", "", 1.2),
            Goal("motors x", "", 1.2),
            Goal("motors KiB x", "", 1.2),
        ),
    ),
    Row(
        "commands",
        "`ping` over a pty, one after another, client and server each on a processor.",
        {
            "ours": "talking:ours",
            "epoll echo": "talking:echo",
            "pyserial readline": "talking:readline",
        },
        (
            Goal("p50 us", "epoll echo", 1.6),
            Goal("CPU us", "epoll echo", 3),
            Goal("p50 us", "pyserial readline", 1),
            Goal("CPU us", "pyserial readline", 1),
        ),
    ),
    Row(
        "stop",
        "From a stop byte until the last of eight pins is written 0.",
        {"ours": "talking:stops"},
        (Goal("p99 ms", "", 2),),
    ),
    Row(
        "stop-flooded",
        "The same with every processor busy and a client that floods.",
        {"ours": "talking:stops_flooded"},
        (Goal("p99 ms", "", 50),),
    ),
    Row(
        "press",
        "From the instant a press counts until the first motor is written, beyond its soft start.",
        {"ours": "talking:presses"},
        (Goal("p99 ms", "", 20),),
    ),
    Row(
        "help",
        "`firmware-ctl --help`.",
        {"ours": "starting:helped", "python -c pass": "starting:nothing"},
        (Goal("ms", "python -c pass", 3),),
    ),
    Row(
        "check",
        "`firmware-ctl check` of all shipped profiles.",
        {"ours": "starting:check", "import yaml": "starting:import_yaml"},
        (Goal("ms", "import yaml", 3),),
    ),
    Row(
        "simulate",
        "`firmware-ctl simulate full-body`.",
        {"ours": "starting:simulate", "import yaml": "starting:import_yaml"},
        (Goal("ms", "import yaml", 4),),
    ),
    Row(
        "mock",
        "`firmware-ctl mock` until it is ready; 35 ms of that it looks at its button.",
        {"ours": "starting:mock", "import all": "starting:import_all"},
        (Goal("ms", "import all", 1.5),),
    ),
    Row(
        "memory",
        "A mock that plays.",
        {"ours": "starting:memory", "import all": "starting:bare_memory"},
        (Goal("RSS MiB", "import all", 1.3),),
    ),
)
