"""How large a block of a matrix product fits into the processor's vector registers."""

from __future__ import annotations

from layerscope.compiled.jit import ENABLED


def _registers() -> tuple[int, int, int]:
    """Return the rows of a block, its vectors a row and the numbers in a vector."""
    features = {}
    if ENABLED:
        from llvmlite import binding

        features = binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 8, 2, 16
    if features.get("avx2"):
        return 6, 2, 8
    if features.get("neon"):
        return 6, 4, 4
    return 4, 2, 4


#: Rows of a block, and its columns: twice as many registers as fit would spill to memory.
ROWS, VECTORS, NARROW = _registers()
WIDE = VECTORS * NARROW
