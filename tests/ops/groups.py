"""Test cases: small groups of ops that share their Hypothesis examples, and calls written as code."""

EACH = 5


def in_groups(names):
    """Return parametrize arguments for groups of ops, with the first and the last op as the id."""
    names = list(names)
    some = [names[k : k + EACH] for k in range(0, len(names), EACH)]
    return {"argvalues": some, "ids": [f"{group[0]}..{group[-1]}" for group in some]}


def written(calls):
    """Split a text into calls, separated by semicolons and line breaks."""
    return [call for line in calls.strip().splitlines() for call in line.split("; ")]
