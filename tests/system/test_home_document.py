"""The commands of docs/home.md, typed as they stand there, on a port of the test's own."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.mosquitto import Mosquitto, own_id, required_broker
from tests.support.process import PATIENCE_S, ROOT, Lines, environment


def test_commands_of_the_document_show_start_and_stop_a_mat(tmp_path: Path) -> None:
    required_broker()
    blocks = re.findall(
        r"^```sh\n(.*?)^```", (ROOT / "docs/home.md").read_text("utf-8"), re.M | re.S
    )
    mock, bridge, listener, *asked = "".join(blocks).splitlines()
    with Mosquitto(tmp_path / "broker") as broker:
        home = typed(tmp_path, broker)
        processes = [subprocess.Popen(["sh", "-c", f"exec {line}"], env=home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for line in (mock, listener)]  # fmt: skip
        try:
            outputs = [Lines(process.stdout.fileno()) for process in processes if process.stdout]
            outputs[0].until(lambda line: line.startswith("* ready"))
            processes.append(subprocess.Popen(["sh", "-c", f"exec {bridge}"], env=home, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL))  # fmt: skip
            base = f"firmware-ctl/{own_id()}"
            outputs[1].until(lambda line: line.startswith(f"{base}/state") and '"idle"' in line)
            fleet, start, stop = asked
            assert own_id() in run(fleet, home)
            run(start, home)
            shown = outputs[1].until(
                lambda line: line.startswith(f"{base}/state") and '"running"' in line
            )
            assert '"by": "mqtt"' in shown
            assert run(stop, home) == "1 of 1 mats have stopped\n"
            outputs[1].until(lambda line: line.startswith(f"{base}/state") and '"idle"' in line)
        finally:
            for process in processes:
                process.kill()
                process.communicate()


def typed(folder: Path, broker: Mosquitto) -> dict[str, str]:
    """An environment in which the commands find this program, and the broker on its port."""
    programs = folder / "bin"
    programs.mkdir()
    port = str(broker.port)
    script = f"""#!/bin/sh
case "$1" in
  fleet|mqtt) command=$1; shift; [ "$1" = --broker ] && shift 2
    exec {sys.executable} -m firmware_ctl $command --broker localhost:{port} "$@" ;;
  mock) shift; exec {sys.executable} -m tests.support.patient mock "$@" ;;
esac
exit 9
"""
    scripts = {"firmware-ctl": script}
    for name in ("mosquitto_sub", "mosquitto_pub"):
        scripts[name] = f'#!/bin/sh\nexec {shutil.which(name)} -p {port} "$@"\n'
    for name, text in scripts.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    variables = environment(folder)
    return {**variables, "PATH": f"{programs}:{os.environ['PATH']}", "TMPDIR": str(folder)}


def run(line: str, variables: dict[str, str]) -> str:
    done = subprocess.run(
        ["sh", "-c", line], env=variables, capture_output=True, text=True, timeout=2 * PATIENCE_S
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout
