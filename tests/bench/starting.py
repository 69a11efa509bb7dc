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


def _median_times(size: Size, run_once: Callable[[], object]) -> Figures:
    wall_ms, cpu_ms = [], []
    for _ in range(size.starts):
        begin_s, begin_cpu_s = time.monotonic(), _children_cpu_s()
        run_once()
        wall_ms.append((time.monotonic() - begin_s) * 1000)
        cpu_ms.append((_children_cpu_s() - begin_cpu_s) * 1000)
    return {"ms": median(wall_ms), "CPU ms": median(cpu_ms)}


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _run(*words: str) -> None:
    with TemporaryDirectory() as home:
        process = Popen(words, stdout=DEVNULL, env=environment(Path(home)))
        assert process.wait() == 0, words


def _python(code: str) -> None:
    _run(sys.executable, "-c", code)


def python_pass(size: Size) -> Figures:
    return _median_times(size, lambda: _python("pass"))


def import_yaml(size: Size) -> Figures:
    return _median_times(size, lambda: _python("import yaml"))


def import_all(size: Size) -> Figures:
    return _median_times(size, lambda: _python(IMPORTS))


def help_command(size: Size) -> Figures:
    return _median_times(size, lambda: _run(*command("--help")))


def check_command(size: Size) -> Figures:
    return _median_times(size, lambda: _run(*command("check")))


def simulate_command(size: Size) -> Figures:
    return _median_times(size, lambda: _run(*command("simulate", "full-body")))


def mock_command(size: Size) -> Figures:
    """From the start of the process until it prints `* ready`; its end is not measured."""
    wall_ms, cpu_ms = [], []
    for _ in range(size.starts):
        with TemporaryDirectory() as home:
            begin_s = time.monotonic()
            state = str(Path(home) / "state")
            words = command("mock", "--no-view", "--state", state)
            env = environment(Path(home))
            with Popen(words, stdin=DEVNULL, stdout=PIPE, env=env) as process:
                assert process.stdout is not None
                while not process.stdout.readline().startswith(b"* ready"):
                    pass
                wall_ms.append((time.monotonic() - begin_s) * 1000)
                cpu_ms.append(_cpu_ms(process.pid))
                process.kill()
    return {"ms": median(wall_ms), "CPU ms": median(cpu_ms)}


def _cpu_ms(pid: int) -> float:
    """Processor time of all threads that the process has now."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e6


def memory_of_mock(size: Size) -> Figures:
    with TemporaryDirectory() as home, Mock(Path(home), speed=1) as process:
        with Client(process.port) as client:
            assert client.start("short").startswith("ok ")
            time.sleep(min(size.play_s, 15))  # `short` plays for 20 s
            assert client.status()["state"] == "running"
        return {"RSS MiB": process.memory_kb() / 1024}


def memory_of_imports(size: Size) -> Figures:
    code = f"{IMPORTS}; print('ready', flush=True); input()"
    with Popen([sys.executable, "-c", code], stdin=PIPE, stdout=PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        status = Path(f"/proc/{process.pid}/status").read_text()
        process.communicate(b"\n")
    return {"RSS MiB": int(status.partition("VmRSS:")[2].split()[0]) / 1024}
