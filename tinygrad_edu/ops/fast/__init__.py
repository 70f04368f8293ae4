"""Faster equivalents of the functions in `ops/plain.py` and of compositions of ops. Plain mode runs none of them.

Beside each stands its plain twin, in a line or a few; the tests hold the two equal. What it gains is told in
docs/speed_diary.md.
"""
