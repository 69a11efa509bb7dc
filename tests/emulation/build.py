"""The emulated Pi's files, made from Debian's packages and PyPI and kept outside the repository.

It knows packages and layers; running them is the affair of `machine`. There are two layers, so
that a change of this project's code makes only a small one anew: Debian, and the project over it.
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
"""The first whose kernel comes up is taken. It must let lines persist (6.12 on) as they do on
Raspberry Pi OS; button edges need gpio-sim as well, which Debian has from 6.16 on."""
MODULES: Final = re.compile(r"/(configfs|gpio-sim|dev-sync-probe)\.ko")

LEFT_OUT: Final = re.compile(
    r"usr/share/(doc|man|locale|info|i18n|perl5?|zoneinfo|lintian|bug)/."
    r"|usr/lib/[^/]+/(perl|gconv)|(usr/)?lib/udev/hwdb|usr/bin/perl"
    r"|usr/lib/python3\.11/(test|idlelib|tkinter|lib2to3|pydoc_data|ensurepip)/."
)
MASKED: Final = (
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
"""Nothing of it concerns the mat, and all of it takes time to boot."""
UART: Final = "/soc/serial@7e201000"
VENV: Final = "opt/firmware-ctl"
SITE: Final = f"{VENV}/lib/python3.11/site-packages"
# Raspberry Pi OS has it as the package python3-lgpio, plain Debian has not.
LGPIO: Final = "lgpio==0.2.2.0"
HARDER: Final = {
    "pwm_hz: 250": "pwm_hz: 53",
    "rise: 25%/s": "rise: 50%/s",
    "max_ma: 2000": "max_ma: 5000",
    "duty: 80%": "duty: 90%",
    "cap: 72%": "cap: 90%",
}
"""The guest's mat is the shipped one with the highest duty of all, and a PWM that it can follow,
out of step with the daemon's 20 ms."""
TARGET: Final = (
    *("--only-binary=:all:", "--python-version=3.11", "--implementation=cp"),
    *("--abi=cp311", "--abi=abi3", "--abi=none"),
    *("--platform=manylinux2014_aarch64", "--platform=manylinux_2_34_aarch64", "--platform=any"),
)


class Image(NamedTuple):
    """What QEMU boots. The layers are archives of an initramfs, a later one over the earlier."""

    kernel: Path
    tree: Path
    layers: tuple[Path, ...]


def missing_tools() -> list[str]:
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def _sources(suites: Sequence[tuple[str, str]]) -> list[str]:
    """Lines for apt, by archive and suite, from wherever this machine has its Debian."""
    told = _run("apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)").splitlines()
    places = dict(line.split(" ", 1) for line in told)
    if unknown := {archive for archive, _ in suites} - set(places):
        raise RuntimeError(f"apt has no lists of {', '.join(sorted(unknown))}: `apt-get update`")
    return [f"deb {SIGNED} {places[archive]} {suite} main" for archive, suite in suites]


def cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(home, "firmware-ctl-emulation")


def digest(parts: Iterable[bytes]) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


KEPT_S: Final = 6 * 3600
"""What of the cache was not used for so long goes when something of its kind is made anew."""


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """A folder of the cache. It is made at the first call, and appears there when it is whole."""
    done = cache() / name
    if not done.exists():
        cache().mkdir(parents=True, exist_ok=True)
        for old in cache().glob(f"{name.split('-')[0]}-*"):
            if time.time() - old.stat().st_mtime > KEPT_S:
                shutil.rmtree(old)
        with tempfile.TemporaryDirectory(dir=cache(), prefix="half-") as half:
            whole = Path(half, name)
            whole.mkdir()
            make(whole)
            whole.rename(done)
    os.utime(done)
    return done


def mat() -> str:
    """The mat file in the guest."""
    text = (REPOSITORY / "hw/mat.yaml").read_text()
    for shipped, harder in HARDER.items():
        assert shipped in text, shipped
        text = text.replace(shipped, harder)
    return text


def image(comes_up: Callable[[Image], bool], project_at: Path = REPOSITORY) -> Image:
    """What is not in the cache is built; `comes_up` tries a kernel. Minutes without a cache."""
    needs = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["dependencies"]
    inputs = [Path(__file__).read_bytes(), *(need.encode() for need in needs)]
    base = cached(f"base-{digest(inputs)}", lambda folder: _base(folder, needs, comes_up))
    with tempfile.TemporaryDirectory() as folder:
        _pip("wheel", "--no-deps", "-w", folder, str(project_at))
        [wheel] = Path(folder).glob("*.whl")
        files = sorted(path for path in (HERE / "root").rglob("*") if path.is_file())
        inputs = [base.name.encode(), wheel.read_bytes()]
        inputs += [part for path in files for part in (str(path).encode(), path.read_bytes())]
        name = f"project-{digest(inputs)}"
        project = cached(name, lambda folder: _project(folder, wheel))
    # The kernel reads plain archives before a packed one; none comes after it, for its padding.
    return Image(base / "vmlinuz", base / "pi.dtb", (project / "cpio", base / "cpio.lz4"))


