"""Two numbers with the digits in which they differ."""


def tell_apart(a: float, b: float, digits: int) -> tuple[str, str]:
    """Return two numbers with at least `digits` significant digits, and more if they differ only in later ones.

    Examples
    --------
    >>> tell_apart(2.0, 1.0, 6), tell_apart(1 + 3.1e-8, 1.0, 6)
    (('2', '1'), ('1.000000031', '1'))
    """
    needed = digits
    while needed < 17 and a != b and f"{a:.{needed}g}" == f"{b:.{needed}g}":
        needed += 1
    needed += digits < needed < 17
    return f"{a:.{needed}g}", f"{b:.{needed}g}"
