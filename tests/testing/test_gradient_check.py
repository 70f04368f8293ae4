"""check_gradient: nested arguments, constants, dtypes, layouts, forward mode, and invalid gradients."""

import functools
import math
from collections import OrderedDict, namedtuple
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tests.effort import thorough
from tinygrad_edu.errors import DTypeError, VJPDefinitionError
from tinygrad_edu.shared.pytree import tree_map_with_path
from tinygrad_edu.testing import CheckFailed, GradientMismatch, LawBroken, NotDeterministic, check_gradient, strategies
from tinygrad_edu.testing.arrays.array_tree import is_number_list
from tinygrad_edu.testing.arrays.dtypes import as_numbers, is_floating, is_real, unit_of

RNG = np.random.default_rng(5)
X, Y = RNG.uniform(0.5, 2.0, (3, 4)), RNG.uniform(0.5, 2.0, (3, 4))
LABELS = np.array([0, 2, 1])
PARAMS = {"w": RNG.normal(size=(4, 3)), "b": [RNG.normal(size=3)], "name": "linear"}
Line = namedtuple("Line", "slope height")


def loss(params, x, labels):
    logits = x @ params["w"] + params["b"][0]
    return np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(x)), labels])


def loss_gradient(params, x, labels):
    e = np.exp(x @ params["w"] + params["b"][0])
    g = (e / e.sum(axis=1, keepdims=True) - np.eye(e.shape[1])[labels]) / len(x)
    return {"w": x.T @ g, "b": [g.sum(axis=0)]}, g @ params["w"].T


# A function, its gradient, a point, and the names of the inputs.
RIGHT = {
    "number": (lambda x: x**2, lambda x: 2 * x, [3.0], ["x"]),
    "float stays float": (lambda x: math.sin(x), lambda x: math.cos(x), [0.5], ["x"]),
    "list of ints": (lambda x: np.sum(x**2), lambda x: 2 * x, [[1, 2]], ["x"]),
    "list of lists": (lambda x: np.sum(x**2), lambda x: (2 * x).tolist(), [[[1.0, 2], [3, 4]]], ["x"]),
    "ragged": (lambda x: np.sum(x[0]) * np.sum(x[1]), lambda x: [[x[1].sum()], [x[0].sum()] * 2],
               [[[1.0], [2.0, 3.0]]], ["x[0]", "x[1]"]),
    "labels": (loss, loss_gradient, [PARAMS, X, LABELS], ["params['w']", "params['b'][0]", "x"]),
    "None for labels": (loss, lambda p, x, labels: (*loss_gradient(p, x, labels), None), [PARAMS, X, LABELS],
                        ["params['w']", "params['b'][0]", "x"]),
    "zeros for labels": (loss, lambda p, x, labels: [*loss_gradient(p, x, labels), 0 * LABELS], [PARAMS, X, LABELS],
                         ["params['w']", "params['b'][0]", "x"]),
    "named tuple": (lambda line: np.sum(line.slope * X + line.height), lambda line: Line(X.sum(), 12.0),
                    [Line(2.0, 1.0)], ["line.slope", "line.height"]),
    "plain tuple for a named one": (lambda line: np.sum(line.slope * X), lambda line: (X.sum(), 0.0), [Line(2.0, 1.0)],
                                    ["line.slope", "line.height"]),
    "rows of one array": (lambda x, y: x * y**2, lambda x, y: np.array([y**2, 2 * x * y]), [2.0, 3.0], ["x", "y"]),
    "ordered dict": (lambda p: np.sum(p["a"] * p["b"]), lambda p: {"a": p["b"], "b": p["a"]},
                     [OrderedDict(a=X, b=Y)], ["p['a']", "p['b']"]),
    "int exponent": (lambda x, n: np.sum(x**n), lambda x, n: n * x ** (n - 1), [X, 3], ["x"]),
    "shape and flag": (lambda x, shape, flag: np.sum(x.reshape(shape)[0]) if flag else None,
                       lambda x, shape, flag: [[1] * 4, [0] * 4, [0] * 4],
                       [X, (3, 4), True], ["x"]),
    "one element, cotangent": (lambda x: x**2, lambda x, g: 2 * x * g, [[3.0]], ["x"]),
    "one element, none": (lambda x: x**2, lambda x: 2 * x, [[3.0]], ["x"]),
    "one element of two axes": (lambda x: np.sum(x**2, keepdims=True), lambda x, g: 2 * x * g, [X], ["x"]),
    "optional cotangent": (lambda x: np.sum(x**2), lambda x, g=1.0: 2 * x * g, [X], ["x"]),
    "nested result": (lambda x: {"a": x * x, "b": [np.sum(x), "info", None, 3]},
                      lambda x, g: 2 * x * g["a"] + g["b"][0] if g["b"][1] is None else None, [X], ["x"]),
    "list of numbers as result": (lambda x: [float(x[0]) ** 2, float(x[1])], lambda x, g: [2 * x[0] * g[0], g[1]],
                                  [[3.0, 4.0]], ["x"]),
    "ints": (lambda x: np.sum(np.abs(x)), lambda x: np.sign(x).astype(int), [X], ["x"]),
    "booleans": (lambda x: np.sum(np.maximum(x, 1.0)), lambda x: x > 1, [X], ["x"]),
    "float32": (lambda x: np.sum(np.sin(x)), lambda x: np.cos(x).astype(np.float32), [X], ["x"]),
    "float16": (lambda x: np.sum(np.sin(x)), lambda x: np.cos(x).astype(np.float16), [X], ["x"]),
    "float16 point": (lambda x: np.sum(np.sin(x)), np.cos, [X.astype(np.float16)], ["x"]),
    "tensors": (lambda x: tg.sum(tg.sin(x)), lambda x: tg.grad(lambda x: tg.sum(tg.sin(x)))(x), [tg.Tensor(X)], ["x"]),
    "second derivative": (lambda x: 3 * x**2, lambda x, g: 6 * x * g, [X], ["x"]),
    "third derivative": (lambda x, g: 6 * x * g, lambda x, g, h: (6 * g * h, 6 * x * h), [X, Y], ["x", "g"]),
}  # fmt: skip


