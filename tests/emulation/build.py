"""Builds the files of the emulated Pi from packages of Debian and PyPI, and caches them.

This module knows packages and layers; `machine` runs them. There are two layers, Debian and above it
the project's own package, so that a change of the project's code rebuilds only the small one. The guest
installs the package. The cache is outside the repository.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.packages import build as package
from tests.packages.build import run

HERE: Final = Path(__file__).parent
REPOSITORY: Final = HERE.parent.parent

TOOLS: Final = (*package.TOOLS, "qemu-system-aarch64", "mmdebstrap", "fdtput", "lz4", "cpio")

SIGNED: Final = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
ROOT_SUITES: Final = (
    ("Debian", "bookworm"),
    ("Debian-Security", "bookworm-security"),
    ("Debian", "sid"),
)
ROOT_PACKAGES: Final = (
    "base-files,base-passwd,bash,busybox-static,coreutils,dash,diffutils,dpkg,grep,init-system-helpers,"
    "kmod,libc-bin,login,mount,passwd,perl-base,procps,python3,python3-rich,python3-serial,python3-yaml,"
    "sed,systemd,systemd-sysv,tar,udev,usr-is-merged,util-linux,python3-gpiozero/sid"
)
"""Debian 12 has gpiozero 1.6.2. Its unstable release has 2.0.1, as Raspberry Pi OS has."""
ROOT_OPTIONS: Final = (
    '--aptopt=Acquire::Retries "5"',
    '--aptopt=APT::Default-Release "bookworm"',
    # A mirror may be frozen at a day.
    '--aptopt=Acquire::Check-Valid-Until "false"',
    # mmdebstrap unpacks the packages and does not tell dpkg.
    """--extract-hook=for deb in "$1"/var/cache/apt/archives/*.deb; do
        dpkg-deb -f "$deb" | sed "/^Package:/a Status: install ok installed"; echo
    done > "$1/var/lib/dpkg/status\"""",
)
KERNEL_SUITES: Final = ("trixie-backports", "trixie")
"""Tried in this order; the first kernel that boots is used. GPIO lines must be able to persist, as on
Raspberry Pi OS, which needs Linux 6.12. Edges of the button need gpio-sim, which Debian's kernels have
since 6.16."""
KERNEL_MODULES: Final = re.compile(r"/(configfs|gpio-sim|dev-sync-probe)\.ko")

OMITTED_FILES: Final = re.compile(
    r"usr/share/(doc|man|locale|info|i18n|perl5?|zoneinfo|lintian|bug)/."
    r"|usr/lib/[^/]+/gconv|(usr/)?lib/udev/hwdb"
    r"|usr/lib/python3\.11/(test|idlelib|tkinter|lib2to3|pydoc_data|ensurepip)/."
    r"|usr/lib/python3/dist-packages/pygments/(lexers|styles)/[a-z]\w+\.py"
)
MASKED_UNITS: Final = (
    "getty-static.service",
    "modprobe@.service",
    "systemd-network-generator.service",
    "systemd-update-utmp.service",
    "systemd-update-utmp-runlevel.service",
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
)
"""systemd units that the mat does not need. Without them the guest boots faster."""
UART: Final = "/soc/serial@7e201000"
SITE: Final = "usr/lib/python3/dist-packages"
LGPIO: Final = "lgpio==0.2.2.0"
LGPIO_PACKAGE: Final = """Package: python3-lgpio
Status: install ok installed
Version: 0.2.2
Architecture: arm64
Maintainer: none
Description: stand-in
 Raspberry Pi OS has this package, but plain Debian does not. Its files are those of PyPI.

"""
PACKAGE: Final = "root/firmware-ctl.deb"
NEXT_PACKAGE: Final = "root/firmware-ctl-next.deb"
"""The same with a higher version."""
MAT_CHANGES: Final = {
    "pwm_hz: 250": "pwm_hz: 53",
    "rise: 25%/s": "rise: 50%/s",
    "max_ma: 2000": "max_ma: 5000",
    "duty: 80%": "duty: 90%",
    "cap: 72%": "cap: 90%",
}
"""Shipped text → text in the guest's mat file. All motors get the highest duty that the code allows.
The emulator can follow a PWM of 53 Hz, whose period is not a multiple of the daemon's tick of 20 ms."""
PIP_TARGET: Final = (
    *("--only-binary=:all:", "--python-version=3.11", "--implementation=cp"),
    *("--abi=cp311", "--abi=abi3", "--abi=none"),
    *("--platform=manylinux2014_aarch64", "--platform=manylinux_2_34_aarch64", "--platform=any"),
)


class Image(NamedTuple):
    """What QEMU boots. A layer is an initramfs archive; a later one replaces files of the earlier."""

    kernel: Path
    device_tree: Path
    layers: tuple[Path, ...]
    installed: Path | None = None
    """One more layer, which no machine boots with at first: the files of the installed package."""


def missing_tools() -> list[str]:
    return package.missing(TOOLS)


def sources(suites: Sequence[tuple[str, str]]) -> list[str]:
    """Lines of a sources.list for (archive, suite) pairs, with the mirrors that this host uses."""
    targets = run("apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)").splitlines()
    uris = dict(line.split(" ", 1) for line in targets)
    if missing := {archive for archive, _ in suites} - set(uris):
        raise RuntimeError(
            f"apt has no package lists of {', '.join(sorted(missing))}; run `apt-get update`"
        )
    return [f"deb {SIGNED} {uris[archive]} {suite} main" for archive, suite in suites]


def cache_folder() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(home, "firmware-ctl-emulation")


def digest(parts: Iterable[bytes]) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


CACHE_S: Final = 6 * 3600
"""A folder that was not used for this long is removed when another one of its kind is made."""


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """A folder of the cache, named `KIND-DIGEST`. `make` fills it at the first call.

    It gets its name only when it is complete, so an interrupted `make` leaves nothing behind.
    """
    folder = cache_folder() / name
    if not folder.exists():
        cache_folder().mkdir(parents=True, exist_ok=True)
        for old in cache_folder().glob(f"{name.split('-')[0]}-*"):
            if time.time() - old.stat().st_mtime > CACHE_S:
                shutil.rmtree(old)
        with tempfile.TemporaryDirectory(dir=cache_folder(), prefix="incomplete-") as temporary:
            incomplete = Path(temporary, name)
            incomplete.mkdir()
            make(incomplete)
            incomplete.rename(folder)
    os.utime(folder)
    return folder


def mat_file() -> str:
    """The text of the guest's mat file."""
    text = (REPOSITORY / "hw/mat.yaml").read_text()
    for shipped, changed in MAT_CHANGES.items():
        assert shipped in text, f"hw/mat.yaml does not contain {shipped!r}"
        text = text.replace(shipped, changed)
    return text


def build_image(boots: Callable[[Image], bool], project_at: Path = REPOSITORY) -> Image:
    """Builds whatever is not in the cache. That takes minutes if the cache is empty.

    `boots` is called with a kernel and returns whether it boots in QEMU.
    """
    base = cached(
        f"base-{digest([Path(__file__).read_bytes()])}", lambda each: _make_base(each, boots)
    )
    with tempfile.TemporaryDirectory() as folder:
        package.build_package(Path(folder), project_at)
        [built] = Path(folder).glob("firmware-ctl_*.deb")
        files = sorted(path for path in (HERE / "root").rglob("*") if path.is_file())
        inputs = [base.name.encode(), built.read_bytes()]
        inputs += [part for path in files for part in (str(path).encode(), path.read_bytes())]
        name = f"project-{digest(inputs)}"
        project = cached(name, lambda each: _make_project(each, built))
    # The compressed archive is the last: the kernel reads no archive after the padding that follows it.
    layers = (project / "cpio", base / "cpio.lz4")
    return Image(base / "vmlinuz", base / "pi.dtb", layers, project / "installed.cpio")


def _make_base(folder: Path, boots: Callable[[Image], bool]) -> None:
    """Debian with the Python libraries, the kernel and the device tree."""
    root = folder / "root"
    root.mkdir()
    run("mmdebstrap", "--quiet", "--arch=arm64", "--variant=extract", *ROOT_OPTIONS,
         f"--include={ROOT_PACKAGES}", "", str(folder / "root.tar"), *sources(ROOT_SUITES))  # fmt: skip
    run("tar", "-xf", str(folder / "root.tar"), "-C", str(root), "--exclude=./dev/*")
    (folder / "root.tar").unlink()
    _pip("install", "--no-deps", "--target", str(root / SITE), LGPIO)
    _register(root / "var/lib/dpkg")
    for path in sorted(root.rglob("*"), reverse=True):
        if OMITTED_FILES.match(str(path.relative_to(root))) and not path.is_dir():
            path.unlink()
    for name in ("passwd", "group"):
        shutil.copy(root / f"usr/share/base-passwd/{name}.master", root / f"etc/{name}")
    (root / "init").symlink_to("lib/systemd/systemd")
    for name in MASKED_UNITS:
        (root / "etc/systemd/system" / name).symlink_to("/dev/null")
    _compile(root / "usr/lib/python3.11", root / "usr/lib/python3")
    _make_kernel(folder, boots)
    _pack(root, folder / "cpio")
    run("lz4", "-q", "-l", "-3", "--rm", str(folder / "cpio"), str(folder / "cpio.lz4"))
    shutil.rmtree(root)


def _register(dpkg: Path) -> None:
    """Completes dpkg's records, in which each installed package has a list of files."""
    with (dpkg / "status").open("a") as status:
        status.write(LGPIO_PACKAGE)
    for stanza in (dpkg / "status").read_text().split("\n\n"):
        fields = dict(re.findall(r"^([\w-]+): (.*)", stanza, re.MULTILINE))
        if fields:
            suffix = f":{fields['Architecture']}" if fields.get("Multi-Arch") == "same" else ""
            (dpkg / f"info/{fields['Package']}{suffix}.list").touch()


def _make_project(folder: Path, built: Path) -> None:
    """The package and its next version, the mat file, and the programs of `root` for the tests."""
    root, installed = folder / "root", folder / "installed"
    shutil.copytree(HERE / "root", root)
    (root / "root").mkdir()
    shutil.copy(built, root / PACKAGE)
    shutil.copy(package.with_version(built, "99"), root / NEXT_PACKAGE)
    (root / "etc/firmware-ctl/mat.yaml").write_text(mat_file())
    _compile(root / SITE)
    run("dpkg-deb", "-x", str(built), str(installed))
    if (installed / "lib").exists():  # In the guest /lib is a link to /usr/lib.
        shutil.copytree(installed / "lib", installed / "usr/lib", dirs_exist_ok=True)
        shutil.rmtree(installed / "lib")
    # The guest's dpkg leaves out what is compiled already, which would take it more than a minute.
    _compile(installed / SITE, mode="timestamp")
    for compiled in installed.rglob("__pycache__"):
        shutil.copytree(compiled, root / compiled.relative_to(installed))
    _pack(root, folder / "cpio")
    _compile(installed / SITE)
    _pack(installed, folder / "installed.cpio")
    shutil.rmtree(root)
    shutil.rmtree(installed)


def _make_kernel(folder: Path, boots: Callable[[Image], bool]) -> None:
    """The first kernel that boots, its modules in the root, and the device tree of a Pi 3B."""
    apt = folder / "apt"
    (apt / "lists/partial").mkdir(parents=True)
    (apt / "status").touch()
    (apt / "sources.list").write_text(
        "\n".join(sources([("Debian", suite) for suite in KERNEL_SUITES])) + "\n"
    )
    settings = {
        "APT::Architecture": "arm64",
        "Dir": "/",
        "Dir::Etc::sourcelist": str(apt / "sources.list"),
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::State": str(apt),
        "Dir::State::status": str(apt / "status"),
        "Dir::Cache": str(apt),
        "APT::Sandbox::User": "",
        "Acquire::Retries": "5",
    }
    options = [option for name, value in settings.items() for option in ("-o", f"{name}={value}")]
    run("apt-get", "-qq", *options, "update")
    for suite in KERNEL_SUITES:
        unpacked = apt / suite
        unpacked.mkdir()
        uris = run("apt-get", "-qq", *options, "-t", suite, "--no-install-recommends",
                      "--print-uris", "install", "linux-image-arm64")  # fmt: skip
        names = re.findall(r"^\S+ (linux-(?:image|binary|modules|base)-\d[^_]*)_", uris, re.M)
        run("apt-get", "-qq", *options, "-t", suite, "download", *names, cwd=unpacked)
        for kernel_package in unpacked.glob("*.deb"):
            run("dpkg-deb", "-x", str(kernel_package), str(unpacked))
        [kernel] = [path for path in unpacked.rglob("vmlinuz*") if not path.is_symlink()]
        [dtb] = unpacked.rglob("bcm2837-rpi-3-b.dtb")
        shutil.copy(kernel, folder / "vmlinuz")
        shutil.copy(dtb, folder / "pi.dtb")
        tree = str(folder / "pi.dtb")
        # The shipped device tree gives the UART to Bluetooth.
        run("fdtput", "-r", tree, f"{UART}/bluetooth")
        # gpiozero recognises a Pi by its revision.
        run("fdtput", "-p", "-t", "x", tree, "/system", "linux,revision", "a02082")
        # When the UART is closed, its driver stops the UART's clock and waits for the clock's report.
        # The emulated clock manager never reports it, so each close, and thus the end of each killed
        # daemon, would take 0.1 s longer. A fixed clock does not have to be stopped.
        clock = run("fdtget", "-t", "u", tree, "/clocks/clk-osc", "phandle").strip()
        run("fdtput", "-t", "u", tree, UART, "clocks", clock, clock)
        if boots(Image(folder / "vmlinuz", folder / "pi.dtb", (_make_probe(folder),))):
            break
    else:
        raise RuntimeError(f"no kernel of {', '.join(KERNEL_SUITES)} boots in this QEMU")
    for module in unpacked.rglob("*.ko*"):
        if KERNEL_MODULES.search(str(module)):
            shutil.copy(module, folder / "root/lib")
    shutil.rmtree(apt)


def _make_probe(folder: Path) -> Path:
    """An initramfs whose init only prints `up`."""
    probe = folder / "probe"
    shutil.rmtree(probe, ignore_errors=True)
    (probe / "bin").mkdir(parents=True)
    (probe / "dev").mkdir()
    shutil.copy(folder / "root/bin/busybox", probe / "bin/busybox")
    (probe / "init").write_text(
        "#!/bin/busybox sh\nbusybox mount -t devtmpfs none /dev\necho up >/dev/ttyS1\nread forever\n"
    )
    (probe / "init").chmod(0o755)
    _pack(probe, folder / "probe.cpio")
    return folder / "probe.cpio"


def _compile(*folders: Path, mode: str = "unchecked-hash") -> None:
    """Compiles Python files to bytecode on the host, where it takes seconds.

    Without a Python 3.11 on the host, the guest compiles each module when it first imports it.
    """
    python = sys.executable if sys.version_info[:2] == (3, 11) else shutil.which("python3.11")
    if python:
        run(python, "-m", "compileall", "-q", "-f", f"--invalidation-mode={mode}",
             *map(str, folders))  # fmt: skip


def _pack(root: Path, archive: Path) -> None:
    with archive.open("wb") as file:
        names = "\0".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
        subprocess.run(
            ["cpio", "--quiet", "--null", "--create", "--format=newc", "--owner=0:0"],
            cwd=root, input=names.encode(), stdout=file, check=True,
        )  # fmt: skip


def _pip(command: str, *words: str) -> None:
    target = PIP_TARGET if "--target" in words else ()
    compiled = ("--no-compile",) if command == "install" else ()
    run(sys.executable, "-m", "pip", "--quiet", command, *compiled, *target, *words)
