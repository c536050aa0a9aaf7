"""The machine's kernel: Debian's package, downloaded and unpacked into a cache, not installed."""

import lzma
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(os.environ.get("TEN_VM_CACHE", Path(__file__).parents[2] / ".cache" / "vm"))

# What they depend on comes along. The cloud flavour of the package lacks 9p.
MODULES = (
    "virtio_pci",
    "9pnet_virtio",
    "9p",
    "overlay",
    "zram",
    "virtio_blk",
    "ext4",
    "crc32c_generic",
    "quota_v2",
)

_PACKAGE = "linux-image-amd64"
_WANTED = "wanted"


@dataclass(frozen=True)
class Kernel:
    """An unpacked kernel.

    Attributes:
        image: What QEMU boots.
        modules: Its modules in an order in which they can be loaded.
    """

    image: Path
    modules: list[Path]


def cached() -> Kernel | None:
    """Give the kernel in the cache; None where there is none, or it lacks one of MODULES."""
    folder = CACHE / "kernel"
    try:
        is_complete = (folder / _WANTED).read_text().split() == list(MODULES)
    except FileNotFoundError:
        return None
    modules = sorted((folder / "modules").iterdir())
    return Kernel(folder / "vmlinuz", modules) if is_complete else None


def fetch() -> Kernel:
    """Download the kernel's package and unpack what is needed of it, unless that is there.

    Raises:
        subprocess.CalledProcessError: apt-get or dpkg failed; they say why.
    """
    if found := cached():
        return found
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        work = Path(name)
        tree = work / "tree"
        subprocess.run(["dpkg", "-x", _download(work), tree], check=True)
        made = work / "kernel"
        (made / "modules").mkdir(parents=True)
        shutil.copy(next((tree / "boot").glob("vmlinuz-*")), made / "vmlinuz")
        files = {_name(path): path for path in tree.rglob("*.ko*")}
        for number, path in enumerate(_in_order(files)):
            (made / "modules" / f"{number:02d}-{_name(path)}.ko").write_bytes(_read(path))
        (made / _WANTED).write_text(" ".join(MODULES))
        shutil.rmtree(CACHE / "kernel", ignore_errors=True)
        made.rename(CACHE / "kernel")
    found = cached()
    assert found is not None
    return found


def _download(folder: Path) -> Path:
    if not _depends():
        subprocess.run(["apt-get", "update", "-q"], check=True)
    version = re.search(r"Depends: (linux-image-\S+)", _depends())
    assert version is not None, f"apt knows no {_PACKAGE}"
    subprocess.run(["apt-get", "download", "-q", version[1]], cwd=folder, check=True)
    return next(folder.glob("*.deb"))


def _depends() -> str:
    command = ["apt-cache", "depends", _PACKAGE]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _in_order(files: dict[str, Path]) -> Iterator[Path]:
    """Give MODULES after what each depends on. One without a file is built into the kernel."""
    seen: set[str] = set()

    def visit(name: str) -> Iterator[Path]:
        if name in seen or name not in files:
            return
        seen.add(name)
        found = re.search(rb"\0depends=([^\0]*)\0", _read(files[name]))
        for needed in found[1].decode().split(",") if found else []:
            yield from visit(needed)
        yield files[name]

    for each in MODULES:
        yield from visit(each)


def _name(path: Path) -> str:
    """Name a module as the kernel does: its file may have dashes."""
    return path.name.partition(".ko")[0].replace("-", "_")


def _read(path: Path) -> bytes:
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


if __name__ == "__main__":
    fetch()
