"""Functions of arrays that mean what plain NumPy means, and are faster. Nothing else needs them to be understood.

Beside each stands its plain twin, in a line or a few; the tests hold the two equal. What it gains is told in
docs/speed_diary.md.
"""
