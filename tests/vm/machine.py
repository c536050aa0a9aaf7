"""A machine under QEMU that runs one command on the host's file tree, and ends."""

import gzip
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tests.require import require, require_program
from tests.vm.kernel import CACHE, Kernel, cached

ROOT = Path(__file__).parents[2]
SHARE = "/run/vm"  # where the machine sees `Machine.share`
CONSOLE = CACHE / "console.log"

_SECONDS = float(os.environ.get("TEN_VM_SECONDS", "900"))
_APPEND = "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on"
_INSTALL = "apt-get install --no-install-recommends"
_FETCH = "python -m tests.vm fetch"


def require_machine() -> Kernel:
    """Give the kernel, or skip with the line that installs what is missing."""
    require(os.uname().machine == "x86_64", "the machine is an x86-64 one", "use such a host")
    require_program("qemu-system-x86_64", "--no-install-recommends qemu-system-x86")
    busybox = shutil.which("busybox")
    is_static = busybox is not None and b"/ld-" not in Path(busybox).read_bytes()[:4096]
    require(is_static, "no static busybox", f"{_INSTALL} busybox-static")
    kernel = cached()
    require(kernel is not None, "no kernel is unpacked for it", _FETCH)
    assert kernel is not None
    return kernel


class Machine:
    """One boot. Its console is kept in CONSOLE.

    Attributes:
        share: A folder both sides write to; removed at the end.
    """

    def __init__(
        self, command: str, files: Mapping[str, str], *, is_interactive: bool = False
    ) -> None:
        """Boot, and run a shell script in the checkout.

        Args:
            command: The script, run as root.
            files: Texts to put into the share, by name.
            is_interactive: This terminal is the machine's console.
        """
        kernel = require_machine()
        self._folder = tempfile.TemporaryDirectory(prefix="vm-of-ten-")
        self.share = Path(self._folder.name) / "share"
        self.share.mkdir()
        disk = Path(self._folder.name) / "disk"
        with disk.open("wb") as file:
            file.truncate(512 << 20)
        (self.share / "command").write_text(f"cd {shlex.quote(str(ROOT))}\n{command}\n")
        for name, text in files.items():
            (self.share / name).write_text(text)
        initrd = _make_initramfs(Path(self._folder.name), kernel)
        CONSOLE.unlink(missing_ok=True)
        serial = "mon:stdio" if is_interactive else f"file:{CONSOLE}"
        self._deadline = time.monotonic() + _SECONDS
        self._process = subprocess.Popen(
            _command(serial, disk, self.share, kernel.image, initrd),
            stdin=None if is_interactive else subprocess.DEVNULL,
        )

    def __enter__(self) -> "Machine":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def is_running(self) -> bool:
        """Tell whether it goes on; past its time limit it is ended."""
        if time.monotonic() > self._deadline:
            self._process.kill()
            self._process.wait()
            with CONSOLE.open("a") as file:
                file.write(f"\nended by the host after {_SECONDS:g} s (TEN_VM_SECONDS)\n")
        return self._process.poll() is None

    def end(self) -> None:
        """Switch it off if it still runs, and remove its files."""
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def told(self) -> str:
        """Give the end of what it wrote to its console."""
        text = CONSOLE.read_text(errors="replace") if CONSOLE.exists() else "(nothing)"
        return "\n".join(text.splitlines()[-40:])


def _command(serial: str, disk: Path, share: Path, image: Path, initrd: Path) -> list[str]:
    """Write the command line: no device that is not used, and no life longer than ours."""
    options = {
        "accel": os.environ.get("TEN_VM_ACCEL", "tcg,thread=multi"),
        "cpu": "max",
        "m": "2048",
        "smp": "2",
        "display": "none",
        "serial": serial,
        "kernel": str(image),
        "initrd": str(initrd),
        "append": _APPEND,
        "drive": f"file={_escape(disk)},if=virtio,format=raw",
    }
    shared = "local,path={},mount_tag={},security_model=none,multidevs=remap"
    return [
        *("setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-nodefaults", "-no-reboot"),
        *(word for name, text in options.items() for word in (f"-{name}", text)),
        *("-virtfs", shared.format("/", "host") + ",readonly=on"),
        *("-virtfs", shared.format(_escape(share), "out")),
    ]


def _escape(path: Path) -> str:
    return str(path).replace(",", ",,")


def _make_initramfs(folder: Path, kernel: Kernel) -> Path:
    """Write an archive of busybox, `init` and the modules.

    Source: Documentation/driver-api/early-userspace/buffer-format.rst.
    """
    tree = folder / "tree"
    (tree / "modules").mkdir(parents=True)
    (tree / "bin").mkdir()
    shutil.copy(str(shutil.which("busybox")), tree / "bin" / "busybox")
    shutil.copy(Path(__file__).with_name("init"), tree / "init")
    (tree / "init").chmod(0o755)
    for module in kernel.modules:
        shutil.copy(module, tree / "modules")
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    packed = subprocess.run(
        ["busybox", "cpio", "-o", "-H", "newc"],
        cwd=tree,
        input=names.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    made = folder / "initrd.gz"
    made.write_bytes(gzip.compress(packed.stdout, 1))
    return made
