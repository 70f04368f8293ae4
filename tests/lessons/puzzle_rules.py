"""Vjps for the puzzles: wrong ones, each with a part of the complaint, and correct ones of other forms."""

_WRONG = "the gradient of x is wrong"
_SHAPE = "the vjp of x returned shape"

WRONG_RULES = {
    "add": [("x=lambda g: g, y=lambda g: -g", "op add: the gradient of y is wrong: its sign is flipped")],
    "subtract": [("x=lambda g: g, y=lambda g: g", "op subtract: the gradient of y is wrong: its sign is flipped")],
    "multiply": [
        ("x=lambda g, x: g * x, y=lambda g, y: g * y", _WRONG),
        ("x=lambda g, y: y, y=lambda g, x: x", _WRONG),
    ],
    "divide": [
        ("x=lambda g, y: g / y, y=lambda g, x, y: g * x / y**2", "the gradient of y is wrong"),
        ("x=lambda g, y: g / y, y=lambda g, x, y: -g * x / y", "the gradient of y is wrong"),
        ("x=lambda g, y: g * y, y=lambda g, x, y: -g * x / y**2", _WRONG),
    ],
    "exp": [("x=lambda g, x: g * x", _WRONG), ("x=lambda g, out: out", _WRONG)],
    "log": [("x=lambda g, out: g / out", _WRONG), ("x=lambda g, x: -g / x**2", _WRONG)],
    "sqrt": [("x=lambda g, out: g / out", "it is twice the correct gradient"), ("x=lambda g, x: g / (2 * x)", _WRONG)],
    "tanh": [("x=lambda g, out: g * (1 - out)", _WRONG), ("x=lambda g, x: g * (1 - x**2)", _WRONG)],
    "sigmoid": [("x=lambda g, out: g * (1 - out)", _WRONG), ("x=lambda g, x: g * x * (1 - x)", _WRONG)],
    "absolute": [
        ("x=lambda g, x: g", _WRONG),
        ("x=lambda g, out: g * np.sign(out)", _WRONG),
        ("x=lambda g, x: g * x / abs(x)", "at 0 the slope is nan"),
    ],
    "maximum": [
        (
            "x=lambda g, x, y: g * (x >= y), y=lambda g, x, y: g * (y >= x)",
            "maximum_of_x_and_x: the gradient of x is wrong",
        ),
        (
            "x=lambda g, x, y: g * (x > y), y=lambda g, x, y: g * (y > x)",
            "maximum_of_x_and_x: the gradient of x is wrong",
        ),
        ("x=lambda g: g, y=lambda g: g", "is wrong"),
    ],
    "choose": [
        ("x=lambda g: g, y=lambda g: g", "is wrong"),
        ("x=lambda g, mask: tg.where(mask, 0.0, g), y=lambda g, mask: tg.where(mask, g, 0.0)", "is wrong"),
    ],
    "total": [
        ("x=lambda g: g", _SHAPE),
        ("x=lambda g, x_shape: np.broadcast_to(g, x_shape)", ""),
    ],
    "mean": [
        ("x=lambda g, x_shape, axis: tg.broadcast_to(tg.expand_dims(g, axis), x_shape)", _WRONG),
        ("x=lambda g, x, axis: tg.broadcast_to(tg.expand_dims(g, axis), x.shape) / x.size", _WRONG),
    ],
    "spread": [
        ("x=lambda g: g", _SHAPE),
        ("x=lambda g: g[0, :, :1]", _WRONG),
        ("x=lambda g: g.mean(axis=(0, 2))[:, None]", _WRONG),
    ],
    "reshape": [("x=lambda g: g", _SHAPE)],
    "transpose": [("x=lambda g, axes: tg.transpose(g, axes)", "of x"), ("x=lambda g: g", "of x")],
    "rest": [
        ("x=lambda g: g", _SHAPE),
        ("x=lambda g: tg.pad(g, (0, 1))", _WRONG),
        ("x=lambda g: tg.concatenate([g[:1], g])", _WRONG),
    ],
    "rows": [
        ("x=lambda g, x_shape, index: np.eye(x_shape[0])[index] @ g", ""),
        ("x=lambda g, x_shape, index: np.eye(x_shape[0])[list(dict.fromkeys(index))].T @ g[:len(set(index))]", _WRONG),
        ("x=lambda g: g", "of x"),
    ],
    "cumsum": [
        ("x=lambda g: tg.cumsum(g)", _WRONG),
        ("x=lambda g: tg.flip(tg.cumsum(g))", _WRONG),
        ("x=lambda g: g", _WRONG),
    ],
    "centre": [("x=lambda g: g", _WRONG), ("x=lambda g: g - g.mean()", _WRONG), ("x=lambda g: 0 * g", "it is zero")],
    "logsumexp": [
        ("x=lambda g, x: g[..., None] * tg.exp(x)", _WRONG),
        ("x=lambda g, x, out: tg.exp(x - out[..., None])", _WRONG),
        ("x=lambda g, x: g * tg.softmax(x, axis=-1)", ""),
    ],
    "softmax": [
        ("x=lambda g, out: g * out * (1 - out)", _WRONG),
        ("x=lambda g, out: out * (g - g.sum(axis=-1, keepdims=True))", _WRONG),
        ("x=lambda g, out: out * (g - (g * out).sum())", _WRONG),
    ],
    "normalise": [
        ("x=lambda g, x: g / tg.linalg.norm(x, axis=-1, keepdims=True)", _WRONG),
        ("x=lambda g, out: g - out * (g * out).sum(axis=-1, keepdims=True)", _WRONG),
        (
            "x=lambda g, x: (g - x * (g * x).sum(axis=-1, keepdims=True)) / tg.linalg.norm(x, axis=-1, keepdims=True)",
            _WRONG,
        ),
    ],
    "matmul": [
        ("x=lambda g, y: g @ y, y=lambda g, x: x @ g", ""),
        ("x=lambda g, y: y.T @ g, y=lambda g, x: g @ x.T", ""),
        ("x=lambda g, y: g @ y.T, y=lambda g, x: g.T @ x", "of y "),
    ],
    "stacked_matmul": [
        ("x=lambda g, y: g @ y.T, y=lambda g, x: x.T @ g", ""),
        ("x=lambda g, y: g @ y.mT, y=lambda g, x: g.mT @ x", "of y"),
    ],
    "correlate": [
        ("x=lambda g, w: correlate(tg.pad(g, len(w) - 1), w), w=lambda g, x: correlate(x, g)", _WRONG),
        (
            "x=lambda g, w: correlate(tg.pad(g, len(w) - 1), tg.flip(w)), w=lambda g, x: tg.flip(correlate(x, g))",
            "the gradient of w is wrong",
        ),
    ],
    "logdet": [
        ("x=lambda g, x: g * tg.linalg.inv(x)", "it is transposed"),
        ("x=lambda g, x: g / tg.linalg.det(x)", _SHAPE),
        ("x=lambda g, x: g * tg.linalg.det(x) * tg.linalg.inv(x).T", _WRONG),
    ],
    "inverse": [
        ("x=lambda g, out: out.T @ g @ out.T", "its sign is flipped"),
        ("x=lambda g, out: -out @ g @ out", _WRONG),
        ("x=lambda g, x: -g / x**2", _WRONG),
    ],
    "solve": [
        ("a=lambda g, a, out: -solve(a, g) @ out.mT, b=lambda g, a: solve(a, g)", "is wrong"),
        ("a=lambda g, a, out: solve(a.mT, g) @ out.mT, b=lambda g, a: solve(a.mT, g)", "its sign is flipped"),
        ("a=lambda g, a, b: -solve(a.mT, g) @ b.mT, b=lambda g, a: solve(a.mT, g)", "the gradient of a is wrong"),
        ("a=lambda g, a, out: -solve(a.T, g) @ out.T, b=lambda g, a: solve(a.T, g)", ""),
    ],
}

