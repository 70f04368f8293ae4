"""Wrong `torch.autograd.Function`s and modules, and their correct counterparts."""

from typing import Any

import numpy as np
import torch
from torch.autograd import Function

from benchmarks.checkers.cases import Case
from tinygrad_edu.testing import check_torch

CASES: list[Case] = []
torch_rng = torch.Generator().manual_seed(0)


def draw(*shape: int, dtype: Any = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch_rng, dtype=dtype)


def case(name: str, wrong: Any, right: Any, *inputs: Any, **settings: Any) -> None:
    """Add a case of two Functions, or of two Modules."""
    programs = [cls if issubclass(cls, torch.nn.Module) else cls.apply for cls in (wrong, right)]
    CASES.append(Case(name, check_torch, *programs, inputs, settings))


# --- Inputs that need a gradient ---


class Product(Function):
    """Elementwise product."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        needs = ctx.needs_input_grad
        return g * y if needs[0] else None, g * x if needs[1] else None


class ShiftedProduct(Product):
    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        gradients = [g * other for other, needed in zip((y, x), ctx.needs_input_grad, strict=True) if needed]
        return (*gradients, *[None] * (2 - len(gradients)))


class FirstDecides(Product):
    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        return (g * y, g * x) if ctx.needs_input_grad[0] else (None, None)


class SavesOwnOperand(Product):
    """Save the inputs that need a gradient, instead of the factors of their gradients."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(*[own for own, needed in zip((x, y), ctx.needs_input_grad, strict=True) if needed])
        return x * y

    @staticmethod
    def backward(ctx, g):
        saved = ctx.saved_tensors
        return g * saved[-1], g * saved[0]


class SwappedWeights(Product):
    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        if all(ctx.needs_input_grad):
            return g * y, g * x
        return (g * x, None) if ctx.needs_input_grad[0] else (None, g * y)


case("needs_input_grad shifts the results", ShiftedProduct, Product, draw(3, 4), draw(3, 4))
case("needs_input_grad of the first input decides for both", FirstDecides, Product, draw(3, 4), draw(3, 4))
case("saved tensors depend on needs_input_grad", SavesOwnOperand, Product, draw(3, 4), draw(3, 4))
case("wrong branch where one input needs a gradient", SwappedWeights, Product, draw(3, 4), draw(3, 4))


# --- Layouts ---


