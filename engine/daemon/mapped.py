"""A file's bytes mapped into memory, to be searched without copying them."""

from __future__ import annotations

import ctypes
import mmap
import os

_libc = ctypes.CDLL(None)
_memmem = _libc.memmem
_memmem.restype = ctypes.c_void_p
_memmem.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t)


class MappedFile:
    """The first bytes of a file, as they are and as they become; `engine.core.logquery.Data`.

    Safe to read on any thread. The file may be unlinked meanwhile, but must not be cut shorter.
    The mapping goes with the last reference to this.
    """

    __slots__ = ("_address", "_map")

    def __init__(self, path: str, size: int) -> None:
        """Map the first `size` bytes, more than none.

        Raises:
            FileNotFoundError: The file is gone.
        """
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            # A private mapping: only one that could be written to gives ctypes its address.
            self._map = mmap.mmap(fd, size, access=mmap.ACCESS_COPY)
        finally:
            os.close(fd)
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))

    def find(self, sub: bytes, start: int, end: int, /) -> int:
        """Find a text in [start, end); -1 where there is none.

        memmem(3) is two to four times faster than Python's search here, and lets other threads
        run; below three bytes Python's is as good, and calling costs less.
        """
        if len(sub) < 3 or end - start < 4096:
            return self._map.find(sub, start, end)
        start, end = max(start, 0), min(end, len(self._map))
        found = _memmem(self._address + start, end - start, sub, len(sub))
        return -1 if found is None else int(found) - self._address

    def rfind(self, sub: bytes, start: int, end: int, /) -> int:
        """Find a text's last occurrence in [start, end); -1 where there is none."""
        return self._map.rfind(sub, start, end)

    def __getitem__(self, part: slice, /) -> bytes:
        """Copy a part."""
        return self._map[part]

    def __len__(self) -> int:
        """Count the bytes."""
        return len(self._map)