def map_arrays(f, tree):
    """Apply f to each leaf and to each list of numbers of a pytree."""
    return tree_map_with_path(lambda _, leaf: f(leaf), tree, is_leaf=is_number_list)


def spoiled(claimed, k):
    """Return a derivative whose `k`-th part is wrong."""

    @functools.wraps(claimed)
    def wrong(*point):
        parts = iter(range(100))
        return map_arrays(lambda g: g if next(parts) != k else 1.5 * as_numbers(g) + 1, claimed(*point))

    return wrong


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_gradient_passes_and_a_wrong_part_of_it_is_named(name):
    f, grad, point, names = RIGHT[name]
    check_gradient(f, grad, *point)
    for k in range(1 if name == "rows of one array" else len(names)):
        with pytest.raises(GradientMismatch) as caught:
            check_gradient(f, spoiled(grad, k), *point)
        assert f"the gradient of {names[k]} is wrong" in str(caught.value)


# A function, its forward derivative, and a point.
FORWARD = {
    "number": (lambda x: x**2, lambda x, dx: 2 * x * dx, [3.0]),
    "matrices": (lambda x, y: x @ y, lambda x, y, dx, dy: dx @ y + x @ dy, [X, Y.T]),
    "a label": (lambda x, k: x[k], lambda x, k, dx: dx[k], [X, LABELS]),
    "nests": (lambda p, flag: {"v": p["a"] * p["b"][0], "n": [flag]},
              lambda p, flag, dp: {"v": dp["a"] * p["b"][0] + p["a"] * dp["b"][0], "n": [None]},
              [{"a": X, "b": [2.0, "c"]}, True]),
    "float32": (np.sin, lambda x, dx: (np.cos(x) * dx).astype(np.float32), [X]),
}  # fmt: skip


@pytest.mark.parametrize("name", FORWARD)
def test_a_right_forward_derivative_passes_and_a_wrong_one_does_not(name):
    f, jvp, point = FORWARD[name]
    check_gradient(f, None, *point, jvp=jvp)
    with pytest.raises(GradientMismatch, match=r"the forward derivative along .* is wrong.\n  Max absolute differen"):
        check_gradient(f, None, *point, jvp=spoiled(jvp, 0))


def test_a_forward_derivative_adds_up():
    with pytest.raises(GradientMismatch, match="along all inputs is not the sum"):
        check_gradient(lambda x, y: x * y, None, X, Y, jvp=lambda x, y, dx, dy: dx * y + x * dy + dx * dy)


# --- Invalid gradients, and the error messages ---


def writes(x):
    x *= 2
    return np.sum(x)


def writes_labels(x, labels):
    labels[0] = 1
    return np.sum(x[labels])


def writes_cotangent(x, g):
    g *= 2 * x
    return g


