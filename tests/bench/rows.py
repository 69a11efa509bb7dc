"""The rows of `python -m tests.bench`: what is measured, which contestants, and the goals for ours."""

from tests.bench.measure import Goal, Row

ROWS = (
    Row(
        "set-points",
        "A new duty every 10 ms on one mock pin: how late each write is; drift is the lateness at the end.",
        {
            "ours": "playing:set_points_ours",
            "absolute deadline": "playing:set_points_absolute",
            "sleep loop": "playing:set_points_sleep",
            "gpiozero source": "playing:set_points_source",
            "gpiozero blink": "playing:set_points_blink",
        },
        (Goal("drift ms", "", 1), Goal("p50 ms", "absolute deadline", 1.5)),
    ),
    Row(
        "set-points-busy",
        "The same with every processor busy.",
        {
            "ours": "playing:set_points_ours_busy",
            "absolute deadline": "playing:set_points_absolute_busy",
        },
        (Goal("p99 ms", "absolute deadline", 2),),
    ),
    Row(
        "eight-motors",
        "Ramps and waves on eight motors.",
        {
            "ours": "playing:eight_ours",
            "bare loop": "playing:eight_bare_loop",
            "gpiozero source": "playing:eight_source",
            "gpiozero pulse": "playing:eight_pulse",
        },
        (
            Goal("CPU ms/s", "bare loop", 1.6),
            Goal("CPU ms/s", "gpiozero source", 0.25),
            Goal("CPU ms/s", "gpiozero pulse", 0.5),
        ),
    ),
    Row(
        "full-body",
        "`full-body` in real time, at once with an earlier state of this project: see `--before`.",
        {"ours": "sessions:full_body"},
        (Goal("CPU / before", "", 0.4),),
    ),
    Row(
        "clients",
        "A session with a new phase each second, before 64 clients with `events on` and before one.",
        {"ours": "sessions:many_clients", "one client": "sessions:one_client"},
        (Goal("late ticks", "", 0), Goal("CPU ms/s", "one client", 2)),
    ),
    Row(
        "idle",
        "A daemon that waits for a press.",
        {"ours": "playing:idle"},
        (Goal("wake-ups/s", "", 5),),
    ),
    Row(
        "read-all",
        "All shipped profiles read, compiled and proven, in a process that has already imported its modules.",
        {"ours": "compiling:read_all", "yaml.safe_load": "compiling:safe_load"},
        (Goal("CPU ms", "yaml.safe_load", 3),),
    ),
    Row(
        "session-at-once",
        "`full-body` on virtual time, through session and simulated motors; an event is a motor's new duty.",
        {"ours": "compiling:session_at_once", "heapq loop": "compiling:heap_loop"},
        (Goal("CPU us an event", "heapq loop", 4),),
    ),
    Row(
        "growth",
        "A profile of 64 KiB, 17 motors, 30 minutes. Growth of cost for 10 times the length, and for 4 times "
        "the phases or motors divided by that factor; 1 is no growth, or growth in proportion.",
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
        "`ping` over a pty, one after another; client and server each have a processor.",
        {
            "ours": "latency:ping_ours",
            "epoll echo": "latency:ping_echo",
            "pyserial readline": "latency:ping_readline",
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
        {"ours": "latency:stops"},
        (Goal("p99 ms", "", 0.6),),
    ),
    Row(
        "stop-flooded",
        "The same with every processor busy and a client that floods the control socket.",
        {"ours": "latency:stops_flooded"},
        (Goal("p99 ms", "", 6),),
    ),
    Row(
        "press",
        "From the end of a press until the first motor pin is written, without debounce and soft start.",
        {"ours": "latency:presses"},
        (Goal("p99 ms", "", 20),),
    ),
    Row(
        "help",
        "`firmware-ctl --help`.",
        {"ours": "starting:help_command", "python -c pass": "starting:python_pass"},
        (Goal("ms", "python -c pass", 3),),
    ),
    Row(
        "check",
        "`firmware-ctl check` of all shipped profiles.",
        {"ours": "starting:check_command", "import yaml": "starting:import_yaml"},
        (Goal("ms", "import yaml", 3),),
    ),
    Row(
        "simulate",
        "`firmware-ctl simulate full-body`.",
        {"ours": "starting:simulate_command", "import yaml": "starting:import_yaml"},
        (Goal("ms", "import yaml", 4),),
    ),
    Row(
        "mock",
        "`firmware-ctl mock` until it is ready. For 35 ms of this it watches its button.",
        {"ours": "starting:mock_command", "import all": "starting:import_all"},
        (Goal("ms", "import all", 1.4),),
    ),
    Row(
        "memory",
        "A mock that plays.",
        {"ours": "starting:memory_of_mock", "import all": "starting:memory_of_imports"},
        (Goal("RSS MiB", "import all", 1.3),),
    ),
)
