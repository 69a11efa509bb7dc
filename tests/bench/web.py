"""What the page costs: memory, processor time, and a stop from the request to the last duty.

`python -m tests.bench.web` prints a line for each figure, of a real mock and its page.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.support.process import Client, Mock, environment
from tests.support.web import Browser
from tests.system.test_web import Page, closed, start

ROUNDS = 200
WATCHED_S = 10


def rss_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def import_ms(home: Path) -> float:
    code = "import time; t = time.perf_counter(); import firmware_ctl.remote.web.server; print((time.perf_counter() - t) * 1000)"
    times = [
        float(subprocess.check_output([sys.executable, "-c", code], env=environment(home)))
        for _ in range(9)
    ]
    return median(times)


async def read_all(phone: Browser) -> None:
    while await phone.connection.read_message() is not None:
        pass


async def measure(page: Page) -> None:
    phone = await page.phone()
    await phone.see(lambda state: state["mat"]["has_button"])
    await closed(phone)
    print(f"RSS idle: {rss_kb(page.child)} kB")
    phones = [await start(page, 0)] + [await page.phone() for _ in range(3)]
    readers = [asyncio.ensure_future(read_all(phone)) for phone in phones]
    page_s, daemon_s = cpu_s(page.child), cpu_s(page.mock.process.pid)
    await asyncio.sleep(WATCHED_S)
    print(
        f"CPU with 4 watching a session: {(cpu_s(page.child) - page_s) / WATCHED_S * 1000:.1f} ms/s"
    )
    print(
        f"CPU of the daemon meanwhile: {(cpu_s(page.mock.process.pid) - daemon_s) / WATCHED_S * 1000:.1f} ms/s"
    )
    more = [await page.phone() for _ in range(4)]
    readers += [asyncio.ensure_future(read_all(phone)) for phone in more]
    await asyncio.sleep(2)
    print(f"RSS with 8 phones: {rss_kb(page.child)} kB")
    await asyncio.to_thread(page.stop)
    times = [await asyncio.to_thread(stop_ms, page) for _ in range(ROUNDS)]
    times.sort()
    print(
        f"POST /stop to state=idle, {ROUNDS} rounds: p50 {median(times):.1f} ms, "
        f"p99 {times[int(ROUNDS * 0.99)]:.1f} ms, worst {times[-1]:.1f} ms"
    )
    for phone in (*phones, *more):
        phone.close()
    await asyncio.gather(*readers)


def stop_ms(page: Page) -> float:
    """From the request to the daemon's event, as another client of the daemon gets it."""
    client: Client = page.client
    client.told.clear()
    while (final := client.start("long")).startswith("err fault"):
        client.ask("clear")  # a busy machine has held the daemon up
    assert final.startswith("ok "), final
    began_s = time.perf_counter()
    assert page.stop() == (204, "")
    client.told_until("state=idle")
    return (time.perf_counter() - began_s) * 1000


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        Mock(Path(folder) / "home", "--web", "127.0.0.1:0", speed=1) as mock,
    ):
        print(f"import: {import_ms(mock.home):.0f} ms")
        page = Page(mock)
        page.client.ask("events on")
        asyncio.run(measure(page))
        page.client.port.close()


if __name__ == "__main__":
    main()
