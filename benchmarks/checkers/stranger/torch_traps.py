"""autograd.Functions: state, layouts, broadcasting, in-place writes, scales, complex numbers."""

import torch
from torch.autograd import Function

from benchmarks.checkers.stranger.pair import pair

torch.manual_seed(1)
x5, m43, m34 = torch.randn(5).double(), torch.randn(4, 3).double(), torch.randn(3, 4).double()
spd = m34 @ m34.T + torch.eye(3).double()


@pair("torch", "state", "the mask is an attribute of the class, not of ctx", x5)
def _(wrong):
    class Relu(Function):
        mask = None

        @staticmethod
        def forward(ctx, x):
            Relu.mask = x > 0
            ctx.save_for_backward(x)
            return x.clamp(min=0)

        @staticmethod
        def backward(ctx, g):
            return g * (Relu.mask if wrong else ctx.saved_tensors[0] > 0)

    return Relu.apply


@pair("torch", "state", "backward reuses one buffer for all of its results", x5)
def _(wrong):
    buffer = torch.zeros(5).double()

    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**2

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            if not wrong or torch.is_grad_enabled():
                return 2 * x * g
            return buffer.copy_(2 * x * g)

    return Square.apply


@pair("torch", "mutation", "backward scales the cotangent in place", x5)
def _(wrong):
    class Scale(Function):
        @staticmethod
        def forward(ctx, x):
            return 3 * x

        @staticmethod
        def backward(ctx, g):
            return g.mul_(3) if wrong else g * 3

    return Scale.apply


@pair("torch", "layouts", "the gradient of a transpose is a view of the raw memory", m34)
def _(wrong):
    class Transpose(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.shape = x.shape
            return x.t().contiguous()

        @staticmethod
        def backward(ctx, g):
            if wrong:
                return g.as_strided(ctx.shape, (1, ctx.shape[0]))
            return g.t()

    return Transpose.apply


@pair(
    "torch",
    "broadcasting",
    "a scale of each channel is summed over the batch only",
    torch.randn(2, 3, 3).double(),
    torch.rand(3, 1).double(),
)
def _(wrong):
    class ChannelScale(Function):
        @staticmethod
        def forward(ctx, x, s):
            ctx.save_for_backward(x, s)
            return x * s

        @staticmethod
        def backward(ctx, g):
            x, s = ctx.saved_tensors
            ds = (g * x).sum(0)
            return g * s, ds[:, :1] if wrong else ds.sum(1, keepdim=True)

    return ChannelScale.apply


@pair("torch", "scalars", "a temperature of shape (1,): mean over the elements", x5, torch.tensor([0.8]).double())
def _(wrong):
    class Temperature(Function):
        @staticmethod
        def forward(ctx, z, t):
            ctx.save_for_backward(z, t)
            return z / t

        @staticmethod
        def backward(ctx, g):
            z, t = ctx.saved_tensors
            dt = -g * z / t**2
            return g / t, (dt.mean() if wrong else dt.sum()).reshape(1)

    return Temperature.apply


@pair("torch", "dtype", "backward computes in half precision", x5)
def _(wrong):
    class Gelu(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return 0.5 * x * (1 + torch.erf(x / 2**0.5))

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            x = x.half().to(g.dtype) if wrong else x
            return g * (0.5 * (1 + torch.erf(x / 2**0.5)) + x * torch.exp(-(x**2) / 2) / 2.506628274631)

    return Gelu.apply


@pair(
    "torch",
    "scales",
    "1 / x is guarded by an epsilon in backward only",
    torch.tensor([1e-4, 2.0, 300.0, -1e-3]).double(),
)
def _(wrong):
    class Reciprocal(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return 1 / x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return -g / (x**2 + 1e-10) if wrong else -g / x**2

    return Reciprocal.apply


@pair(
    "torch",
    "conjugate",
    "a complex product: one factor is not conjugated",
    torch.randn(3, dtype=torch.cdouble),
    torch.randn(3, dtype=torch.cdouble),
)
def _(wrong):
    class Product(Function):
        @staticmethod
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a * b

        @staticmethod
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            return g * b.conj(), g * (a if wrong else a.conj())

    return Product.apply


@pair("torch", "factor", "log-determinant of a symmetric matrix: half of the inverse off the diagonal", spd)
def _(wrong):
    class LogDet(Function):
        @staticmethod
        def forward(ctx, a):
            ctx.save_for_backward(a)
            return torch.logdet(a)

        @staticmethod
        def backward(ctx, g):
            inv = torch.linalg.inv(ctx.saved_tensors[0]).t()
            return g * (0.5 * (inv + torch.diag(inv.diagonal())) if wrong else inv)

    return LogDet.apply


@pair("torch", "unused results", "mean and variance: the variance's cotangent is lost with two results", x5)
def _(wrong):
    class Moments(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.mean(), ((x - x.mean()) ** 2).mean()

        @staticmethod
        def backward(ctx, gm, gv):
            (x,) = ctx.saved_tensors
            d = gm / x.numel() + 0 * x
            if gv.any() and not (wrong and gm.any()):
                d = d + gv * 2 * (x - x.mean()) / x.numel()
            return d

    return Moments.apply
