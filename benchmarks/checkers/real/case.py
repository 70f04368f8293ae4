"""A function of a library, the points at which it is checked, and the judgement of its alarms.

A module of this folder has the cases of one library, and the judged alarms: ``CASES`` and ``JUDGED``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.testing import check_gradient, check_jax, check_torch

Array = np.ndarray[Any, Any]
KINDS = "ordinary", "edge", "special"


@dataclass(frozen=True)
class Domain:
    """The open interval from which a function takes its numbers, and the shape of its argument.

    `special` are exact numbers, drawn with repeats. Default: those of 0, 1, 2, 3, -1, -2, 0.5 in the domain.
    """

    low: float = -np.inf
    high: float = np.inf
    shape: tuple[int, ...] = (4,)
    special: tuple[float, ...] = ()

    def __getitem__(self, shape: int | tuple[int, ...]) -> "Domain":
        """Return the domain with another shape: ``REAL[2, 3]``; ``REAL[()]`` is a number."""
        return Domain(self.low, self.high, shape if isinstance(shape, tuple) else (shape,), self.special)

    def draw(self, rng: np.random.Generator, kind: str) -> Array:
        """Draw an array: ordinary numbers, numbers near the ends of the domain, or exact and repeated numbers."""
        if kind == "special":
            numbers = self.special or tuple(x for x in (0, 1, 2, 3, -1, -2, 0.5) if self.low < x < self.high)
            return rng.choice(np.array(numbers or [(self.low + self.high) / 2], float), self.shape)
        if np.isfinite(self.high) and np.isfinite(self.low):
            part = rng.random(self.shape) if kind == "ordinary" else 10 ** rng.uniform(-7, -1, self.shape)
            from_high = rng.random(self.shape) < 0.5
            return np.where(
                from_high, self.high - part * (self.high - self.low), self.low + part * (self.high - self.low)
            )
        if np.isinf(self.low) and np.isinf(self.high):
            size = rng.standard_normal(self.shape)
            return size if kind == "ordinary" else np.copysign(10 ** rng.uniform(-7, 2.5, self.shape), size)
        size = np.exp(rng.standard_normal(self.shape)) if kind == "ordinary" else 10 ** rng.uniform(-7, 2.5, self.shape)
        return self.low + size if np.isfinite(self.low) else self.high - size


REAL, POSITIVE, UNIT, SIGNED_UNIT = Domain(), Domain(0.0), Domain(0.0, 1.0), Domain(-1.0, 1.0)


class Case(NamedTuple):
    """A function of a library. `check` draws a point of one of the KINDS with the generator, and runs the check."""

    name: str
    check: Callable[[np.random.Generator, str], Any]


class Judged(NamedTuple):
    """Why a case raises an alarm: a "finding" (in docs/found.md), a "convention", "accuracy", or our "fault".

    "accuracy" is a function with fewer correct digits than its dtype: its derivative is right to these digits.
    """

    verdict: str
    reason: str


def elementwise(name: str, f: Callable[..., Any], derivative: Callable[..., Any], domain: Domain = REAL) -> Case:
    """Check the derivative of an elementwise function."""
    return Case(
        name,
        lambda rng, kind: check_gradient(f, lambda x, cotangent: cotangent * derivative(x), domain.draw(rng, kind)),
    )


def gradient(name: str, f: Callable[..., Any], grad: Callable[..., Any], *domains: Domain) -> Case:
    """Check the gradient of a function whose value is a number, with the structure of its arguments."""
    return Case(name, lambda rng, kind: check_gradient(f, grad, *[domain.draw(rng, kind) for domain in domains]))


def jacobian(name: str, f: Callable[..., Any], jac: Callable[..., Any], *domains: Domain) -> Case:
    """Check a Jacobian, or a Hessian if `f` is a gradient."""
    return Case(
        name, lambda rng, kind: check_gradient(f, None, *[domain.draw(rng, kind) for domain in domains], jacobian=jac)
    )


def jax(name: str, f: Callable[..., Any], *domains: Domain, **options: Any) -> Case:
    """Check JAX's gradients of a function, with options of `check_jax`."""
    return Case(name, lambda rng, kind: check_jax(f, *[domain.draw(rng, kind) for domain in domains], **options))


def torch(name: str, f: Callable[..., Any], *domains: Domain, **options: Any) -> Case:
    """Check PyTorch's gradients of a function, in float64, with options of `check_torch`."""
    return Case(name, lambda rng, kind: check_torch(f, *_tensors(rng, kind, domains), **options))


def _tensors(rng: np.random.Generator, kind: str, domains: tuple[Domain, ...]) -> list[Any]:
    from torch import from_numpy

    return [from_numpy(np.asarray(domain.draw(rng, kind))) for domain in domains]
