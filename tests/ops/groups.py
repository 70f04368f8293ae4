"""Names of ops in small groups, whose tests share their Hypothesis examples."""

EACH = 5


def in_groups(names):
    """Return the parameters of a test of some ops at a time, with the first and the last as its name."""
    names = list(names)
    some = [names[k : k + EACH] for k in range(0, len(names), EACH)]
    return {"argvalues": some, "ids": [f"{group[0]}..{group[-1]}" for group in some]}
