"""What one session may ask for; checked before anything is allocated."""

from __future__ import annotations

#: Layers in a stack.
MAX_LAYERS = 64
#: Scalars in the weights of a whole stack: 20 MB as float32.
MAX_PARAMETERS = 5_000_000
#: Scalars one layer may give for the sample of digits: 64 MB as float32.
MAX_OUTPUT = 16_000_000
#: Length of a document's text.
MAX_DOCUMENT_BYTES = 200_000
#: A file that a person brings: its length, its rows and columns, and values of an array in it.
MAX_DATA_BYTES = 4_000_000
MAX_DATA_ROWS = 20_000
MAX_DATA_COLUMNS = 256
MAX_DATA_VALUES = 2_000_000
#: Steps of one training: their losses take 16 bytes each.
MAX_STEPS = 1_000_000
#: What training keeps for the way back, in bytes, beside the newest state.
MAX_KEPT_BYTES = 48_000_000
#: Length of a saved file's text: a stack, and one it is compared with.
MAX_FILE_BYTES = 500_000
#: Length of what stands for a stack in an address; servers and messengers cut longer ones off.
MAX_ADDRESS = 8_000
#: Length of the Python that a person may write; it is part of the document.
MAX_OWN_CODE = 20_000
