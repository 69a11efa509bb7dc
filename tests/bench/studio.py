"""`python -m tests.bench.studio`: simulated mats on one mosquitto, and the time to stop them all.

Every mat plays a phase of 5 s after another, so that it publishes an event and a state each 5 s. The desk
sees every message. `--write` writes docs/reports/studio.md.
"""

import argparse
import json
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from socket import IPPROTO_TCP, TCP_NODELAY
from typing import NamedTuple

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.support.mosquitto import Mosquitto
from tests.support.process import ROOT

REPORT = ROOT / "docs/reports/studio.md"
PATIENCE_S = 60.0


class Outcome(NamedTuple):
    mats: int
    messages_s: float
    """Messages a second that the mats have published while all of them played."""
    broker_pct: float
    broker_mb: float
    mats_pct: float
    """Processor time of the process that holds all mats, in percent of one core."""
    bridge_us_s: float
    """Processor time of one bridge, in microseconds a second, from connect to stop."""
    stop_p50_ms: float
    stop_max_ms: float
    """From the desk's stop until the motors of a mat are off, and those of the last mat."""
    told_max_ms: float
    """Until the desk has received the idle state of the last mat."""
    stop_cpu_ms: float
    """Processor time of a mat for a stop and all that it publishes after it."""


class Desk:
    """A client that sees all mats."""

    def __init__(self, port: int) -> None:
        self.received = 0
        self.states: queue.SimpleQueue[tuple[str, str, float]] = queue.SimpleQueue()
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self.client.on_message = self._take
        self.client.on_socket_open = lambda _, __, sock: sock.setsockopt(
            IPPROTO_TCP, TCP_NODELAY, 1
        )
        self.client.max_inflight_messages_set(1_000)
        self.client.connect("127.0.0.1", port)
        self.client.subscribe("firmware-ctl/+/state")
        self.client.subscribe("firmware-ctl/+/event")
        self.client.loop_start()

    def _take(self, _: object, __: object, message: object) -> None:
        at_s = time.monotonic()
        topic, payload = message.topic, message.payload  # type: ignore[attr-defined]
        self.received += 1
        if topic.endswith("/state"):
            self.states.put((topic, json.loads(payload)["state"], at_s))

    def until_all(self, count: int, state: str) -> list[float]:
        """When each mat has published this state, sorted."""
        found: dict[str, float] = {}
        until_s = time.monotonic() + PATIENCE_S
        while len(found) < count:
            topic, seen, at_s = self.states.get(timeout=until_s - time.monotonic())
            if seen == state:
                found.setdefault(topic, at_s)
        return sorted(found.values())


def cpu_s(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def measure(mats: int, seconds: float, folder: Path) -> Outcome:
    with Mosquitto(
        folder / f"broker-{mats}", "max_queued_messages 0", "set_tcp_nodelay true"
    ) as broker:
        began_s = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.studio_mats", str(broker.port), str(mats)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT,
        )  # fmt: skip
        try:
            desk = Desk(broker.port)
            desk.until_all(mats, "idle")
            for number in range(mats):
                desk.client.publish(f"firmware-ctl/{number + 1:08x}/cmd/start", "selected", 1)
            desk.until_all(mats, "running")
            before = desk.received, cpu_s(broker.process.pid), cpu_s(process.pid), time.monotonic()
            time.sleep(seconds)
            after = desk.received, cpu_s(broker.process.pid), cpu_s(process.pid), time.monotonic()
            for_s = after[3] - before[3]
            memory = Path(f"/proc/{broker.process.pid}/status").read_text()
            while not desk.states.empty():
                desk.states.get()
            stopped_s, stopped_cpu_s = time.monotonic(), cpu_s(process.pid)
            desk.client.publish("firmware-ctl/all/cmd/stop", "stop", 1)
            idle_s = desk.until_all(mats, "idle")
            ended_s, ended_cpu_s = time.monotonic(), cpu_s(process.pid)
            totals = json.loads(process.communicate(timeout=PATIENCE_S)[0])
        finally:
            process.kill()
            process.wait()
    took_ms = [1000 * (at_s - stopped_s) for at_s in totals["idle_at_s"]]
    return Outcome(
        mats,
        (after[0] - before[0]) / for_s,
        100 * (after[1] - before[1]) / for_s,
        int(memory.partition("VmRSS:")[2].split()[0]) / 1024,
        100 * (after[2] - before[2]) / for_s,
        1e6 * totals["bridge_s"] / mats / (ended_s - began_s),
        statistics.median(took_ms),
        max(took_ms),
        1000 * (idle_s[-1] - stopped_s),
        1000 * (ended_cpu_s - stopped_cpu_s) / mats,
    )


