"""Whole processes: how long they take, and how much memory."""

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from subprocess import DEVNULL, PIPE, Popen
from tempfile import TemporaryDirectory

from tests.bench.measure import Figures, Size
from tests.support.process import Client, Mock, command, environment

IMPORTS = "import gpiozero, serial, yaml"


def _times(size: Size, once: Callable[[], object]) -> Figures:
    wall_ms, cpu_ms = [], []
    for _ in range(size.starts):
        began_s, began_cpu_s = time.monotonic(), _children_s()
        once()
        wall_ms.append((time.monotonic() - began_s) * 1000)
        cpu_ms.append((_children_s() - began_cpu_s) * 1000)
    return {"ms": median(wall_ms), "CPU ms": median(cpu_ms)}


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run(*words: str) -> None:
    with TemporaryDirectory() as home:
        process = Popen(words, stdout=DEVNULL, env=environment(Path(home)))
        assert process.wait() == 0, words


def _python(code: str) -> None:
    _run(sys.executable, "-c", code)


def nothing(size: Size) -> Figures:
    return _times(size, lambda: _python("pass"))


def import_yaml(size: Size) -> Figures:
    return _times(size, lambda: _python("import yaml"))


def import_all(size: Size) -> Figures:
    return _times(size, lambda: _python(IMPORTS))


def helped(size: Size) -> Figures:
    return _times(size, lambda: _run(*command("--help")))


def check(size: Size) -> Figures:
    return _times(size, lambda: _run(*command("check")))


def simulate(size: Size) -> Figures:
    return _times(size, lambda: _run(*command("simulate", "full-body")))


def mock(size: Size) -> Figures:
    """Until it says that it is ready; its end is not counted."""
    wall_ms, cpu_ms = [], []
    for _ in range(size.starts):
        with TemporaryDirectory() as home:
            began_s = time.monotonic()
            state = str(Path(home) / "state")
            words = command("mock", "--no-view", "--state", state)
            env = environment(Path(home))
            with Popen(words, stdin=DEVNULL, stdout=PIPE, env=env) as process:
                assert process.stdout is not None
                while not process.stdout.readline().startswith(b"* ready"):
                    pass
                wall_ms.append((time.monotonic() - began_s) * 1000)
                cpu_ms.append(_cpu_ms(process.pid))
                process.kill()
    return {"ms": median(wall_ms), "CPU ms": median(cpu_ms)}


def _cpu_ms(process: int) -> float:
    tasks = Path(f"/proc/{process}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e6


def memory(size: Size) -> Figures:
    with TemporaryDirectory() as home, Mock(Path(home), speed=1) as process:
        with Client(process.port) as client:
            assert client.start("short").startswith("ok ")
            time.sleep(min(size.play_s, 15))
            assert client.status()["state"] == "running"
        return {"RSS MiB": process.memory_kb() / 1024}


def bare_memory(size: Size) -> Figures:
    code = f"{IMPORTS}; print('ready', flush=True); input()"
    with Popen([sys.executable, "-c", code], stdin=PIPE, stdout=PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        status = Path(f"/proc/{process.pid}/status").read_text()
        process.communicate(b"\n")
    return {"RSS MiB": int(status.partition("VmRSS:")[2].split()[0]) / 1024}
