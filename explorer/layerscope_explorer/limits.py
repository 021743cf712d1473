"""What one session may ask for; checked before anything is allocated.

Whoever serves others can set each in the environment: ``LAYERSCOPE_MAX_LAYERS=20`` allows stacks of
20 layers. Where a limit is met the page says which it is, and everything else still works.
"""

from __future__ import annotations

import os


def _limit(name: str, usual: int) -> int:
    """Return a limit: what the environment says, else the usual one.

    Raises
    ------
    ValueError
        If the environment says no whole number above 0.
    """
    variable = f"LAYERSCOPE_{name}"
    said = os.environ.get(variable, "")
    if not said:
        return usual
    if not said.isascii() or not said.isdecimal() or not 0 < int(said) < 2**40:
        raise ValueError(f"{variable} must be a whole number above 0. Received: {said!r}")
    return int(said)


#: Layers in a stack.
MAX_LAYERS = _limit("MAX_LAYERS", 64)
#: Scalars in the weights of a whole stack: 20 MB as float32.
MAX_PARAMETERS = _limit("MAX_PARAMETERS", 5_000_000)
#: Scalars one layer may give for the sample of digits: 64 MB as float32.
MAX_OUTPUT = _limit("MAX_OUTPUT", 16_000_000)
#: Scalars that all layers of a stack hold at once for that sample; with the way back and the
#: pictures that is up to 16 bytes each: 500 MB.
MAX_VALUES = _limit("MAX_VALUES", 32_000_000)
#: Operations one layer may take one after another, such as steps of a sequence.
MAX_OPERATIONS = _limit("MAX_OPERATIONS", 20_000)
#: Length of a document's text.
MAX_DOCUMENT_BYTES = _limit("MAX_DOCUMENT_BYTES", 200_000)
#: A file that a person brings: its length, its rows and columns, and values of an array in it.
MAX_DATA_BYTES = _limit("MAX_DATA_BYTES", 4_000_000)
MAX_DATA_ROWS = _limit("MAX_DATA_ROWS", 20_000)
MAX_DATA_COLUMNS = _limit("MAX_DATA_COLUMNS", 256)
MAX_DATA_VALUES = _limit("MAX_DATA_VALUES", 2_000_000)
#: Steps of one training: their losses take 16 bytes each.
MAX_STEPS = _limit("MAX_STEPS", 1_000_000)
#: What training keeps for the way back, in bytes, beside the newest state.
MAX_KEPT_BYTES = _limit("MAX_KEPT_BYTES", 48_000_000)
#: Length of a saved file's text: a stack, and one it is compared with.
MAX_FILE_BYTES = _limit("MAX_FILE_BYTES", 500_000)
#: Length of what stands for a stack in an address; servers and messengers cut longer ones off.
MAX_ADDRESS = _limit("MAX_ADDRESS", 8_000)
#: Length of the Python that a person may write; it is part of the document.
MAX_OWN_CODE = _limit("MAX_OWN_CODE", 20_000)
#: Pages that are open at a time in one process.
MAX_SESSIONS = _limit("MAX_SESSIONS", 200)
#: Seconds of computing that one training may take.
MAX_TRAINING_SECONDS = _limit("MAX_TRAINING_SECONDS", 1_800)
#: After so many seconds without a touch a page lets go of what it can compute again.
IDLE_SECONDS = _limit("IDLE_SECONDS", 300)
