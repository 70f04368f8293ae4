"""Cases of tests: names of ops in small groups, which share their Hypothesis examples, and calls written as code."""

EACH = 5


def in_groups(names):
    """Return the parameters of a test of some ops at a time, with the first and the last as its name."""
    names = list(names)
    some = [names[k : k + EACH] for k in range(0, len(names), EACH)]
    return {"argvalues": some, "ids": [f"{group[0]}..{group[-1]}" for group in some]}


def written(calls):
    """Return the calls in a text, of which several stand in a line."""
    return [call for line in calls.strip().splitlines() for call in line.split("; ")]
