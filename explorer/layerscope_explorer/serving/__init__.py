"""A server for many: what it is doing, who may see that, and how it starts and ends."""
