"""Lessons: build an autograd engine step by step, starting from finite differences; a command checks each step.

``python -m tinygrad_edu.lessons start my_engine`` copies the lessons into a folder. In a notebook, `start`, `check`,
`hint`, `solution`, `compare` and `status` do the same as the commands, and `check` reads the code from the cells. Each
lesson is a subpackage here: `page.md` is the text, `solution.py` the complete code with the holes of the exercise
marked, `hints.md` the hints on each hole, and `checks.py` the cases. The checks need the extra ``testing``.
"""

from tinygrad_edu.lessons.cells import check, compare, hint, solution, start, status

__all__ = ["check", "compare", "hint", "solution", "start", "status"]
