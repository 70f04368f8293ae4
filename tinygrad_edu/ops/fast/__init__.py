"""Faster equivalents of plain functions beside the ops, and of compositions of ops. Plain mode runs none of them.

`faster_than`, in `shared.speed.plain_mode`, names the plain version of each and chooses. The tests compare both. The
timings are in benchmarks/speed_diary.md.
"""