HEADS = ("mats", "messages/s", "broker, % of a core", "broker, MB", "all mats, % of a core", "a bridge, µs/s", "off p50, ms", "off max, ms", "told max, ms", "CPU of a stop, ms")  # fmt: skip


def table(outcomes: list[Outcome]) -> list[str]:
    rows = [HEADS, ("---",) * len(HEADS)]
    rows += [
        (
            f"{each.mats}", f"{each.messages_s:.0f}", f"{each.broker_pct:.1f}", f"{each.broker_mb:.1f}",
            f"{each.mats_pct:.0f}", f"{each.bridge_us_s:.0f}", f"{each.stop_p50_ms:.0f}", f"{each.stop_max_ms:.0f}", f"{each.told_max_ms:.0f}", f"{each.stop_cpu_ms:.1f}",
        )
        for each in outcomes
    ]  # fmt: skip
    return [f"| {' | '.join(row)} |" for row in rows]


def report(outcomes: list[Outcome], load: tuple[float, float]) -> str:
    most = outcomes[-1]
    return f"""# Many mats on one broker

**Summary.** {most.mats} simulated mats on one mosquitto published {most.messages_s:.0f} messages a second, which took {most.broker_pct:.1f} % of a
core of the broker. From `firmware-ctl/all/cmd/stop` until the motors of a mat were off it took {most.stop_p50_ms:.0f} ms in the
median and {most.stop_max_ms:.0f} ms for the last of {most.mats}. One process plays all mats, {most.stop_cpu_ms:.1f} ms of processor time each, so each
waits for the ones before it and for the machine's other work; a real mat has a computer of its own, and the line with
the fewest mats is nearer to what it does.

Made by `python -m tests.bench.studio --write` on {date.today().isoformat()}, on a machine with {os.cpu_count()} cores that had other work as well
(load {load[0]:.1f} before, {load[1]:.1f} after). Every mat has a connection of its own, the real bridge and the real session; broker, mats
and desk share the machine. Each mat plays phases of 5 s and so publishes an event and a state each 5 s; the desk
receives all of it.

{chr(10).join(table(outcomes))}

`messages/s`: what the mats publish; the broker delivers each to the desk as well. `a bridge`: processor time of one bridge
with its MQTT library, from its connection to the stop, so that few seconds count the connection most. `off`: from the
desk's message until all motors of a mat are off. `told`: until the desk has the idle state of the last mat. `CPU
of a stop`: processor time of one mat, session and bridge, for a stop and all that it publishes after it.
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.studio", description=__doc__)
    parser.add_argument("--mats", type=int, nargs="+", default=[50, 200, 500], metavar="N")
    parser.add_argument("--seconds", type=float, default=20, help="how long all mats play")
    parser.add_argument("--write", action="store_true", help=f"write {REPORT.relative_to(ROOT)}")
    args = parser.parse_args()
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        outcomes = [measure(count, args.seconds, Path(folder)) for count in args.mats]
    print("\n".join(table(outcomes)))
    if args.write:
        REPORT.write_text(report(outcomes, (before, os.getloadavg()[0])), encoding="utf-8")


if __name__ == "__main__":
    main()
