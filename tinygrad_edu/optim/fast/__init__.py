"""Faster updates of the built-in optimizers: in place, in chunks that fit the cache, on several threads."""