NOISE = np.random.default_rng(0)
REFUSED = {
    "no input": ([lambda x: x**2, lambda x: 2 * x, 3], VJPDefinitionError, "there is no input .* numbers such as 2.0"),
    "complex, no cotangent": ([np.sum, np.ones_like, X + 1j], VJPDefinitionError, r"only for .* one real number"),
    "complex gradient": ([np.sum, lambda x: 1 + 0j * x, X], DTypeError, "gradient of a must have a real dtype"),
    "no result": ([lambda x: None, np.ones_like, X], DTypeError, "<lambda> must return a number, .* got None"),
    "nothing claimed": ([np.sum, None, X], VJPDefinitionError, "grad, jvp or jacobian must be given"),
    "no cotangent": ([lambda x: x**2, lambda x: 2 * x, X], VJPDefinitionError,
                     r"must accept the call grad\(x, cotangent\), got <lambda>\(x\).*cotangent is the last argument"),
    "no arguments": ([lambda x: np.sum(x), lambda: 1, X], VJPDefinitionError, r"got <lambda>\(\)"),
    "text": ([lambda x: np.sum(x), lambda x: "abc", X], GradientMismatch, "must have the structure .*, got 'abc'"),
    "a key is missing": ([loss, lambda p, x, labels: ({"w": X.T}, X), PARAMS, X, LABELS], GradientMismatch,
                         r"got \(\{'w': an array of shape \(4, 3\)\}, an array of shape \(3, 4\)\)"),
    "a key too many": ([lambda p: p["a"], lambda p: {"a": 1.0, "b": 2.0}, {"a": 1.0}], GradientMismatch, "structure"),
    "too few": ([lambda x, y: np.sum(x * y), lambda x, y: y, X, Y], GradientMismatch, "structure of the inputs"),
    "as long as there are inputs": ([lambda w, x, y: np.sum(w * x * y), lambda w, x, y: x * y, *np.ones((3, 3))],
                                    GradientMismatch, "structure of the inputs"),
    "of an integer": ([lambda x, n: x**n, lambda x, n: (n * x ** (n - 1), x**n * np.log(x)), 2.0, 3],
                      GradientMismatch, "Leave out constants such as integers, or return None"),
    "of one more axis": ([np.sin, lambda x, g: np.array([g * np.cos(x)]), 2.0], GradientMismatch,
                         r"must have the shape of x, \(\), got \(1,\)"),
    "of one row": ([np.sum, lambda x, n: np.ones((1, 4)), X[0], 0], GradientMismatch, r"\(4,\), got \(1, 4\)"),
    "of another shape": ([lambda x, n: np.sum(x), lambda x, n: (np.ones(4), None), X, 3],
                         GradientMismatch, r"must have the shape of x, \(3, 4\), got \(4,\)"),
    "not summed": ([lambda x: np.sum(np.broadcast_to(x, (4, 3)) ** 2), lambda x: np.ones((4, 3)), X[0, :3]],
                   GradientMismatch, "not summed over the broadcast axes"),
    "transposed": ([lambda x: np.sum(x**2), lambda x: 2 * x.T, X], GradientMismatch, "It is transposed"),
    "None": ([lambda x, y: np.sum(x * y), lambda x, y: (y, None), X, Y], GradientMismatch,
             "gradient of y is wrong: it is zero.\n  grad returned None, which means zero, for y\n"),
    "None for all": ([np.sum, lambda x: None, X], GradientMismatch, "it is zero"),
    "infinite": ([np.sum, lambda x: np.inf, 1.0], GradientMismatch, "it contains inf"),
    "f writes": ([writes, lambda x: 2 + 0 * x, X], LawBroken, "^writes writes into its input x, which "),
    "f writes into labels": ([writes_labels, lambda x, labels: 0 * x, X, LABELS], LawBroken, "its input labels"),
    "grad writes": ([lambda x: x**2, writes_cotangent, X], LawBroken, "of <lambda> writes into its input the cot"),
    "a slope, not a gradient": ([np.sin, np.cos, X], VJPDefinitionError, r"got cos\("),
    "grad draws": ([np.sum, lambda x: 1 + 1e-9 * NOISE.random(x.shape), X], NotDeterministic, "^the gradient of sum"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_gradient_is_refused_in_words(name):
    arguments, error, words = REFUSED[name]
    with pytest.raises(error, match=words):
        check_gradient(*arguments)


@pytest.mark.parametrize("returned", [lambda x, dx: (x**2, 2 * x * dx), lambda x, dx: "abc", lambda x, dx: dx[0]])
def test_a_tangent_that_is_nested_otherwise(returned):
    with pytest.raises(GradientMismatch, match="must have the structure of the result, an array of shape"):
        check_gradient(lambda x: x**2, None, X, jvp=returned)


def test_a_fault_has_the_name_of_its_law():
    faults = {
        "no writes": [writes, lambda x: 2 + 0 * x, X],
        "deterministic": [np.sum, lambda x: 1 + 1e-9 * NOISE.random(x.shape), X],
        "structure": [np.sum, lambda x: (1, 2), X],
        "slope": [np.sum, lambda x: 2 + 0 * x, X],
    }
    for law, arguments in faults.items():
        with pytest.raises(CheckFailed) as caught:
            check_gradient(*arguments)
        assert [v.law for v in caught.value.report.verdicts if v.status == "wrong"] == [law]
        if law != "structure":  # without the structure, no other law can be tested
            assert check_gradient(*arguments, skip=[law]).status == "right"


def test_a_none_that_is_true():
    check_gradient(lambda x, y: np.sum(x), lambda x, y: (np.ones_like(x), None), X, Y)


# --- Any nesting, any layout, any dtype ---

leaves = strategies.arrays() | st.floats(-2, 2) | st.integers(0, 9) | st.sampled_from(["text", None, True, LABELS])
nests = st.recursive(leaves, lambda inner: st.one_of(
    st.lists(inner, max_size=3), st.tuples(inner, inner), st.builds(Line, inner, inner),
    st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
), max_leaves=6)  # fmt: skip


def is_input(value):
    return isinstance(value, list | float) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")


@pytest.mark.thorough
@given(st.lists(nests, min_size=1, max_size=3), st.data())
def test_arguments_of_any_nest(point, data):
    """Check the sum of the sines of all inputs, and a gradient of it with one wrong part."""
    inputs = []
    map_arrays(lambda x: inputs.append(x) if is_input(x) else None, tuple(point))

    def total(*point):
        sines = []
        map_arrays(lambda x: sines.append(np.sum(np.sin(x))) if is_input(x) else None, point)
        return np.sum(sines)

    def gradient(wrong, *point):
        parts = iter(range(100))
        return map_arrays(lambda x: np.cos(x) + 2 * (next(parts) == wrong) if is_input(x) else None, point)

    if not inputs:
        with pytest.raises(VJPDefinitionError, match="there is no input"):
            check_gradient(total, functools.partial(gradient, -1), *point, cotangent=False)
        return
    check_gradient(total, functools.partial(gradient, -1), *point, cotangent=False)
    wrong = data.draw(st.sampled_from([k for k, x in enumerate(inputs) if np.size(x)] or [None]))
    with pytest.raises(GradientMismatch) if wrong is not None else nullcontext():
        check_gradient(total, functools.partial(gradient, wrong), *point, cotangent=False)


@pytest.mark.thorough
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("size", [1, 30, 3000])
def test_a_gradient_is_judged_by_the_rounding_of_its_dtype(sign, size):
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    x = np.random.default_rng(size).normal(size=size)
    for dtype in (np.float32, np.float16, bfloat16):
        point = (lambda x: np.sum(np.sin(x)), lambda x: sign * np.cos(x).astype(dtype), x)  # noqa: B023
        if sign == 1:
            check_gradient(*point)
        else:
            with pytest.raises(GradientMismatch):
                check_gradient(*point)


def test_dtypes_of_others():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    bfloat16, int4, float0 = np.dtype(ml_dtypes.bfloat16), np.dtype(ml_dtypes.int4), np.dtype([("float0", "V")])
    assert [unit_of(np.dtype(t)) for t in (np.float64, np.float16, bfloat16)] == [2.0**-52, 2.0**-10, 2.0**-7]
    assert [(is_real(t), is_floating(t)) for t in (bfloat16, int4, float0, np.dtype("S3"))] == [
        (True, True), (True, False), (False, False), (False, False)]  # fmt: skip
    check_gradient(lambda x, n: np.sum(x**2), lambda x, n: (2 * x, np.zeros(3, float0)), X.astype(bfloat16), LABELS)


# --- The general laws, for functions of arrays ---

BUFFER = np.zeros(X.shape)

# A wrong gradient of the cube, and the law that it breaks.
BROKEN = {
    "a buffer": (lambda x, g: np.multiply(3 * x**2, g, out=BUFFER), "later calls"),
    "float32": (lambda x, g: (3.03 if x.dtype == np.float32 else 3) * x**2 * g, "narrow dtypes"),
    "a layout of inputs": (lambda x, g: 3 * g * x**2 * (1 if x.flags.c_contiguous else 2), "layouts"),
    "a layout of cotangents": (lambda x, g: 3 * g * x**2 * (1 if g.flags.c_contiguous else 2), "layouts"),
    "stride 0": (lambda x, g: 3 * g * x**2 * (2 if 0 in x.strides else 1), "layouts"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_gradient_obeys_the_general_laws(name):
    grad, law = BROKEN[name]
    x = X.astype(np.float32) if name == "float32" else X
    with pytest.raises(LawBroken) as caught:
        check_gradient(lambda x: x**3, grad, x)
    assert {v.law for v in caught.value.report.verdicts if v.status == "wrong"} == {law}
    assert check_gradient(lambda x: x**3, grad, x, skip=[law]).status == "right"


MIXER = RNG.normal(size=(4, 4))


def mixed(x):
    """Return m @ x, from a sum in another order for another layout."""
    m = MIXER[: len(x), : len(x)]
    return m @ x if x.flags.c_contiguous else m[:, ::-1] @ x[::-1].copy()


def log_determinant(x):
    return np.linalg.slogdet(mixed(x))[1]


def log_determinant_of_exact(x):
    assert np.any(x.astype(np.float32) != x)
    return log_determinant(x)


def least_squares(x, b):
    return np.linalg.solve(x.T @ x, x.T @ b)


def least_squares_gradient(x, b, g):
    z, h = least_squares(x, b), np.linalg.solve(x.T @ x, g)
    return np.outer(b - x @ z, h) - np.outer(x @ h, z), x @ h


# Functions with right gradients that jump at a matrix of equal rows.
SINGULAR = {
    "log determinant": (log_determinant, lambda x: np.linalg.pinv(x).T, (4, 4)),
    "log determinant of exact numbers": (log_determinant_of_exact, lambda x: np.linalg.pinv(x).T, (4, 4)),
    "log of the determinant": (
        lambda x: np.log(np.abs(np.linalg.det(mixed(x)))), lambda x: np.linalg.pinv(x).T, (3, 3)),
    "log determinant of a product": (
        lambda x: np.linalg.slogdet(x.T @ x)[1], lambda x: 2 * np.linalg.pinv(x).T, (5, 3)),
    "inverse": (np.linalg.inv, lambda x, g: -np.linalg.inv(x).T @ g @ np.linalg.inv(x).T, (3, 3)),
    "least squares": (least_squares, least_squares_gradient, (5, 3), (5,)),
    "logs of differences": (
        lambda x: np.sum(np.log(np.abs(x[0] - x[1]))), lambda x: np.outer([1, -1], 1 / (x[0] - x[1])), (2, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", SINGULAR)
@pytest.mark.parametrize("seed", thorough(range(24), quick=[0]))
def test_a_layout_of_stride_0_does_not_refuse_what_jumps_there(name, seed):
    f, grad, *shapes = SINGULAR[name]
    rng = np.random.default_rng(seed)
    assert check_gradient(f, grad, *(rng.normal(size=shape) for shape in shapes)).status == "right"


@pytest.mark.thorough
@pytest.mark.parametrize("x", [1.5, X, X / 1e3, X * 1e3, np.ones(3), X.astype(np.float32)], ids=str)
def test_a_gradient_that_keeps_its_first_point_is_wrong(x):
    kept = {}
    with pytest.raises(GradientMismatch, match=r"^<lambda>, at another point: .*\n  At the first point it is not"):
        check_gradient(lambda x: np.sum(x**3), lambda x: kept.setdefault(np.shape(x), 3 * x**2), x)


def test_layouts_that_the_function_rejects_are_not_tested():
    def only_positive_strides(x):
        assert min(x.strides) >= 0
        return x

    check_gradient(lambda x: only_positive_strides(x) ** 3, lambda x, g: 3 * x**2 * only_positive_strides(g), X)


def test_a_forward_derivative_must_agree_with_the_gradient():
    report = check_gradient(lambda x: x**3, lambda x, g: 3 * x**2 * g, X, jvp=lambda x, u: 3 * x**2 * u)
    assert [v.status for v in report.verdicts if v.law == "jvp equals vjp"] == ["right"]
    with pytest.raises(GradientMismatch, match="is not the transpose of the gradient"):
        check_gradient(
            lambda x: x**3, lambda x, g: 3 * x**2 * g, X, jvp=lambda x, u: 3.1 * x**2 * u, skip=["forward slope"]
        )
