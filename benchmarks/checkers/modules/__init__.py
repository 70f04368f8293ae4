"""Modules with a subtle bug, each with its correct counterpart and the contract that a tester states."""

from benchmarks.checkers.modules import attention, held_out, losses, normalization, recurrence, state

GROUPS = {
    "attention": attention.CASES,
    "normalization": normalization.CASES,
    "recurrence": recurrence.CASES,
    "dropout, ties and state": state.CASES,
    "losses and gradients": losses.CASES,
    "held-out": held_out.CASES,
}
