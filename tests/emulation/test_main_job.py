"""What a user has: a profile chosen over the UART, motors that turn, a button that stops them."""

import json
from pathlib import Path

from tests.emulation import build
from tests.emulation.machine import high_pct
from tests.emulation.pi import MAT, Pi
from tests.process import call

PROFILE = build.HERE / "root/etc/firmware-ctl/profiles/emulation.yaml"
SECONDS = 14


def compiled(tmp_path: Path) -> list[list[float]]:
    """Each motor's mean duty in each second of the session, as it is simulated."""
    (tmp_path / "mat.yaml").write_text(build.mat())
    trace = tmp_path / "trace.jsonl"
    done = call(
        tmp_path, "simulate", str(PROFILE), "--mat", str(tmp_path / "mat.yaml"), "--trace", str(trace)
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in trace.read_text().splitlines()]
    each_ms = [[0] * len(MAT.motors)] * (SECONDS * 1000)
    for row in rows:
        each_ms[row["at_ms"] :] = [row["duty"]] * (SECONDS * 1000 - row["at_ms"])
    return [
        [sum(duties[motor] for duties in each_ms[s * 1000 : s * 1000 + 1000]) / 1000 for s in range(SECONDS)]
        for motor in range(len(MAT.motors))
    ], next(row["at_ms"] for row in rows if any(row["duty"]))


def test_the_duties_of_the_compiled_profile_are_seen_on_every_pin(pi: Pi, tmp_path: Path) -> None:
    expected, first_on_ms = compiled(tmp_path)
    with pi.client() as client:
        assert client.ask("select emulation")[-1] == "ok profile=emulation"
        client.ask("events on")
        assert client.ask("start")[-1].startswith("ok profile=emulation")
        client.told_until("state=idle")
    first = next(edge for edge in pi.edges if edge.is_high and edge.pin != 7)
    print(pi.edges[:5], len(pi.edges))
    begin_s = first.at_s - first_on_ms / 1000
    for motor, means in zip(MAT.motors, expected, strict=True):
        seen = [
            high_pct(pi.edges, motor.pin, begin_s + t, begin_s + t + 1) for t in range(SECONDS)
        ]
        print(motor.name, [round(a) for a in seen])
        print(motor.name, [round(a) for a in means])
