"""Lessons in which one builds this engine anew, from a difference on, each step checked.

``python -m tinygrad_edu.lessons start my_engine`` copies them out. A lesson is a folder here: `page.md` tells it,
`solution.py` is the code, in which marked pieces are the holes of the exercise, `hints.md` has the hints on each hole,
and `checks.py` judges. They need the extra ``tinygrad-edu[testing]``.
"""
