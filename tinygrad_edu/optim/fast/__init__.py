"""Faster steps: the same updates in chunks that fit the cache, shared over threads."""
