"""What the keeper keeps in `run/`: FIFOs, and records by which the next keeper adopts instances."""

import contextlib
import json
import os

from engine.keeper.instance import Instance, restore
from engine.kernel.syscalls import process

_FIFO_BYTES = 1024 * 1024


class Files:
    """The run directory, which `engine.runtime.rundir` made and locked.

    Attributes:
        path: Its absolute path.
        fifos: Descriptors of the FIFOs for stdout and stderr, by instance.
    """

    def __init__(self, path: str) -> None:
        """Begin with nothing open."""
        self.path = path
        self.fifos: dict[str, tuple[int, ...]] = {}
        self.boot_id = process.boot_id()

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.path}/{name}")

    def save(self, instance: Instance) -> None:
        """Write what the next keeper needs to adopt it."""
        record = instance.told() | {"boot_id": self.boot_id, "is_subreaper": instance.is_subreaper}
        process.write_whole(f"{self.path}/instances/{instance.name}.json", json.dumps(record))

    def forget(self, instance: Instance) -> None:
        """Remove its record."""
        self.remove(f"instances/{instance.name}.json")

    def output(self, name: str) -> list[str]:
        """Name the FIFOs for stdout and stderr."""
        return [f"{self.path}/fifo/{name}.{end}" for end in ("out", "err")]

    def open_fifos(self, name: str) -> None:
        """Open the FIFOs of a name, made if they are not there; the same ones until `release`."""
        if name not in self.fifos:
            self.fifos[name] = process.open_fifos(self.output(name), _FIFO_BYTES)

    def release(self, name: str) -> None:
        """Close and unlink the FIFOs of a name."""
        for fd in self.fifos.pop(name, ()):
            os.close(fd)
        for path in self.output(name):
            self.remove(os.path.relpath(path, self.path))

    def adopt(self) -> list[Instance]:
        """Find again what a former keeper held in this boot, living or ended; drop the rest."""
        found = {}
        for name in os.listdir(f"{self.path}/instances"):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                with open(f"{self.path}/instances/{name}") as file:
                    record = json.load(file)
                # One ending in .new was being written: its program was never let run.
                if record["boot_id"] == self.boot_id and name.endswith(".json"):
                    found[name.removesuffix(".json")] = restore(record)
                    continue
            self.remove(f"instances/{name}")
        for name in os.listdir(f"{self.path}/fifo"):
            if name.rpartition(".")[0] not in found:
                self.remove(f"fifo/{name}")
        for name in found:
            self.open_fifos(name)
        return list(found.values())
