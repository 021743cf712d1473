"""Compiled loops over arrays: they know nothing of layers, operations or tapes.

Every loop has a plain NumPy reference with the same signature, which tests compare with and which
runs where Numba is missing.
"""
