"""Mutation testing of vjps: break vjps on purpose, and count the mutants that a test suite detects.

A gradient test is useful only if it fails for a wrong gradient. The command ``python -m tinygrad_edu.testing.mutate
my_ops.py`` breaks each vjp of a file in about sixty ways, and runs the checks of this package, or your tests with
``--tests``, on each mutant. `mutant` breaks a single vjp. `faults` has the tables of faults, and `sources` the changes
of a file's text. `ops` chooses those of an op, and `suites` those of a file with ``--tests``.
"""

from tinygrad_edu.testing.mutate.faults import ANYWHERE, OURS, mutant

__all__ = ["ANYWHERE", "OURS", "mutant"]
