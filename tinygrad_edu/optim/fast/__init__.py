"""Faster steps: the same updates in cache-sized chunks on several threads."""
