"""autograd.Functions: activations, losses, layers, with their vmap and jvp rules."""

import torch
from torch.autograd import Function

from benchmarks.checkers.stranger.pair import pair

torch.manual_seed(0)
x5, m43, m34 = torch.randn(5).double(), torch.randn(4, 3).double(), torch.randn(3, 4).double()


@pair("torch", "dropped term", "swish with a learned beta: beta's gradient lacks x", x5, torch.tensor(1.3).double())
def _(wrong):
    class Swish(Function):
        @staticmethod
        def forward(ctx, x, beta):
            ctx.save_for_backward(x, beta)
            return x * torch.sigmoid(beta * x)

        @staticmethod
        def backward(ctx, g):
            x, beta = ctx.saved_tensors
            s = torch.sigmoid(beta * x)
            d_beta = g * x * s * (1 - s) * (1 if wrong else x)
            return g * (s + beta * x * s * (1 - s)), d_beta.sum()

    return Swish.apply


@pair("torch", "second derivative", "softplus: sigmoid is saved from a detached input", x5)
def _(wrong):
    class Softplus(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return torch.nn.functional.softplus(x)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * torch.sigmoid(x.detach() if wrong else x)

    return Softplus.apply


@pair("torch", "second derivative", "exponential: the result is kept on ctx instead of saved", x5)
def _(wrong):
    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.y = y.detach()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, g):
            return g * (ctx.y if wrong else ctx.saved_tensors[0])

    return Exp.apply


@pair("torch", "second derivative", "normalization: the norm is a Python float in backward", x5)
def _(wrong):
    class Normalize(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x / x.norm()

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            n = x.norm().item() if wrong else x.norm()
            return g / n - x * (g * x).sum() / n**3

    return Normalize.apply


@pair("torch", "second derivative", "double backward of a cube has the factor 3", x5)
def _(wrong):
    class CubeBackward(Function):
        @staticmethod
        def forward(ctx, x, g):
            ctx.save_for_backward(x, g)
            return 3 * x**2 * g

        @staticmethod
        def backward(ctx, gg):
            x, g = ctx.saved_tensors
            return (3 if wrong else 6) * x * g * gg, 3 * x**2 * gg

    class Cube(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            return CubeBackward.apply(ctx.saved_tensors[0], g)

    return Cube.apply


@pair("torch", "normalization", "label smoothing: the gradient smooths over K - 1 classes", m43)
def _(wrong):
    labels, eps = torch.tensor([0, 2, 1, 2]), 0.2

    class SmoothCrossEntropy(Function):
        @staticmethod
        def forward(ctx, z):
            ctx.save_for_backward(z)
            logp = torch.log_softmax(z, 1)
            return -((1 - eps) * logp[range(4), labels] + eps * logp.mean(1)).mean()

        @staticmethod
        def backward(ctx, g):
            (z,) = ctx.saved_tensors
            target = torch.full_like(z, eps / (2 if wrong else 3))
            target[range(4), labels] += 1 - eps
            return g * (torch.softmax(z, 1) * target.sum(1, keepdim=True) - target) / 4

    return SmoothCrossEntropy.apply


@pair("torch", "dropped term", "layer norm: no mean of the cotangent", m43)
def _(wrong):
    class LayerNorm(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return (x - x.mean(1, True)) / (x.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            s = (x.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
            y = (x - x.mean(1, True)) / s
            d = g - y * (g * y).mean(1, True)
            return (d if wrong else d - g.mean(1, True)) / s

    return LayerNorm.apply


@pair("torch", "vmap", "a row sum with a vmap rule that ignores in_dims", m43)
def _(wrong):
    class RowSum(Function):
        @staticmethod
        def forward(x):
            return x.sum(-1) ** 2

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return (2 * g * x.sum(-1)).unsqueeze(-1).expand_as(x)

        @staticmethod
        def vmap(info, in_dims, x):
            x = x if wrong else x.movedim(in_dims[0], 0)
            return RowSum.apply(x), in_dims[0] if wrong else 0

    return RowSum.apply


@pair("torch", "vmap", "an outer product whose vmap rule puts the batch where it was in a", x5, m43[0])
def _(wrong):
    class Outer(Function):
        @staticmethod
        def forward(a, b):
            return a.unsqueeze(-1) * b.unsqueeze(-2)

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            return (g * b.unsqueeze(-2)).sum(-1), (g * a.unsqueeze(-1)).sum(-2)

        @staticmethod
        def vmap(info, in_dims, a, b):
            a = a.movedim(in_dims[0], 0) if in_dims[0] is not None else a.expand(info.batch_size, *a.shape)
            b = b.movedim(in_dims[1], 0) if in_dims[1] is not None else b.expand(info.batch_size, *b.shape)
            return Outer.apply(a, b), (in_dims[0] or 0) if wrong else 0

    return Outer.apply


@pair("torch", "jvp", "tanh: backward is right, jvp is not", x5, forward=True)
def _(wrong):
    class Tanh(Function):
        @staticmethod
        def forward(x):
            return x.tanh()

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(output)
            ctx.save_for_forward(output)

        @staticmethod
        def backward(ctx, g):
            return g * (1 - ctx.saved_tensors[0] ** 2)

        @staticmethod
        def jvp(ctx, t):
            y = ctx.saved_tensors[0]
            return t * (1 - y if wrong else 1 - y**2)

    return Tanh.apply


@pair("torch", "jvp", "a matrix product: jvp has one of the two terms", m43, m34, forward=True)
def _(wrong):
    class MatMul(Function):
        @staticmethod
        def forward(a, b):
            return a @ b

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

        @staticmethod
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            return g @ b.T, a.T @ g

        @staticmethod
        def jvp(ctx, da, db):
            a, b = ctx.saved_tensors
            return da @ b if wrong else da @ b + a @ db

    return MatMul.apply


@pair(
    "torch",
    "ties",
    "max pooling by a mask: all of equal maxima get the cotangent",
    torch.tensor([1.0, 3.0, 3.0, 2.0, 5.0, 4.0]).double(),
)
def _(wrong):
    class MaxPool(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.view(-1, 3).amax(1)

        @staticmethod
        def backward(ctx, g):
            rows = ctx.saved_tensors[0].view(-1, 3)
            mask = (rows == rows.amax(1, True)).double()
            if not wrong:
                mask = mask / mask.sum(1, True)
            return (mask * g[:, None]).view(-1)

    return MaxPool.apply


@pair(
    "torch",
    "ties",
    "clamp between two tensors: x and the bound both get the cotangent",
    torch.tensor([0.5, 1.0, 2.0, -3.0]).double(),
    torch.ones(4).double(),
)
def _(wrong):
    class ClampMax(Function):
        @staticmethod
        def forward(ctx, x, bound):
            ctx.save_for_backward(x, bound)
            return torch.minimum(x, bound)

        @staticmethod
        def backward(ctx, g):
            x, bound = ctx.saved_tensors
            return g * (x <= bound), g * (bound <= x if wrong else bound < x)

    return ClampMax.apply
