"""The cotangent of check_gradient: declared, or found in the signature of the gradient."""

import functools
import itertools
import operator

import numpy as np
import pytest

from tinygrad_edu.errors import VJPDefinitionError
from tinygrad_edu.testing import GradientMismatch, check_gradient

ASKS = "does not say whether the gradient takes a cotangent"
CANNOT = "must accept the call"
ONE, MANY = [1.5], [0.5, -1.5, 2.0]


def cube(x):
    return x**3


class Rule:
    """A callable object, and its bound method."""

    def __call__(self, x, g):
        return 3 * g * x**2

    def pull(self, x, upstream):
        return 3 * upstream * x**2


def with_option(x, n=3):
    return n * x ** (n - 1)


# A gradient of the cube, and the outcomes for one element and for several.
RULES = {
    "required": (lambda x, dy: 3 * dy * x**2, "right", "right"),
    "required, after others": (functools.partial(lambda n, x, dy: n * dy * x**2, 3), "right", "right"),
    "none": (lambda x: 3 * x**2, "right", CANNOT),
    "g": (lambda x, g=1.0: 3 * g * x**2, "right", "right"),
    "cotangent": (lambda x, cotangent=1.0: 3 * cotangent * x**2, "right", "right"),
    "grad_output": (lambda x, grad_output=1.0: 3 * grad_output * x**2, "right", "right"),
    "ct": (lambda x, ct=1.0: 3 * ct * x**2, "right", "right"),
    "ignores g": (lambda x, g=1.0: 3 * x**2, "wrong", "wrong"),
    "a wrong default": (lambda x, g=2.0: 3 * g * x**2, "wrong", "right"),
    "after an option": (lambda x, n=3, g=1.0: n * g * x ** (n - 1), "right", "right"),
    "another optional one": (lambda x, upstream=1.0: 3 * upstream * x**2, ASKS, ASKS),
    "an exponent": (with_option, ASKS, ASKS),
    "any number": (lambda *a: 3 * a[1] * a[0] ** 2, ASKS, ASKS),
    "keyword-only": (lambda x, *, g: 3 * g * x**2, "right", "right"),
    "keyword-only, any name": (lambda x, *, dy: 3 * dy * x**2, "right", "right"),
    "keyword-only, optional": (lambda x, *, g=1.0: 3 * g * x**2, "right", "right"),
    "keyword-only option": (lambda x, *, eps=0.0: 3 * x**2 + eps, ASKS, ASKS),
    "any number and a keyword": (lambda *a, ct: 3 * ct * a[0] ** 2, "right", "right"),
    "a partial that sets an option": (functools.partial(with_option, n=3), "right", CANNOT),
    "a partial that sets the cotangent": (functools.partial(lambda x, g: 3 * g * x**2, g=1.0), "right", CANNOT),
    "a partial before the cotangent": (functools.partial(lambda x, n, g: n * g * x**2, n=3), "right", "right"),
    "bound method": (Rule().pull, "right", "right"),
    "callable object": (Rule(), "right", "right"),
    "two required": (lambda x, a, b: x, CANNOT, CANNOT),
    "no arguments": (lambda: 3.0, CANNOT, CANNOT),
    "no signature": (max, ASKS, ASKS),
    "NumPy's options": (np.ones_like, "wrong", CANNOT),
    "a ufunc of one": (np.square, "wrong", CANNOT),
    "a ufunc of two": (np.multiply, "wrong", "wrong"),
    "a builtin of one": (operator.neg, "wrong", CANNOT),
    "a builtin of two": (operator.mul, "wrong", "wrong"),
}


def outcome(f, grad, x, **settings):
    """Return "right", "wrong", or the message of another error."""
    try:
        check_gradient(f, grad, x, **settings)
    except GradientMismatch:
        return "wrong"
    except VJPDefinitionError as error:
        return str(error)
    return "right"


@pytest.mark.parametrize("name", RULES)
def test_the_signature_says_whether_there_is_a_cotangent(name):
    grad, for_one, for_many = RULES[name]
    assert for_one in outcome(cube, grad, ONE)
    assert for_many in outcome(cube, grad, MANY)


# A gradient, the declaration, and the outcomes.
DECLARED = {
    "any number": (lambda *a: 3 * a[1] * a[0] ** 2, True, "right", "right"),
    "any number, none": (lambda *a: 3 * a[0] ** 2, False, "right", CANNOT),
    "optional": (lambda x, upstream=1.0: 3 * upstream * x**2, True, "right", "right"),
    "optional with a wrong default": (lambda x, upstream=2.0: 3 * upstream * x**2, True, "wrong", "right"),
    "optional that is ignored": (lambda x, upstream=1.0: 3 * x**2, True, "wrong", "wrong"),
    "an option": (with_option, False, "right", CANNOT),
    "an option as the cotangent": (lambda x, n=3: n * x**2, True, "wrong", "wrong"),
    "keyword-only": (lambda x, *, dy=1.0: 3 * dy * x**2, True, "right", "right"),
    "g that is another setting": (lambda x, g=3: g * x**2, False, "right", CANNOT),
    "named after an option": (lambda x, n=3, g=1.0: n * g * x**2, True, "right", "right"),
    "none": (lambda x: 3 * x**2, True, CANNOT, CANNOT),
    "required": (lambda x, g: 3 * g * x**2, False, r"must accept the call grad(x), got <lambda>(x, g)", CANNOT),
}


@pytest.mark.parametrize("name", DECLARED)
def test_a_declaration_decides(name):
    grad, declared, for_one, for_many = DECLARED[name]
    assert for_one in outcome(cube, grad, ONE, cotangent=declared)
    assert for_many in outcome(cube, grad, MANY, cotangent=declared)


def test_options_of_the_function_are_no_cotangent():
    for n, g in itertools.product([2, 3], [1.0, 9.81]):
        f, grad = eval(f"lambda x, n={n}, g={g}: g * x**n"), eval(f"lambda x, n={n}, g={g}: g * n * x**(n - 1)")
        assert outcome(f, grad, ONE) == "right"
        assert CANNOT in outcome(f, grad, MANY)


def test_the_question_names_the_answers():
    message = outcome(cube, with_option, ONE)
    assert all(words in message for words in ("with_option(x, n=3)", "cotangent=True", "cotangent=False"))


def test_the_message_about_a_default():
    with pytest.raises(GradientMismatch, match=r"^cube, without a cotangent: the gradient of x is wrong: it is twice"):
        check_gradient(cube, lambda x, g=2.0: 3 * g * x**2, ONE)
    report = check_gradient(cube, lambda x, g=2.0: 3 * g * x**2, ONE, skip=["default cotangent"])
    assert "slope" in report.seconds
    assert "default cotangent" not in report.seconds
