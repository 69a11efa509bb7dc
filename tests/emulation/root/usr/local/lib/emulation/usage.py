"""Measures the service's processor time and memory: `usage.py SECONDS` prints them as JSON.

Processor time is in milliseconds per second, divided into Python's main thread and lgpio's threads. One
thread of lgpio makes the PWM: it sleeps from edge to edge. Another one polls the inputs for edges.
These threads have no names, so they are identified by the system call in which they wait.
"""

import json
import os
import re
import sys
import time
from collections import Counter
from contextlib import suppress

CGROUP = "/sys/fs/cgroup/system.slice/firmware-ctl.service/cgroup.procs"
KINDS = {"115": "PWM", "73": "edges"}
"""Number of an arm64 system call → kind of thread. The calls are clock_nanosleep and ppoll."""


def text(path):
    with open(path) as file:
        return file.read()


def service_processes():
    """The main process, and the others, which are its forks, such as the guard."""
    processes = text(CGROUP).split()
    parents = {
        process: text(f"/proc/{process}/stat").rpartition(")")[2].split()[1]
        for process in processes
    }
    [main] = [process for process, parent in parents.items() if parent not in parents]
    return main, [process for process in processes if process != main]


def cpu_ms_by_thread(process):
    folder = f"/proc/{process}/task"
    return {
        thread: int(text(f"{folder}/{thread}/schedstat").split()[0]) / 1e6
        for thread in os.listdir(folder)
    }


def kib(processes, field):
    rollups = (text(f"/proc/{process}/smaps_rollup") for process in processes)
    return sum(int(re.search(rf"^{field}: +(\d+)", each, re.M)[1]) for each in rollups)


seconds = float(sys.argv[1])
main, others = service_processes()
begin_s, begin_cpu_ms = time.monotonic(), cpu_ms_by_thread(main)
system_calls = {thread: Counter() for thread in begin_cpu_ms}
for _ in range(20):
    time.sleep(seconds / 20)
    for thread, calls in system_calls.items():
        with suppress(FileNotFoundError):  # the thread has ended
            calls[text(f"/proc/{main}/task/{thread}/syscall").split()[0]] += 1
took_s, end_cpu_ms = time.monotonic() - begin_s, cpu_ms_by_thread(main)
ms_per_s = Counter()
for thread, cpu_ms in end_cpu_ms.items():
    (commonest, _), *_ = system_calls.get(thread, Counter()).most_common(1) or [("", 0)]
    kind = "" if thread == main else KINDS.get(commonest, "")
    ms_per_s[kind] += (cpu_ms - begin_cpu_ms.get(thread, 0)) / took_s
print(
    json.dumps(
        {
            "CPU ms/s": sum(ms_per_s.values()),
            "of it Python's": ms_per_s[""],
            "of it lgpio's PWM": ms_per_s["PWM"],
            "of it lgpio's edges": ms_per_s["edges"],
            "PSS MiB": kib([main], "Pss") / 1024,
            "RSS MiB": kib([main], "Rss") / 1024,
            "guard's PSS MiB": kib(others, "Pss") / 1024,
        }
    )
)
