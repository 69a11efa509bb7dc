"""Builds the files of the emulated Pi from packages of Debian and PyPI, and caches them.

This module knows packages and layers; `machine` runs them. There are two layers, Debian and above it
the project, so that a change of the project's code rebuilds only the small one. The cache is outside
the repository.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

HERE: Final = Path(__file__).parent
REPOSITORY: Final = HERE.parent.parent

TOOLS: Final = ("qemu-system-aarch64", "mmdebstrap", "fdtput", "lz4", "cpio")

SIGNED: Final = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
ROOT_SUITES: Final = (("Debian", "bookworm"), ("Debian-Security", "bookworm-security"))
ROOT_PACKAGES: Final = (
    "base-files,base-passwd,bash,busybox-static,coreutils,dash,grep,kmod,libc-bin,login,mount,passwd,"
    "procps,python3,sed,systemd,systemd-sysv,udev,util-linux"
)
KERNEL_SUITES: Final = ("trixie-backports", "trixie")
"""Tried in this order; the first kernel that boots is used. GPIO lines must be able to persist, as on
Raspberry Pi OS, which needs Linux 6.12. Edges of the button need gpio-sim, which Debian's kernels have
since 6.16."""
KERNEL_MODULES: Final = re.compile(r"/(configfs|gpio-sim|dev-sync-probe)\.ko")

OMITTED_FILES: Final = re.compile(
    r"usr/share/(doc|man|locale|info|i18n|perl5?|zoneinfo|lintian|bug)/."
    r"|usr/lib/[^/]+/(perl|gconv)|(usr/)?lib/udev/hwdb|usr/bin/perl"
    r"|usr/lib/python3\.11/(test|idlelib|tkinter|lib2to3|pydoc_data|ensurepip)/."
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
VENV: Final = "opt/firmware-ctl"
SITE: Final = f"{VENV}/lib/python3.11/site-packages"
# Raspberry Pi OS has the package python3-lgpio, but plain Debian does not.
LGPIO: Final = "lgpio==0.2.2.0"
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


def missing_tools() -> list[str]:
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def sources(suites: Sequence[tuple[str, str]]) -> list[str]:
    """Lines of a sources.list for (archive, suite) pairs, with the mirrors that this host uses."""
    targets = _run("apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)").splitlines()
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
    pyproject = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    dependencies = pyproject["project"]["dependencies"]
    inputs = [Path(__file__).read_bytes(), *(each.encode() for each in dependencies)]
    base = cached(f"base-{digest(inputs)}", lambda folder: _make_base(folder, dependencies, boots))
    with tempfile.TemporaryDirectory() as folder:
        _pip("wheel", "--no-deps", "-w", folder, str(project_at))
        [wheel] = Path(folder).glob("*.whl")
        files = sorted(path for path in (HERE / "root").rglob("*") if path.is_file())
        inputs = [base.name.encode(), wheel.read_bytes()]
        inputs += [part for path in files for part in (str(path).encode(), path.read_bytes())]
        name = f"project-{digest(inputs)}"
        project = cached(name, lambda folder: _make_project(folder, wheel))
    # The compressed archive is the last: the kernel reads no archive after the padding that follows it.
    return Image(base / "vmlinuz", base / "pi.dtb", (project / "cpio", base / "cpio.lz4"))


def _make_base(folder: Path, dependencies: list[str], boots: Callable[[Image], bool]) -> None:
    """Debian, the Python libraries, the kernel and the device tree."""
    root = folder / "root"
    root.mkdir()
    _run("mmdebstrap", "--quiet", "--arch=arm64", "--variant=extract", "--aptopt=Acquire::Retries \"5\"",
         f"--include={ROOT_PACKAGES}", "", str(folder / "root.tar"), *sources(ROOT_SUITES))  # fmt: skip
    _run("tar", "-xf", str(folder / "root.tar"), "-C", str(root), "--exclude=./dev/*")
    (folder / "root.tar").unlink()
    _pip("install", "--no-deps", "--target", str(root / "usr/lib/python3/dist-packages"), LGPIO)
    _pip("install", "--target", str(root / SITE), *dependencies)
    for path in sorted(root.rglob("*"), reverse=True):
        if OMITTED_FILES.match(str(path.relative_to(root))) and not path.is_dir():
            path.unlink()
    for name in ("passwd", "group"):
        shutil.copy(root / f"usr/share/base-passwd/{name}.master", root / f"etc/{name}")
    (root / "init").symlink_to("lib/systemd/systemd")
    for name in MASKED_UNITS:
        (root / "etc/systemd/system" / name).symlink_to("/dev/null")
    _make_venv(root / VENV)
    _compile(root / "usr/lib/python3.11", root / "usr/lib/python3", root / VENV)
    _make_kernel(folder, boots)
    _pack(root, folder / "cpio")
    _run("lz4", "-q", "-l", "-3", "--rm", str(folder / "cpio"), str(folder / "cpio.lz4"))
    shutil.rmtree(root)


def _make_venv(venv: Path) -> None:
    """The files that `python3 -m venv --system-site-packages` creates on a Pi."""
    (venv / "bin").mkdir(parents=True)
    (venv / "bin/python3").symlink_to("/usr/bin/python3")
    (venv / "bin/python").symlink_to("python3")
    (venv / "pyvenv.cfg").write_text(
        "home = /usr/bin\ninclude-system-site-packages = true\nversion = 3.11.2\n"
    )


def _make_project(folder: Path, wheel: Path) -> None:
    """The wheel in the Pi's venv, as pip installs it, and the programs of `root` for the tests."""
    root = folder / "root"
    shutil.copytree(HERE / "root", root)
    _pip("install", "--no-deps", "--target", str(root / SITE), str(wheel))
    shutil.rmtree(root / SITE / "bin")
    script = root / VENV / "bin/firmware-ctl"
    script.parent.mkdir()
    script.write_text(
        f"#!/{VENV}/bin/python3\nimport sys\nfrom firmware_ctl.cli.main import main\nsys.exit(main())\n"
    )
    script.chmod(0o755)
    (root / "etc/firmware-ctl/mat.yaml").write_text(mat_file())
    _compile(root / SITE)
    _pack(root, folder / "cpio")
    shutil.rmtree(root)


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
    _run("apt-get", "-qq", *options, "update")
    for suite in KERNEL_SUITES:
        unpacked = apt / suite
        unpacked.mkdir()
        uris = _run("apt-get", "-qq", *options, "-t", suite, "--no-install-recommends",
                      "--print-uris", "install", "linux-image-arm64")  # fmt: skip
        names = re.findall(r"^\S+ (linux-(?:image|binary|modules|base)-\d[^_]*)_", uris, re.M)
        _run("apt-get", "-qq", *options, "-t", suite, "download", *names, cwd=unpacked)
        for package in unpacked.glob("*.deb"):
            _run("dpkg-deb", "-x", str(package), str(unpacked))
        [kernel] = [path for path in unpacked.rglob("vmlinuz*") if not path.is_symlink()]
        [dtb] = unpacked.rglob("bcm2837-rpi-3-b.dtb")
        shutil.copy(kernel, folder / "vmlinuz")
        shutil.copy(dtb, folder / "pi.dtb")
        tree = str(folder / "pi.dtb")
        # The shipped device tree gives the UART to Bluetooth.
        _run("fdtput", "-r", tree, f"{UART}/bluetooth")
        # gpiozero recognises a Pi by its revision.
        _run("fdtput", "-p", "-t", "x", tree, "/system", "linux,revision", "a02082")
        # When the UART is closed, its driver stops the UART's clock and waits for the clock's report.
        # The emulated clock manager never reports it, so each close, and thus the end of each killed
        # daemon, would take 0.1 s longer. A fixed clock does not have to be stopped.
        clock = _run("fdtget", "-t", "u", tree, "/clocks/clk-osc", "phandle").strip()
        _run("fdtput", "-t", "u", tree, UART, "clocks", clock, clock)
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


def _compile(*folders: Path) -> None:
    """Compiles Python files to bytecode on the host, where it takes seconds.

    Without a Python 3.11 on the host, the guest compiles each module when it first imports it.
    """
    python = sys.executable if sys.version_info[:2] == (3, 11) else shutil.which("python3.11")
    if python:
        _run(python, "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash",
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
    _run(sys.executable, "-m", "pip", "--quiet", command, *compiled, *target, *words)


def _run(*command: str, cwd: Path | None = None) -> str:
    """Returns the command's stdout. Raises RuntimeError with its whole output if it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:6])} … failed:\n{done.stdout}{done.stderr}")
    return done.stdout
