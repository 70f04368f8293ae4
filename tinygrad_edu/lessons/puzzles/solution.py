"""Thirty vjp puzzles. Each forward is plain NumPy; write the vjps, from the gradient of the result to an input's.

Replace the dots. `g` is the gradient of the result and has its shape; a vjp returns the gradient of its input, in the
input's shape. After g, name the values you need: an input, `out` (the result), `x_shape` (the shape of x), a setting.
"""

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import op

# --- Elementwise ops. With broadcasts=True, the engine sums your gradient to the shape of the input ---


# 1. x + y. How much does the sum grow when x grows a little?
@op(broadcasts=True)
def add(x, y):
    return np.add(x, y)


# hole: add
add.vjps(x=lambda g: g, y=lambda g: g)
# end


# 2. x - y. What is different for y?
@op(broadcasts=True)
def subtract(x, y):
    return np.subtract(x, y)


# hole: subtract
subtract.vjps(x=lambda g: g, y=lambda g: -g)
# end


# 3. x * y. Each vjp needs a value of the forward: which one?
@op(broadcasts=True)
def multiply(x, y):
    return np.multiply(x, y)


# hole: multiply
multiply.vjps(x=lambda g, y: g * y, y=lambda g, x: g * x)
# end


# 4. x / y. It is linear in x, but not in y.
@op(broadcasts=True)
def divide(x, y):
    return np.divide(x, y)


# hole: divide
divide.vjps(x=lambda g, y: g / y, y=lambda g, out, y: -g * out / y)
# end


# 5. eˣ. The cheapest vjp computes no exponential.
@op
def exp(x):
    return np.exp(x)


# hole: exp
exp.vjps(x=lambda g, out: g * out)
# end


# 6. The natural logarithm.
@op
def log(x):
    return np.log(x)


# hole: log
log.vjps(x=lambda g, x: g / x)
# end


# 7. The square root, from x or from the result.
@op
def sqrt(x):
    return np.sqrt(x)


# hole: sqrt
sqrt.vjps(x=lambda g, out: g / (2 * out))
# end


# 8. The hyperbolic tangent, from its result.
@op
def tanh(x):
    return np.tanh(x)


# hole: tanh
tanh.vjps(x=lambda g, out: g * (1 - out**2))
# end


# 9. The logistic sigmoid, from its result.
@op
def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# hole: sigmoid
sigmoid.vjps(x=lambda g, out: g * out * (1 - out))
# end


# 10. |x|. At 0 it has a kink: any slope from -1 to 1 is accepted there, but not NaN.
@op
def absolute(x):
    return np.abs(x)


# hole: absolute
absolute.vjps(x=lambda g, x: g * np.sign(x))
# end


# 11. The larger of x and y. For ties, pass all of g to one input, or a part to each; the sum must be g.
@op(broadcasts=True)
def maximum(x, y):
    return np.maximum(x, y)


# hole: maximum
maximum.vjps(x=lambda g, x, y: g * (1 + np.sign(x - y)) / 2, y=lambda g, x, y: g * (1 + np.sign(y - x)) / 2)
# end


# 12. x where the mask is true, y elsewhere. What is the gradient of an element that was not chosen?
@op(broadcasts=True)
def choose(x, y, *, mask):
    return np.where(mask, x, y)


# hole: choose
choose.vjps(x=lambda g, mask: tg.where(mask, g, 0.0), y=lambda g, mask: tg.where(mask, 0.0, g))
# end


# --- Along axes. From here on, g may have another shape than x ---


# 13. The sum over one axis. Each element is in one sum: which element of g belongs to it?
@op
def total(x, *, axis):
    return np.sum(x, axis=axis)


# hole: total
total.vjps(x=lambda g, x_shape, axis: tg.broadcast_to(tg.expand_dims(g, axis), x_shape))
# end


# 14. The mean over one axis.
@op
def mean(x, *, axis):
    return np.mean(x, axis=axis)


# hole: mean
mean.vjps(x=lambda g, x_shape, axis: tg.broadcast_to(tg.expand_dims(g, axis), x_shape) / x_shape[axis])
# end


# 15. A column of shape (n, 1), copied to shape (copies, n, width). Here the engine does not sum for you.
@op
def spread(x, *, copies, width):
    return np.broadcast_to(x, (copies, len(x), width))


# hole: spread
spread.vjps(x=lambda g, x_shape: g.sum(axis=(0, 2)).reshape(x_shape))
# end


# 16. The same elements, in another shape.
@op
def reshape(x, *, shape):
    return np.reshape(x, shape)


