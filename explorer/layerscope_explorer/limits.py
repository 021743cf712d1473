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
#: Length of a saved file's text: a stack, and one it is compared with.
MAX_FILE_BYTES = 500_000
#: Length of what stands for a stack in an address; servers and messengers cut longer ones off.
MAX_ADDRESS = 8_000
