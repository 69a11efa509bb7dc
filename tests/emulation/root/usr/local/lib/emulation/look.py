"""What the service takes: `look.py SECONDS` prints milliseconds of processor time a second, by kind
of thread, and its memory now, as JSON.

Of lgpio's own threads one sleeps from edge to edge of the PWM, one polls for edges of inputs. They have
no names: which is which is told by what they wait in.
"""

import json
import os
import re
import sys
import time
from collections import Counter
from contextlib import suppress

GROUP = "/sys/fs/cgroup/system.slice/firmware-ctl.service/cgroup.procs"
KINDS = {"115": "PWM", "73": "edges"}
"""By the number of a system call of arm64: clock_nanosleep, ppoll."""


def text(path):
    with open(path) as file:
        return file.read()


def main_process():
    """The guard is a fork of it."""
    processes = text(GROUP).split()
    parents = {
        process: text(f"/proc/{process}/stat").rpartition(")")[2].split()[1]
        for process in processes
    }
    [main] = [process for process, parent in parents.items() if parent not in parents]
    return main, [process for process in processes if process != main]


def ran_ms(main):
    folder = f"/proc/{main}/task"
    return {
        task: int(text(f"{folder}/{task}/schedstat").split()[0]) / 1e6
        for task in os.listdir(folder)
    }


def kib(processes, field):
    found = (text(f"/proc/{process}/smaps_rollup") for process in processes)
    return sum(int(re.search(rf"^{field}: +(\d+)", each, re.M)[1]) for each in found)


seconds = float(sys.argv[1])
main, others = main_process()
begin_s, before = time.monotonic(), ran_ms(main)
waits = {task: Counter() for task in before}
for _ in range(20):
    time.sleep(seconds / 20)
    for task, seen in waits.items():
        with suppress(FileNotFoundError):
            seen[text(f"/proc/{main}/task/{task}/syscall").split()[0]] += 1
took_s, after = time.monotonic() - begin_s, ran_ms(main)
found = Counter()
for task, ms in after.items():
    (most, _), *_ = waits.get(task, Counter()).most_common(1) or [("", 0)]
    kind = "" if task == main else KINDS.get(most, "")
    found[kind] += (ms - before.get(task, 0)) / took_s
print(
    json.dumps(
        {
            "CPU ms/s": sum(found.values()),
            "of it Python's": found[""],
            "of it lgpio's PWM": found["PWM"],
            "of it lgpio's edges": found["edges"],
            "PSS MiB": kib([main], "Pss") / 1024,
            "RSS MiB": kib([main], "Rss") / 1024,
            "guard's PSS MiB": kib(others, "Pss") / 1024,
        }
    )
)
