"""Layerscope and the frameworks it is compared with, each in a process of its own."""
