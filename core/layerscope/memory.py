"""How the memory of large arrays is used again."""

from __future__ import annotations

import numpy as np

#: The largest block by which glibc still learns, but for what it adds to a block.
_LARGEST = 32 * 2**20 - 2**16


def expect_large_arrays() -> None:
    """Let the allocator know that large arrays come and go.

    Where Python runs on glibc, a freed block beyond a threshold goes back to the system at once,
    and the next array of its size is new memory, of which every page must be mapped and cleared
    first. That takes several times as long as most operations. glibc raises the threshold, up to
    32 MB, to the size of the largest block it ever saw freed: so one is freed here, which nothing
    was written to and which therefore never was in memory. The process then keeps up to 64 MB that
    it does not use. A threshold that ``MALLOC_MMAP_THRESHOLD_`` or `mallopt` set stays as it is,
    and other allocators do not care.
    """
    np.empty(_LARGEST, np.uint8)
