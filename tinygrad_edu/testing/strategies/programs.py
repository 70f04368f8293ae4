"""Programs: random graphs of ops, with shared subexpressions, views, in-place steps and several results.

A program is Python source for arrays and tensors. Each line is executed when it is drawn, so that the next line suits
its shape and values. Values are moderate and away from kinks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.engine import Array
from tinygrad_edu.testing.arrays.code_repr import Namer, code, described
from tinygrad_edu.testing.arrays.layouts import LAYOUTS
from tinygrad_edu.testing.strategies.arrays import arrays, broadcastable, masks
from tinygrad_edu.testing.strategies.op_calls.reduction import REDUCTION_SETTINGS
from tinygrad_edu.testing.strategies.op_calls.shape import SHAPE_SETTINGS

_MOST_ELEMENTS = 48
_LARGEST = 20.0
_KINK_MARGIN = 0.05


class Program:
    r"""A function of tensors, given as source, and its input arrays. Its repr is code.

    Parameters
    ----------
    arrays : sequence of ndarray
        The inputs.
    source : str
        Source code of a function ``f`` of the inputs.

    Examples
    --------
    >>> program = Program([np.array([1.0, 2.0])], "def f(x0):\n    return tg.sum(x0 * x0)")
    >>> float(program(*program.arrays))
    5.0
    """

    def __init__(self, arrays: Sequence[Array], source: str) -> None:
        self.arrays, self.source = tuple(arrays), source
        space: dict[str, Any] = {"tg": tg, "np": np, **LAYOUTS}
        exec(compile(source, "<program>", "exec"), space)
        self._function = space["f"]
        self.__name__ = "program"

    def __call__(self, *inputs: Any) -> Any:
        """Run the source on arrays or tensors."""
        return self._function(*inputs)

    def __repr__(self) -> str:
        return self.to_code(described)

    def to_code(self, name: Namer) -> str:
        """Return the program as code, with ``name(x)`` for each value x that is not a literal."""
        return f'{name(type(self))}({code(list(self.arrays), name)}, """{self.source}""")'


class _Draft:
    """A program that is being drawn: its lines so far, and the value of each name."""

    def __init__(self, draw: Any, inputs: Sequence[Array]) -> None:
        self.draw = draw
        self.values: dict[str, Array] = {f"x{k}": x for k, x in enumerate(inputs)}
        self.lines: list[str] = []

    def name(self, fits: Callable[[Array], bool] = lambda value: True) -> str:
        """Draw a name whose value fits, preferably a recent one; return an empty string if there is none."""
        names = [name for name, value in self.values.items() if fits(value)]
        return str(self.draw(st.sampled_from(names[::-1]))) if names else ""

    def try_lines(self, lines: Sequence[str]) -> None:
        """Append lines that define a new name, unless its value is too large or not finite."""
        name = f"v{len(self.values)}"
        written = [line.replace("NEW", name) for line in lines]
        space: dict[str, Any] = {"tg": tg, "np": np, **LAYOUTS, **self.values}
        with np.errstate(all="ignore"):
            exec("\n".join(written), space)
        value = np.asarray(space[name])
        if value.size <= _MOST_ELEMENTS and np.all(np.isfinite(value)) and np.max(np.abs(value), initial=0) < _LARGEST:
            self.values[name] = value
            self.lines += written


_SETTINGS = {**SHAPE_SETTINGS, **REDUCTION_SETTINGS}


# --- The steps: each draws the lines for one more value, or no lines if no earlier value fits ---

Step = Callable[[_Draft], Sequence[str]]


def _expression(text: str, fits: Callable[[Array], bool] = lambda value: True) -> Step:
    """Return a step with an expression of an earlier value V."""

    def step(draft: _Draft) -> Sequence[str]:
        name = draft.name(fits)
        return [f"NEW = {text.replace('V', name)}"] if name else []

    return step


def _pair(text: str, fits: Callable[[Array, Array], bool] = lambda x, y: True) -> Step:
    """Return a step with an expression of two earlier values V and W that broadcast."""

    def step(draft: _Draft) -> Sequence[str]:
        v = draft.name()
        w = draft.name(lambda y: _broadcasts(draft.values[v], y) and fits(draft.values[v], y))
        return [f"NEW = {text.replace('V', v).replace('W', w)}"] if w else []

    return step


def _broadcasts(*values: Array) -> bool:
    try:
        np.broadcast_shapes(*(value.shape for value in values))
    except ValueError:
        return False
    return True


def _with_settings(name: str, fits: Callable[[Array], bool] = lambda value: True) -> Step:
    """Return a step with a unary op, and settings drawn for the shape of its input."""

    def step(draft: _Draft) -> Sequence[str]:
        v = draft.name(fits)
        if not v:
            return []
        settings = draft.draw(_SETTINGS[name](draft.values[v].shape))
        return [f"NEW = tg.{name}({v}, {', '.join(f'{key}={code(value)}' for key, value in settings.items())})"]

    return step


def _where(draft: _Draft) -> Sequence[str]:
    v = draft.name()
    w = draft.name(lambda y: _broadcasts(draft.values[v], y))
    mask = draft.draw(masks(np.broadcast_shapes(draft.values[v].shape, draft.values[w].shape)))
    return [f"NEW = tg.where({code(mask)}, {v}, {w})"]


def _index(draft: _Draft) -> Sequence[str]:
    v = draft.name()
    return [f"NEW = {v}[{code(draft.draw(_SETTINGS['getitem'](draft.values[v].shape))['index'])}]"]


def _in_place(operator: str) -> Step:
    """Return a step that copies a value and changes the copy in place."""

    def step(draft: _Draft) -> Sequence[str]:
        v = draft.name()
        shape = draft.values[v].shape
        w = draft.name(lambda y: _broadcasts(draft.values[v], y) and np.broadcast_shapes(shape, y.shape) == shape)
        return [f"NEW = {v} * 1.0", f"NEW {operator} {w}"]

    return step


def _at_least(axes: int, size: int) -> Callable[[Array], bool]:
    """Return a function that tests whether a value has at least `axes` axes and `size` elements."""
    return lambda value: value.ndim >= axes and value.size >= size


_not_empty, _has_axes, _matrix = _at_least(0, 1), _at_least(1, 1), _at_least(2, 0)


def _away_from_0(value: Array) -> bool:
    return bool(np.all(np.abs(value) > _KINK_MARGIN))


def _away_from_1(value: Array) -> bool:
    return _away_from_0(np.abs(value) - 1)


def _distinct(value: Array) -> bool:
    return value.size > 0 and _away_from_0(np.diff(np.sort(value, axis=None)))


# A symmetric positive definite matrix.
_DEFINITE = "tg.matmul(V, tg.swapaxes(V, -1, -2)) + 2.0 * np.eye(V.shape[-2])"

STEPS: dict[str, Step] = {
    **{name: _expression(f"tg.{name}(V)") for name in (
        "tanh", "sin", "cos", "sigmoid", "negative", "square", "arctan", "arcsinh", "sinh", "cosh", "sinc", "erf",
        "erfc", "log_ndtr", "softplus", "softsign", "logsigmoid", "tanhshrink", "positive", "deg2rad",
    )},
    **{name: _expression(f"tg.{name}(tg.tanh(V))") for name in ("exp", "exp2", "expm1", "tan")},
    **{name: _expression(f"tg.{name}(V * V + 0.5)") for name in (
        "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "cbrt", "reciprocal",
    )},
    **{name: _expression(f"tg.{name}(0.75 * tg.tanh(V))") for name in ("arcsin", "arccos", "arctanh")},
    "arccosh": _expression("tg.arccosh(V * V + 1.5)"), "logit": _expression("tg.logit(tg.sigmoid(V))"),
    "gelu_tanh": _expression("tg.gelu(V, approximate='tanh')"), "gelu_exact": _expression("tg.gelu(V)"),
    "silu_from_sigmoid": _expression("tg.silu(V)"),
    **{name: _pair(f"tg.{name}(V, W * W + 0.5)") for name in ("arctan2", "hypot", "xlogy")},
    **{name: _pair(f"tg.{name}(V, W)") for name in ("logaddexp", "logaddexp2")},
    "bessel_of_order": _expression("tg.bessel_j0(V)"),
    **{name: _expression(f"tg.{name}(0.5 + 0.25 * tg.tanh(V))") for name in (
        "erfinv", "ndtri", "lgamma", "digamma", "entr",
    )}, "lerp": _pair("tg.lerp(V, W, 0.25)"),
    "leaky": _expression("tg.leaky_relu(V)", _away_from_0), "exponential_unit": _expression("tg.elu(V)", _away_from_0),
    "hardtanh": _expression("tg.hardtanh(V)", _away_from_1),
    **{name: _expression(f"tg.{name}(V, -1)", _has_axes) for name in ("cumsum", "cumprod", "logcumsumexp", "prod")},
    "p_norm": _expression("tg.norm(V * V + 0.5, 3, keepdims=True, axis=-1)", _has_axes),
    "weighted_mean": _expression("tg.average(V, -1, V * V + 0.5)", _has_axes),
    **dict.fromkeys(
        ("center", "row_norm", "channel_norm_without_affine", "channel_norm"),
        _expression("tg.layer_norm(V, V.shape[-1:], eps=0.5)", _has_axes),
    ),
    **dict.fromkeys(("mean_product", "divide_by_rms"), _expression("tg.rms_norm(V, V.shape[-1:], eps=0.5)", _has_axes)),
    **{name: _expression(f"tg.linalg.{call}", _matrix) for name, call in (
        ("inv", f"inv({_DEFINITE})"), ("expm", f"expm(tg.tanh({_DEFINITE}))"),
        ("det", f"det({_DEFINITE})"), ("solve", f"solve({_DEFINITE}, V)"),
        ("logabsdet", f"slogdet({_DEFINITE}).logabsdet"), ("cholesky_factor", f"cholesky({_DEFINITE})"),
        ("pseudo_inverse", f"pinv({_DEFINITE})"),
    )},
    "take_diagonal": _expression("tg.einsum('...ij,...ij->...', V, V)", _matrix),
    "abs": _expression("tg.abs(V)", _away_from_0), "relu": _expression("tg.relu(V)", _away_from_0),
    "sign": _expression("tg.sign(V)", _away_from_0),
    "clip_by_scalars": _expression("tg.clip(V, -1.0, 1.0)", _away_from_1),
    "clip_by_arrays": _pair("tg.clip(V, W - 1.0, W + 1.0)", lambda x, y: _away_from_1(x - y)),
    **{name: _pair(f"tg.{name}(V, W)") for name in ("add", "subtract", "multiply")},
    "divide": _pair("tg.divide(V, W * W + 0.5)"), "power": _pair("tg.power(V * V + 0.5, tg.tanh(W))"),
    **{name: _pair(f"tg.{name}(V, W)", lambda x, y: _away_from_0(x - y)) for name in ("maximum", "minimum")},
    "where": _where,
    **{name: _with_settings(name) for name in (
        "reshape", "transpose", "expand_dims", "squeeze", "broadcast_to", "flip", "sum", "moveaxis", "roll", "tile",
        "repeat",
    )},
    **{name: _expression(f"tg.{name}(V, 0)", _has_axes) for name in ("softmax", "log_softmax")},
    **{name: _with_settings(name, _has_axes) for name in ("swapaxes", "pad")},
    **{name: _with_settings(name, _matrix) for name in ("diagonal", "rot90")},
    "index_select": _expression("tg.pad(V, 1, 'edge')", _has_axes),
    "pad_constant": _expression("tg.pad(V, 1, constant_values=0.5)", _has_axes),
    **{name: _with_settings(name, _not_empty) for name in ("mean", "logsumexp")},
    "std": _expression("tg.std(tg.stack([V, V * V + 1.5]), 0)"),
    "var": _with_settings("var", lambda value: min((*value.shape, 2)) > 1 and value.ndim > 0),
    **{name: _with_settings(name, _distinct) for name in ("max", "min")},
    "getitem": _index, "scatter": _expression("tg.scatter_add(V, (..., 0), (*V.shape, 2))"),
    "matmul": _expression("tg.matmul(V, tg.swapaxes(V, -1, -2))", _matrix),
    "matmul with a vector": _expression("tg.matmul(V, tg.sum(V, axis=tuple(range(V.ndim - 1))))", _has_axes),
    "concat": _expression("tg.concatenate([V, V * 2.0], axis=-1)", _has_axes),
    "stacked": _pair("tg.stack([V, W], axis=-1)", lambda x, y: x.shape == y.shape),
    "softmax_cross_entropy": _expression("tg.cross_entropy(tg.reshape(V, (1, -1)), np.array([0]))", _not_empty),
    **{name: _expression(f"tg.nn.{loss}, np.full(V.shape, 0.25), reduction='none')") for name, loss in (
        ("sigmoid_cross_entropy", "binary_cross_entropy_with_logits(V"),
        ("clamped_cross_entropy", "binary_cross_entropy(0.1 + 0.8 * tg.sigmoid(V)"),
    )},
    "im2col": _expression("tg.im2col(tg.reshape(V, (1, 1, 1, -1)), (1, 2), padding=(0, 1))", _not_empty),
    "correlate": _expression("tg.conv2d(tg.reshape(V, (1, 1, 1, -1)), tg.reshape(V, (1, 1, 1, -1)))", _not_empty),
    "window_max": _expression("tg.max_pool2d(tg.reshape(V, (1, 1, -1, 1)), (2, 1), 1, (1, 0))", _distinct),
    "avg_pool2d": _expression("tg.avg_pool2d(tg.reshape(V, (1, 1, -1, 1)), (2, 1), 1, (1, 0))", _not_empty),
    "+=": _in_place("+="), "-=": _in_place("-="), "*=": _in_place("*="),
}  # fmt: skip
"""The steps from which `programs` draws, by name."""


@st.composite
def programs(draw: Any, max_steps: int = 8) -> Program:
    """Draw a program of one to three inputs and up to `max_steps` steps. Its results are the unused values."""
    shapes = draw(broadcastable(draw(st.integers(1, 3)), max_dims=2))
    inputs = [draw(arrays(shape, -2.0, 2.0, layouts=False)) for shape in shapes]
    draft = _Draft(draw, inputs)
    for _ in range(draw(st.integers(1, max_steps))):
        lines = STEPS[draw(st.sampled_from(sorted(STEPS)))](draft)
        if lines:
            draft.try_lines(lines)
    body = "".join(f"    {line}\n" for line in draft.lines)
    used = set(re.findall(r"\w+", re.sub(r"\w+ [-+*]?= ", "", body)))
    results = ", ".join(name for name in draft.values if name not in used)
    names = ", ".join(f"x{k}" for k in range(len(inputs)))
    return Program(inputs, f"def f({names}):\n{body}    return {results}\n")
