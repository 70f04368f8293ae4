"""Held out: wrong `torch.autograd.Function`s, and their correct counterparts."""

from typing import Any

import torch
from torch.autograd import Function

from benchmarks.checkers.cases import Case
from benchmarks.checkers.framework_rules.torch_functions import Product, SineAndSquare, as_contiguous, draw
from tinygrad_edu.testing import check_torch


class Affine(Function):
    """x @ w, with a shared product for both gradients."""

    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return torch.tanh(x @ w)

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        inner = g * (1 - torch.tanh(x @ w) ** 2)
        return inner @ w.T, x.T @ inner


class SharedProductOfFirst(Affine):
    """The shared product is computed for the gradient of x only."""

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        inner, of_x = g, None
        if ctx.needs_input_grad[0]:
            inner = g * (1 - torch.tanh(x @ w) ** 2)
            of_x = inner @ w.T
        return of_x, x.T @ inner


class Scaled(Function):
    """Twice the input, in memory of its own."""

    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, g):
        return 2 * g


class AssumesChannelsLast(Scaled):
    """A cotangent of images that is not contiguous counts as one with the channels last."""

    @staticmethod
    def backward(ctx, g):
        if g.ndim == 4 and not g.is_contiguous():
            n, c, h, w = g.shape
            return 2 * as_contiguous(g).reshape(n, h, w, c).permute(0, 3, 1, 2)
        return 2 * g


class IgnoresStorageOffset(Function):
    """The saved input is read from the start of its storage."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * g * x.detach().as_strided(x.shape, x.stride(), 0)


class Square(IgnoresStorageOffset):
    @staticmethod
    def backward(ctx, g):
        return 2 * g * ctx.saved_tensors[0]


class SecondOfTwoNone(SineAndSquare):
    """A None cotangent of the second output only is handled."""

    @staticmethod
    def backward(ctx, g, h):
        (x,) = ctx.saved_tensors
        if g is None:
            return torch.zeros_like(x)
        return g * torch.cos(x) + (0 if h is None else h * 2 * x)


class CacheByShape(Square):
    cache: dict[Any, torch.Tensor] = {}  # noqa: RUF012

    @staticmethod
    def forward(ctx, x):
        CacheByShape.cache[x.shape, x.dtype] = x.detach().clone()
        return x * x

    @staticmethod
    def backward(ctx, g):
        return 2 * g * CacheByShape.cache[g.shape, g.dtype]


class DividesByCotangent(Square):
    """A factor is found by a division by the cotangent, which may be 0."""

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * (2 * x * g / g)


class DetachedCotangent(Square):
    @staticmethod
    def backward(ctx, g):
        return 2 * g.detach() * ctx.saved_tensors[0]


class RowNorm(Function):
    """Divide each row by its sum of squares, with a rule for batches along any axis."""

    @staticmethod
    def forward(x):
        return x / (x * x).sum(-1, keepdim=True)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        square = (x * x).sum(-1, keepdim=True)
        return g / square - 2 * x * (g * x).sum(-1, keepdim=True) / square**2

    @staticmethod
    def vmap(info, in_dims, x):
        x = x.movedim(in_dims[0], 0)
        return x / (x * x).sum(-1, keepdim=True), 0


class BatchedLastAxis(RowNorm):
    """The rule for batches moves the batch to the last axis."""

    @staticmethod
    def vmap(info, in_dims, x):
        x = x.movedim(in_dims[0], -1)
        return x / (x * x).sum(-1, keepdim=True), x.ndim - 1


class SquaredModulus(Function):
    """A real function of complex numbers."""

    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return z.real**2 + z.imag**2

    @staticmethod
    def backward(ctx, g):
        return 2 * g * ctx.saved_tensors[0]


class ConjugatedModulus(SquaredModulus):
    @staticmethod
    def backward(ctx, g):
        return 2 * g * ctx.saved_tensors[0].conj()


class HalfThreshold(Square):
    """In float16, small inputs have no gradient."""

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * g * x * (x.abs() > (0.5 if x.dtype == torch.float16 else 0))


class ScalesCotangentInPlace(Product):
    """The cotangent is scaled in place for the second gradient."""

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        of_x = g * y
        return of_x, g.mul_(x)


def case(name: str, wrong: Any, right: Any, *inputs: Any, **settings: Any) -> Case:
    return Case(name, check_torch, wrong.apply, right.apply, inputs, settings)


OFFSET = draw(5, 4)[2:]
CASES = [
    case("held-out: shared product of the first input", SharedProductOfFirst, Affine, draw(3, 4), draw(4, 2)),
    case("held-out: assumes channels last", AssumesChannelsLast, Scaled, draw(2, 3, 2, 4)),
    case("held-out: ignores the offset in the storage", IgnoresStorageOffset, Square, OFFSET),
    case("held-out: None for the first output", SecondOfTwoNone, SineAndSquare, draw(3, 4)),
    case("held-out: cache by shape", CacheByShape, Square, draw(3, 4)),
    case("held-out: division by the cotangent", DividesByCotangent, Square, draw(3, 4)),
    case("held-out: second derivative of a detached cotangent", DetachedCotangent, Square, draw(3, 4), order=2),
    case("held-out: batches on the last axis", BatchedLastAxis, RowNorm, draw(4)),
    case("held-out: conjugate of a modulus", ConjugatedModulus, SquaredModulus, draw(4, dtype=torch.complex128)),
    case("held-out: threshold in float16", HalfThreshold, Square, draw(3, 4)),
    case("held-out: cotangent scaled in place", ScalesCotangentInPlace, Product, draw(3, 4), draw(3, 4)),
]
