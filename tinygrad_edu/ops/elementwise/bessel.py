"""Bessel functions of orders 0 and 1, with SciPy's values (extra ``scipy``).

A derivative of `i0e` or `i1e` is a difference, whose relative error grows with x: about 1e-16 * x for the first one.
"""

from __future__ import annotations

from typing import Any

from tinygrad_edu.engine import Array, Tensor, TensorLike, op
from tinygrad_edu.ops.elementwise.arithmetic import sign
from tinygrad_edu.ops.scipy_values import of_scipy

__all__ = [
    "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "i0", "i0e", "i1", "i1e", "modified_bessel_k0",
    "modified_bessel_k1",
]  # fmt: skip

# SciPy's function of any order, and the factors of the orders n - 1 and n + 1 in twice the derivative of the order n.
_KINDS = {"j": ("jv", 1, -1), "y": ("yn", 1, -1), "i": ("iv", 1, 1), "ie": ("ive", 1, 1), "k": ("kn", -1, -1)}


@op(name="bessel", batching="elementwise")
def bessel_of_order(x: Array, /, kind: str, order: int) -> Array:
    """Return the Bessel function of a kind and an order n >= 0: "j", "y", "i", "k", or "ie" for exp(-abs(x)) * "i"."""
    if order < 2:
        return of_scipy(f"{kind[0]}{order}{kind[1:]}", "a Bessel function", x)
    return of_scipy(_KINDS[kind][0], "a Bessel function", x, order)


def _bessel_slope(x: Any, kind: str, order: int) -> Any:
    """Return the derivative, https://dlmf.nist.gov/10.6.E1 and https://dlmf.nist.gov/10.29.E1."""
    _, lower, upper = _KINDS[kind]
    above = bessel_of_order(x, kind, order + 1)
    slope = upper * above if order == 0 else 0.5 * (lower * bessel_of_order(x, kind, order - 1) + upper * above)
    return slope - sign(x) * bessel_of_order(x, kind, order) if kind == "ie" else slope


bessel_of_order.vjps(x=lambda g, x, kind, order: g * _bessel_slope(x, kind, order))


def bessel_j0(x: TensorLike) -> Tensor | Array:
    """Return the Bessel function of the first kind of order 0."""
    return bessel_of_order(x, "j", 0)


def bessel_j1(x: TensorLike) -> Tensor | Array:
    """Return the Bessel function of the first kind of order 1."""
    return bessel_of_order(x, "j", 1)


def bessel_y0(x: TensorLike) -> Tensor | Array:
    """Return the Bessel function of the second kind of order 0: -inf at 0, and NaN for x < 0."""
    return bessel_of_order(x, "y", 0)


def bessel_y1(x: TensorLike) -> Tensor | Array:
    """Return the Bessel function of the second kind of order 1: -inf at 0, and NaN for x < 0."""
    return bessel_of_order(x, "y", 1)


def i0(x: TensorLike) -> Tensor | Array:
    """Return the modified Bessel function of the first kind of order 0."""
    return bessel_of_order(x, "i", 0)


def i0e(x: TensorLike) -> Tensor | Array:
    """Return exp(-abs(x)) * i0(x), which does not overflow. At 0 the gradient is 0, as in PyTorch."""
    return bessel_of_order(x, "ie", 0)


def i1(x: TensorLike) -> Tensor | Array:
    """Return the modified Bessel function of the first kind of order 1."""
    return bessel_of_order(x, "i", 1)


def i1e(x: TensorLike) -> Tensor | Array:
    """Return exp(-abs(x)) * i1(x), which does not overflow."""
    return bessel_of_order(x, "ie", 1)


def modified_bessel_k0(x: TensorLike) -> Tensor | Array:
    """Return the modified Bessel function of the second kind of order 0: inf at 0, and NaN for x < 0."""
    return bessel_of_order(x, "k", 0)


def modified_bessel_k1(x: TensorLike) -> Tensor | Array:
    """Return the modified Bessel function of the second kind of order 1: inf at 0, and NaN for x < 0."""
    return bessel_of_order(x, "k", 1)
