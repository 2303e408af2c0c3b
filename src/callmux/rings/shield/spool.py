"""Where the large results of this process are kept: one file without a name, for us and the helper process.

Held by `callmux.rings.shield.helper`; `.worker`, which inherits its descriptor, writes and reads it. The file
outlives the helper, so that one that dies, by whatever result, costs nobody another one; and nothing is left
of it when we end, however we end. On Linux it is memory, elsewhere a file in the temporary directory.
"""

from __future__ import annotations

import os
import tempfile


class Spool:
    """The file, and who has which part of it."""

    def __init__(self) -> None:
        self._descriptor: int | None = None
        self._parts: dict[str, tuple[int, int]] = {}

    @property
    def descriptor(self) -> int:
        """The file; made when it is first asked for.

        Raises:
            OSError: It cannot be made.
        """
        if self._descriptor is None:
            if hasattr(os, "memfd_create"):
                self._descriptor = os.memfd_create("callmux-results")
            else:
                with tempfile.TemporaryFile() as file:
                    self._descriptor = os.dup(file.fileno())
        return self._descriptor

    def reserve(self, ref: str, size: int) -> int:
        """Gives `ref` a part of `size` bytes that is nobody's; gives its place."""
        at = 0
        for begin, taken in sorted(self._parts.values()):
            if begin - at >= size:
                break
            at = begin + taken
        self._parts[ref] = at, size
        return at

    def find(self, ref: str) -> tuple[int, int] | None:
        """Place and size of the part of `ref`; None where it has none."""
        return self._parts.get(ref)

    def release(self, ref: str) -> None:
        """The part of `ref` is nobody's any more; what stands behind the last part is given back."""
        if self._parts.pop(ref, None) is not None and self._descriptor is not None:
            end = max((at + size for at, size in self._parts.values()), default=0)
            if end < os.fstat(self._descriptor).st_size:
                os.truncate(self._descriptor, end)

    def close(self) -> None:
        """Nothing is kept any more."""
        self._parts.clear()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