# hole: reshape
reshape.vjps(x=lambda g, x_shape: tg.reshape(g, x_shape))
# end


# 17. The axes in another order, such as (2, 0, 1). What is the inverse order?
@op
def transpose(x, *, axes):
    return np.transpose(x, axes)


# hole: transpose
transpose.vjps(x=lambda g, axes: tg.transpose(g, np.argsort(axes)))
# end


# 18. All elements of a row except the first. What is the gradient of the first?
@op
def rest(x):
    return x[1:]


# hole: rest
rest.vjps(x=lambda g: tg.pad(g, (1, 0)))
# end


# 19. Rows of a matrix, by index, such as [2, 0, 2]. A row that is taken twice receives two contributions.
@op
def rows(x, *, index):
    return x[index]


# hole: rows
rows.vjps(x=lambda g, x_shape, index: np.eye(x_shape[0])[index].T @ g)
# end


# 20. Cumulative sums: x₀, x₀ + x₁, ... How many of them contain the last element, and how many the first?
@op
def cumsum(x):
    return np.cumsum(x)


# hole: cumsum
cumsum.vjps(x=lambda g: tg.flip(tg.cumsum(tg.flip(g))))
# end


# 21. Each row (the last axis) minus its mean. Each element of a row affects all results of the row.
@op
def centre(x):
    return x - np.mean(x, axis=-1, keepdims=True)


# hole: centre
centre.vjps(x=lambda g: g - g.mean(axis=-1, keepdims=True))
# end


# 22. log Σ eˣ over the last axis, without overflow. Its derivative has a name.
@op
def logsumexp(x):
    top = np.max(x, axis=-1, keepdims=True)
    return np.log(np.sum(np.exp(x - top), axis=-1)) + top[..., 0]


# hole: logsumexp
logsumexp.vjps(x=lambda g, x, out: g[..., None] * tg.exp(x - out[..., None]))
# end


# 23. The softmax over the last axis, from its result. Each element of a row affects all results of the row.
@op
def softmax(x):
    powers = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return powers / np.sum(powers, axis=-1, keepdims=True)


# hole: softmax
softmax.vjps(x=lambda g, out: out * (g - (g * out).sum(axis=-1, keepdims=True)))
# end


# 24. Each row divided by its norm, x / ‖x‖. Scaling x changes nothing: the gradient is orthogonal to x.
@op
def normalise(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


# hole: normalise
normalise.vjps(
    x=lambda g, x, out: (g - out * (g * out).sum(axis=-1, keepdims=True)) / tg.linalg.norm(x, axis=-1, keepdims=True)
)
# end


# --- Matrices ---


# 25. The product of two matrices. The shapes leave little choice.
@op
def matmul(x, y):
    return x @ y


# hole: matmul
matmul.vjps(x=lambda g, y: g @ y.T, y=lambda g, x: x.T @ g)
# end


# 26. Products of stacks of matrices, of shapes (..., n, m) and (..., m, k). The leading axes broadcast.
@op(broadcasts=True)
def stacked_matmul(x, y):
    return x @ y


# hole: stacked_matmul
stacked_matmul.vjps(x=lambda g, y: g @ y.mT, y=lambda g, x: x.mT @ g)
# end


# 27. out[i] = Σⱼ x[i + j] w[j], a correlation in one dimension. It is linear in x, and linear in w.
@op
def correlate(x, w):
    return np.correlate(x, w, "valid")


# hole: correlate
correlate.vjps(x=lambda g, w: correlate(tg.pad(g, len(w) - 1), tg.flip(w)), w=lambda g, x: correlate(x, g))
# end


# 28. log |det x|, a scalar. A small step dx changes it by trace(x⁻¹ dx).
@op
def logdet(x):
    return np.linalg.slogdet(x)[1]


# hole: logdet
logdet.vjps(x=lambda g, x: g * tg.linalg.inv(x).T)
# end


# 29. The inverse of a matrix. From x x⁻¹ = 1 follows d(x⁻¹) = -x⁻¹ dx x⁻¹.
@op
def inverse(x):
    return np.linalg.inv(x)


# hole: inverse
inverse.vjps(x=lambda g, out: -out.T @ g @ out.T)
# end


# 30. a⁻¹ b, without computing the inverse, for stacks (..., n, n) and (..., n, k) whose leading axes broadcast. A vjp
# may call the op itself.
@op(broadcasts=True)
def solve(a, b):
    return np.linalg.solve(a, b)


# hole: solve
solve.vjps(a=lambda g, a, out: -solve(a.mT, g) @ out.mT, b=lambda g, a: solve(a.mT, g))
# end