class Sine(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.sin(x)

    @staticmethod
    def backward(ctx, g):
        return g * torch.cos(*ctx.saved_tensors)


def as_contiguous(x: torch.Tensor) -> torch.Tensor:
    """Read the memory from the first element of x on, as a kernel that ignores strides does."""
    available = x.untyped_storage().nbytes() // x.element_size() - x.storage_offset()
    return torch.from_numpy(np.resize(x.detach().as_strided((available,), (1,)).numpy(), x.shape))


class ReadsAsContiguous(Sine):
    @staticmethod
    def backward(ctx, g):
        return as_contiguous(g) * torch.cos(*ctx.saved_tensors)


class OneValueForStrideZero(Sine):
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        is_expanded = g.numel() > 1 and not any(g.stride())
        return torch.cos(x) if is_expanded else g * torch.cos(x)  # true for y.sum(), not for 3 * y.sum()


class InputReadAsContiguous(Sine):
    @staticmethod
    def backward(ctx, g):
        return g * torch.cos(as_contiguous(*ctx.saved_tensors))


class FortranTransposed(Sine):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.sin(x if x.is_contiguous() or x.ndim != 2 else x.flip(0))


case("grad_output read as contiguous memory", ReadsAsContiguous, Sine, draw(3, 4))
case("an expanded grad_output counts as ones", OneValueForStrideZero, Sine, draw(3, 4))
case("saved input read as contiguous memory", InputReadAsContiguous, Sine, draw(3, 4))
case("transposed input computed in another order", FortranTransposed, Sine, draw(3, 4))


# --- Several outputs ---


class SineAndSquare(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        ctx.set_materialize_grads(False)
        return torch.sin(x), x * x

    @staticmethod
    def backward(ctx, g, h):
        (x,) = ctx.saved_tensors
        return (0 if g is None else g * torch.cos(x)) + (0 if h is None else h * 2 * x)


class DropsBoth(SineAndSquare):
    @staticmethod
    def backward(ctx, g, h):
        (x,) = ctx.saved_tensors
        return None if g is None or h is None else g * torch.cos(x) + h * 2 * x


class ForgetsNone(SineAndSquare):
    @staticmethod
    def backward(ctx, g, h):
        (x,) = ctx.saved_tensors
        return g * torch.cos(x) + h * 2 * x


case("a None cotangent drops both terms", DropsBoth, SineAndSquare, draw(3, 4))
case("a None cotangent raises", ForgetsNone, SineAndSquare, draw(3, 4))


# --- State and memory ---


class StateOnClass(Sine):
    @staticmethod
    def forward(ctx, x):
        StateOnClass.saved = x
        return torch.sin(x)

    @staticmethod
    def backward(ctx, g):
        return g * torch.cos(StateOnClass.saved)


class SharedBuffer(Sine):
    buffer = None

    @staticmethod
    def forward(ctx, x):
        if SharedBuffer.buffer is None or (SharedBuffer.buffer.shape, SharedBuffer.buffer.dtype) != (x.shape, x.dtype):
            SharedBuffer.buffer = torch.empty_like(x)
        torch.cos(x, out=SharedBuffer.buffer)
        ctx.slope = SharedBuffer.buffer
        return torch.sin(x)

    @staticmethod
    def backward(ctx, g):
        return g * ctx.slope


class KeepsSlope(Sine):
    @staticmethod
    def forward(ctx, x):
        ctx.slope = torch.cos(x)
        return torch.sin(x)

    @staticmethod
    def backward(ctx, g):
        return g * ctx.slope


class ChangesSaved(KeepsSlope):
    @staticmethod
    def backward(ctx, g):
        return ctx.slope.mul_(g)


class WritesCotangent(Sine):
    @staticmethod
    def backward(ctx, g):
        return g.mul_(torch.cos(*ctx.saved_tensors))


class WritesInput(Sine):
    @staticmethod
    def forward(ctx, x):
        x.data.clamp_(-1, 1)
        ctx.save_for_backward(x)
        return torch.sin(x)


class Clamped(Sine):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.sin(x.clamp(-1, 1))

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * torch.cos(x.clamp(-1, 1)) * (x.abs() < 1)


class Layer(torch.nn.Module):
    """Elementwise product with a weight."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.linspace(-1, 1, 4))

    def forward(self, x):
        return Product.apply(x, self.weight.expand_as(x))


class RemembersInput(Layer):
    def forward(self, x):
        layer = self

        class Remembering(Function):
            @staticmethod
            def forward(ctx, x, weight):
                layer.last = x
                return x * weight

            @staticmethod
            def backward(ctx, g):
                return g * layer.weight, (g * layer.last).sum(0)

        return Remembering.apply(x, self.weight)


case("class attribute overwritten by a later call", StateOnClass, Sine, draw(3, 4))
case("buffer reused by a later call", SharedBuffer, KeepsSlope, draw(3, 4))
case("saved tensor changed in place", ChangesSaved, KeepsSlope, draw(3, 4))
case("cotangent written into", WritesCotangent, Sine, draw(3, 4))
case("input written into", WritesInput, Clamped, 0.4 * draw(3, 4) + 1.2 * torch.eye(3, 4, dtype=torch.float64))
case("module attribute overwritten by a later call", RemembersInput, Layer, draw(3, 4))


# --- Dtypes and complex numbers ---


class SlopeOfFloat32(Sine):
    @staticmethod
    def backward(ctx, g):
        return g * torch.cos(*ctx.saved_tensors) * (1.001 if g.dtype == torch.float32 else 1)


class SlopeOfBFloat16(Sine):
    @staticmethod
    def backward(ctx, g):
        return g * torch.cos(*ctx.saved_tensors) * (1.1 if g.dtype == torch.bfloat16 else 1)


class Float32Inside(Sine):
    @staticmethod
    def backward(ctx, g):
        return (g.float() * torch.cos(ctx.saved_tensors[0].float())).to(g.dtype)


class ComplexSquare(Function):
    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return z * z

    @staticmethod
    def backward(ctx, g):
        return g * (2 * ctx.saved_tensors[0]).conj()


class NotConjugated(ComplexSquare):
    @staticmethod
    def backward(ctx, g):
        return g * 2 * ctx.saved_tensors[0]


case("wrong in float32 only", SlopeOfFloat32, Sine, draw(3, 4))
case("wrong in bfloat16 only", SlopeOfBFloat16, Sine, draw(3, 4))
case("computed in float32 for float64", Float32Inside, Sine, draw(3, 4))
case("conjugation missing", NotConjugated, ComplexSquare, draw(3, 4, dtype=torch.complex128))


# --- The cotangent and broadcasting ---


class ClipsCotangent(Sine):
    @staticmethod
    def backward(ctx, g):
        return g.clamp(-1, 1) * torch.cos(*ctx.saved_tensors)


class AddBias(Function):
    @staticmethod
    def forward(ctx, x, b):
        return x + b

    @staticmethod
    def backward(ctx, g):
        return g, g.sum(1, keepdim=True)


class BiasOfOtherAxis(AddBias):
    @staticmethod
    def backward(ctx, g):
        return g, g.sum(0).unsqueeze(1)


class BiasMean(AddBias):
    @staticmethod
    def backward(ctx, g):
        return g, g.mean(1, keepdim=True)


case("cotangent clipped", ClipsCotangent, Sine, draw(3, 4))
case("sum over the wrong broadcast axis", BiasOfOtherAxis, AddBias, draw(3, 3), draw(3, 1))
case("mean over a broadcast axis", BiasMean, AddBias, draw(3, 4), draw(3, 1))


# --- Second derivatives ---


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * g * x * x


class DetachedCube(Cube):
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * g * x.detach() ** 2


class NumPyCube(Cube):
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return torch.from_numpy(3 * g.detach().numpy() * x.detach().numpy() ** 2)


class SavedSlope(Cube):
    @staticmethod
    def forward(ctx, x):
        ctx.slope = 3 * x * x
        return x**3

    @staticmethod
    def backward(ctx, g):
        return g * ctx.slope


case("second derivative of a detached value", DetachedCube, Cube, draw(3, 4), order=2)
case("backward in NumPy, without once_differentiable", NumPyCube, Cube, draw(3, 4), order=2)
case("slope saved as a constant", SavedSlope, Cube, draw(3, 4), order=2)


# --- Forward mode and batching ---


class Sigmoid(Function):
    @staticmethod
    def forward(x):
        return torch.sigmoid(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)
        ctx.save_for_forward(output)

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * y * (1 - y)

    @staticmethod
    def jvp(ctx, tangent):
        (y,) = ctx.saved_tensors
        return tangent * y * (1 - y)

    @staticmethod
    def vmap(info, in_dims, x):
        return Sigmoid.apply(x), in_dims[0]


class WrongTangent(Sigmoid):
    @staticmethod
    def jvp(ctx, tangent):
        return tangent * ctx.saved_tensors[0]


class RowSum(Function):
    """Sum over the first axis of each sample, times the sample."""

    @staticmethod
    def forward(x):
        return x * x.sum(0, keepdim=True)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x.sum(0, keepdim=True) + (g * x).sum(0, keepdim=True)

    @staticmethod
    def vmap(info, in_dims, x):
        x = x.movedim(in_dims[0], 0)
        return x * x.sum(1, keepdim=True), 0


class BatchAxisSummed(RowSum):
    @staticmethod
    def vmap(info, in_dims, x):
        return x * x.sum(0, keepdim=True), in_dims[0]


class BatchedBackward(RowSum):
    """The vmap method returns a Function whose backward is wrong."""

    @staticmethod
    def vmap(info, in_dims, x):
        x = x.movedim(in_dims[0], 0)
        return x * x.sum(1, keepdim=True).detach(), 0


case("wrong jvp", WrongTangent, Sigmoid, draw(3, 4))
case("wrong vmap: sum over the batch", BatchAxisSummed, RowSum, draw(3, 4))
case("wrong gradient inside vmap", BatchedBackward, RowSum, draw(3, 4))