OTHER_RIGHT_RULES = {
    "add": ["x=lambda g: +g, y=lambda g: 1 * g", "x=lambda g, x: g + 0 * x, y=lambda g, y: g + 0 * y"],
    "divide": ["x=lambda g, y: g * y ** -1, y=lambda g, x, y: -g * x * y ** -2"],
    "exp": ["x=lambda g, x: g * np.exp(x)", "x=lambda g, x: g * tg.exp(x)"],
    "log": ["x=lambda g, out: g * np.exp(-out)"],
    "sqrt": ["x=lambda g, x: 0.5 * g * x ** -0.5"],
    "tanh": ["x=lambda g, x: g / np.cosh(x) ** 2", "x=lambda g, out: g * (1 - out) * (1 + out)"],
    "sigmoid": ["x=lambda g, x: g * np.exp(-x) / (1 + np.exp(-x)) ** 2"],
    "absolute": ["x=lambda g, x: tg.where(x > 0, g, -g)", "x=lambda g, x: g * (x > 0) - g * (x < 0)"],
    "maximum": [
        "x=lambda g, x, y: g * (x > y), y=lambda g, x, y: g * (x <= y)",
        "x=lambda g, x, y: np.where(x >= y, g, 0), y=lambda g, x, y: np.where(x >= y, 0, g)",
    ],
    "choose": ["x=lambda g, mask: g * mask, y=lambda g, mask: g * ~mask"],
    "total": [
        "x=lambda g, x, axis: tg.expand_dims(g, axis) * np.ones(x.shape)",
        "x=lambda g, x_shape, axis: np.repeat(np.expand_dims(g, axis), x_shape[axis], axis)",
    ],
    "mean": ["x=lambda g, x_shape, axis: tg.expand_dims(g, axis) * np.full(x_shape, 1 / x_shape[axis])"],
    "spread": ["x=lambda g: np.einsum('cnw->n', g)[:, None]", "x=lambda g: g.sum(axis=0).sum(axis=-1, keepdims=True)"],
    "reshape": ["x=lambda g, x: g.reshape(x.shape)"],
    "transpose": ["x=lambda g, axes: tg.transpose(g, [axes.index(k) for k in range(len(axes))])"],
    "rest": ["x=lambda g: np.concatenate([[0.0], g])", "x=lambda g, x: np.eye(len(x))[:, 1:] @ g"],
    "rows": ["x=lambda g, x, index: sum(np.outer(np.arange(len(x)) == k, row) for k, row in zip(index, g))"],
    "cumsum": ["x=lambda g: g.sum() - np.cumsum(g) + g", "x=lambda g: np.triu(np.ones((len(g), len(g)))) @ g"],
    "centre": ["x=lambda g, x: (np.eye(x.shape[-1]) - 1 / x.shape[-1]) @ g[..., None] @ np.ones(1) + 0 * x"],
    "logsumexp": ["x=lambda g, x: tg.softmax(x, axis=-1) * tg.expand_dims(g, -1)"],
    "softmax": ["x=lambda g, out: out * g - out * np.einsum('...i,...i->...', g, out)[..., None]"],
    "normalise": [
        "x=lambda g, x: (g - x * (g * x).sum(axis=-1, keepdims=True) / (x * x).sum(axis=-1, keepdims=True))"
        " / (x * x).sum(axis=-1, keepdims=True) ** 0.5"
    ],
    "matmul": ["x=lambda g, y: (y @ g.T).T, y=lambda g, x: np.einsum('nm,nk->mk', x, g)"],
    "stacked_matmul": [
        "x=lambda g, y: g @ np.swapaxes(y, -1, -2), y=lambda g, x: tg.einsum('...nm,...nk->...mk', x, g)"
    ],
    "correlate": ["x=lambda g, w: np.convolve(g, w), w=lambda g, x: np.convolve(x, g[::-1], 'valid')"],
    "logdet": ["x=lambda g, x: np.linalg.inv(x.T) * g", "x=lambda g, x: np.linalg.solve(x.T, g * np.eye(len(x)))"],
    "inverse": ["x=lambda g, x: -tg.linalg.inv(x).T @ g @ tg.linalg.inv(x).T"],
    "solve": ["a=lambda g, a, b: -np.linalg.inv(a.mT) @ g @ solve(a, b).mT, b=lambda g, a: np.linalg.inv(a.mT) @ g"],
}