def _base(folder: Path, needs: list[str], comes_up: Callable[[Image], bool]) -> None:
    root = folder / "root"
    root.mkdir()
    _run("mmdebstrap", "--quiet", "--arch=arm64", "--variant=extract", "--aptopt=Acquire::Retries \"5\"",
         f"--include={ROOT_PACKAGES}", "", str(folder / "root.tar"), *_sources(ROOT_SUITES))  # fmt: skip
    _run("tar", "-xf", str(folder / "root.tar"), "-C", str(root), "--exclude=./dev/*")
    (folder / "root.tar").unlink()
    _pip("install", "--no-deps", "--target", str(root / "usr/lib/python3/dist-packages"), LGPIO)
    _pip("install", "--target", str(root / SITE), *needs)
    for path in sorted(root.rglob("*"), reverse=True):
        if LEFT_OUT.match(str(path.relative_to(root))) and not path.is_dir():
            path.unlink()
    for name in ("passwd", "group"):
        shutil.copy(root / f"usr/share/base-passwd/{name}.master", root / f"etc/{name}")
    (root / "init").symlink_to("lib/systemd/systemd")
    for name in MASKED:
        (root / "etc/systemd/system" / name).symlink_to("/dev/null")
    _venv(root / VENV)
    _compile(root / "usr/lib/python3.11", root / "usr/lib/python3", root / VENV)
    _kernel(folder, comes_up)
    _pack(root, folder / "cpio")
    _run("lz4", "-q", "-l", "-3", "--rm", str(folder / "cpio"), str(folder / "cpio.lz4"))
    shutil.rmtree(root)


def _venv(venv: Path) -> None:
    """What `python3 -m venv --system-site-packages` makes there."""
    (venv / "bin").mkdir(parents=True)
    (venv / "bin/python3").symlink_to("/usr/bin/python3")
    (venv / "bin/python").symlink_to("python3")
    (venv / "pyvenv.cfg").write_text(
        "home = /usr/bin\ninclude-system-site-packages = true\nversion = 3.11.2\n"
    )


def _project(folder: Path, wheel: Path) -> None:
    """The wheel in the Pi's venv, as pip puts it there, and what the tests need in the guest."""
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
    (root / "etc/firmware-ctl/mat.yaml").write_text(mat())
    _compile(root / SITE)
    _pack(root, folder / "cpio")
    shutil.rmtree(root)


def _kernel(folder: Path, comes_up: Callable[[Image], bool]) -> None:
    """The first kernel that comes up, its modules in the root, and the device tree of a Pi 3B."""
    apt = folder / "apt"
    (apt / "lists/partial").mkdir(parents=True)
    (apt / "status").touch()
    (apt / "sources.list").write_text(
        "\n".join(_sources([("Debian", suite) for suite in KERNEL_SUITES])) + "\n"
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
        tree = apt / suite
        tree.mkdir()
        wanted = _run("apt-get", "-qq", *options, "-t", suite, "--no-install-recommends",
                      "--print-uris", "install", "linux-image-arm64")  # fmt: skip
        names = re.findall(r"^\S+ (linux-(?:image|binary|modules|base)-\d[^_]*)_", wanted, re.M)
        _run("apt-get", "-qq", *options, "-t", suite, "download", *names, cwd=tree)
        for package in tree.glob("*.deb"):
            _run("dpkg-deb", "-x", str(package), str(tree))
        [kernel] = [path for path in tree.rglob("vmlinuz*") if not path.is_symlink()]
        [dtb] = tree.rglob("bcm2837-rpi-3-b.dtb")
        shutil.copy(kernel, folder / "vmlinuz")
        shutil.copy(dtb, folder / "pi.dtb")
        # The UART is wired to Bluetooth there; without a revision gpiozero sees no Pi.
        tree_file = str(folder / "pi.dtb")
        _run("fdtput", "-r", tree_file, f"{UART}/bluetooth")
        _run("fdtput", "-p", "-t", "x", tree_file, "/system", "linux,revision", "a02082")
        # The emulated clock manager never tells that a clock has stopped, for which the driver waits
        # 0.1 s when the UART is closed, which is also when a killed daemon ends: a fixed one does.
        clock = _run("fdtget", "-t", "u", tree_file, "/clocks/clk-osc", "phandle").strip()
        _run("fdtput", "-t", "u", tree_file, UART, "clocks", clock, clock)
        if comes_up(Image(folder / "vmlinuz", folder / "pi.dtb", (_probe(folder),))):
            break
    else:
        raise RuntimeError(f"no kernel of {', '.join(KERNEL_SUITES)} comes up in this QEMU")
    for module in tree.rglob("*.ko*"):
        if MODULES.search(str(module)):
            shutil.copy(module, folder / "root/lib")
    shutil.rmtree(apt)


def _probe(folder: Path) -> Path:
    """An initramfs that does nothing but say that it runs."""
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
    """Compiled here, where it takes seconds; without a Python 3.11 the guest does it as it goes."""
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
    target = TARGET if "--target" in words else ()
    compiled = ("--no-compile",) if command == "install" else ()
    _run(sys.executable, "-m", "pip", "--quiet", command, *compiled, *target, *words)


def _run(*command: str, cwd: Path | None = None) -> str:
    """What it writes to stdout; what it said is told when it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:6])} … failed:\n{done.stdout}{done.stderr}")
    return done.stdout
