"""Small real data that ships with Layerscope."""

from layerscope.datasets import digits as digits
