"""The mutation suite: rules broken on purpose in many ways, and the count of those that your tests notice.

A test of a gradient that passes says little, unless it would fail for a wrong one. The command
``python -m tinygrad_edu.testing.mutate my_ops.py`` breaks each rule of a file in some sixty ways, and asks the checks
of this package, or ``--tests`` of yours, about each. `mutant` breaks a rule by hand.
"""

from tinygrad_edu.testing.mutate.wrappers import ANYWHERE, OURS, mutant

__all__ = ["ANYWHERE", "OURS", "mutant"]
