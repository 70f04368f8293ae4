"""Faster equivalents of the functions in `ops/plain.py` and of compositions of ops. Plain mode runs none of them.

`faster_than` declares the plain form of each. The tests hold both equal. docs/speed_diary.md has the measurements.
"""
