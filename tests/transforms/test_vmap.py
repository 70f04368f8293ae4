"""vmap: nested, in any order with the other transforms, of indices and random numbers, and its errors."""

import copy
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.engine import levels_of, mapped
from tinygrad_edu.errors import DTypeError, LoopWarning, MappedValueError, ShapeError
from tinygrad_edu.ops.indices.indexing import getitem
from tinygrad_edu.testing import LawBroken, check_vjp, check_vmap

RNG = np.random.default_rng(0)
X, Y, V, W = (RNG.standard_normal(shape) for shape in ((5, 3), (4, 3), (5, 3), (3, 3)))


def scalar(x):
    return (tg.sin(x) * tg.exp(x * x[::-1])).sum()


def vector(x):
    return tg.tanh(tg.Tensor(W) @ x) * x


def pair(w, x):
    return (tg.tanh(w @ x) ** 2).sum()


saving = tg.checkpoint(lambda x: tg.tanh(x) * x)


@tg.custom_vjp
def sine_and_squares(w, x):
    return {"sine": tg.sin(w * x), "squares": (x * x).sum()}


def backward(residuals, g):
    w, x = residuals
    slope = g["sine"] * tg.cos(w * x)
    return slope * x, slope * w + 2 * x * g["squares"]


sine_and_squares.defvjp(lambda w, x: (sine_and_squares.f(w, x), (w, x)), backward)


def of_results(w, x):
    out = sine_and_squares(w, x)
    return (out["sine"] ** 2).sum() * out["squares"]


# A function of samples, the arrays of all samples, and their axes.
CASES = {
    "gradients of shared weights": (tg.grad(pair), (W, X), (None, 0)),
    "values and gradients": (tg.value_and_grad(scalar), (X,), 0),
    "gradients of gradients": (tg.grad(lambda x: (tg.grad(scalar)(x) ** 2).sum()), (X,), 0),
    "the other axis": (scalar, (X.T,), 1),
    "the last axis": (scalar, (X.T,), -1),
    "Jacobians": (tg.jacobian(vector), (X,), 0),
    "Hessians": (tg.hessian(scalar), (X,), 0),
    "products with Hessians": (lambda x, v: tg.hvp(scalar, x, v), (X, V), 0),
    "forward derivatives": (lambda x, v: tg.jvp(vector, (x,), (v,))[1], (X, V), 0),
    "pullbacks": (lambda x, v: tg.vjp(vector, x)[1](v)[0], (X, V), 0),
    "vmap of a pullback": (lambda x: tg.vmap(tg.vjp(vector, x)[1])(np.eye(3))[0], (X,), 0),
    "vmap": (lambda x: tg.vmap(lambda y: (x * y).sum())(Y), (X,), 0),
    "vmap of gradients": (lambda x: tg.vmap(tg.grad(pair), (None, 0))(tg.Tensor(W) * x, Y), (X,), 0),
    "a gradient of vmap": (tg.grad(lambda x: tg.vmap(lambda y: tg.tanh(x * y).sum())(Y).prod()), (X,), 0),
    "checkpoint": (lambda x: saving(saving(x)).sum(), (X,), 0),
    "gradients of checkpoint": (tg.grad(lambda x: (tg.grad(lambda x: saving(x).sum())(x) ** 2).sum()), (X,), 0),
    "checkpoint of vmap": (lambda x: tg.checkpoint(tg.vmap(lambda y: (x * y).sum()))(tg.Tensor(Y)), (X,), 0),
    "custom_vjp": (of_results, (W[0], X), (None, 0)),
    "gradients of custom_vjp": (tg.grad(lambda w, x: (tg.grad(of_results, 1)(w, x) ** 2).sum()), (W[0], X), (None, 0)),
    "rows of a table": (lambda table, k: table[k] * table[0], (X, np.array([1, 4, 1])), (None, 0)),
    "an element of each sample": (lambda x, k: x[k] ** 2, (X[:3], np.array([0, 2, 1])), 0),
    "elements of each sample": (lambda x, k: x[k] * x, (X[:3], RNG.integers(0, 3, (3, 3))), 0),
    "an outer index": (lambda k, x: tg.vmap(lambda row: row[k])(x), (np.array([2, 0, 1]), X[:3]), (0, None)),
    "an inner index": (lambda x: tg.vmap(lambda k: x[k] * x)(np.array([2, 0])), (X,), 0),
    "two indices": (lambda x, j: tg.vmap(lambda k: x[k] * x[j])(np.array([2, 0])), (X[:3], np.array([2, 0, 1])), 0),
    "an index behind a slice": (lambda x, k: tg.outer(x, x)[:, k] ** 2, (X[:3], RNG.integers(0, 3, (3, 2))), 0),
    "indices around a slice": (
        lambda x, k: tg.stack([tg.outer(x, x)] * 2)[1, :, k[:, None]], (X[:3], RNG.integers(0, 3, (3, 2))), 0
    ),
    "indices in a table behind an ellipsis": (
        lambda w, k: tg.tanh(w)[..., None, 1:, k], (W, np.array([0, 2, 1])), (None, 0)
    ),
    "an index of an array": (lambda k: tg.take(W, k, 1) * getitem(W, (slice(1), k)), (np.array([2, 0]),), 0),
    "weights of classes": (
        lambda x, y, w: tg.vmap(lambda row: tg.cross_entropy(row, y, w, ignore_index=2))(tg.outer(x, x)[None]),
        (X[:3], RNG.integers(0, 2, (3, 3)), np.array([1, 2, 0.5])), (0, 0, None)
    ),
    "a window": (lambda x, k: x[k : k + 2] ** 2, (X[:3], np.array([0, 1, 1])), 0),
    "a comparison": (lambda x: tg.where(x > 0, x, -2 * x) * (np.abs(x) < 1), (X,), 0),
    "several results": (lambda x: {"a": x.sum(), "b": (x, x * 2)}, (X,), 0),
    "constants like a sample": (lambda x: x * tg.ones_like(x) + tg.zeros_like(x), (X,), 0),
    "rows": (lambda x: tg.stack([2 * row for row in tg.outer(x, x)]), (X,), 0),
    "a mapped setting": (lambda x, k: tg.elu(x, k) * tg.elu(tg.Tensor(W[0]), k), (X, np.arange(5)), 0),
    "bounds": (lambda x, low: tg.clip(x, low, low + 1), (X, V), 0),
    "sizes": (lambda x: x * np.size(x[None], axis=1) + np.ndim(x) * np.shape(x)[0], (X,), 0),
    "NumPy functions": (lambda x: np.sum(np.tanh(x)) * np.any(np.isnan(x) | (x > 1)), (X,), 0),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::tinygrad_edu.errors.LoopWarning")  # for the mapped setting
@pytest.mark.parametrize("name", CASES)
def test_equals_a_loop(name):
    f, arrays, axes = CASES[name]
    check_vmap(f, *arrays, in_axes=axes)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["gradients of shared weights", "vmap", "custom_vjp", "checkpoint"])
def test_derivatives_of_vmap_equal_finite_differences(name):
    f, arrays, axes = CASES[name]
    check_vjp(tg.vmap(f, axes), *arrays)


def test_check_vmap_finds_a_mixture_of_samples_and_a_wrong_gradient():
    @tg.op(batching="elementwise")  # which it is not
    def share(x):
        return x / np.sum(x)

    share.vjps(x=lambda g, x: g / x.sum() - (g * x).sum() / x.sum() ** 2)
    with pytest.raises(LawBroken, match="vmap of op share: result 0 differs"):
        check_vmap(share, np.arange(1.0, 7.0).reshape(2, 3))

    @tg.op(batching="elementwise")
    def double(x):
        return x + x

    double.vjps(x=lambda g: 2 * g.mean() + 0 * g)
    with pytest.raises(LawBroken, match="vmap of op double: gradient of argument 0 differs"):
        check_vmap(double, X)
    with pytest.raises(LawBroken, match="1 results, where the loop has 2"):
        check_vmap(lambda x: [x] if levels_of(x) else [x, x], X)
    with pytest.raises(ShapeError, match=r"one length, got \[4, 5\]"):
        check_vmap(lambda x, y: x, X, Y)


# --- Parameters, state and random numbers ---


class Saving(nn.Module):
    def __init__(self):
        self.first, self.last = nn.Linear(3, 4, rng=RNG), nn.Linear(4, 1, rng=RNG)

    def forward(self, x):
        return self.last(tg.tanh(tg.checkpoint(self.first)(x)))


@pytest.mark.parametrize("model", [nn.Sequential(nn.Linear(3, 4, rng=RNG), nn.GELU(), nn.LayerNorm(4)), Saving()])
@pytest.mark.parametrize("detach", [False, True])
def test_gradients_of_parameters_for_each_sample(model, detach):
    parameters = {name: p.detach() if detach else p for name, p in model.named_parameters()}

    def loss(parameters, x):
        return (nn.functional_call(model, parameters, x) ** 2).sum()

    x = X.astype(np.float32)
    found = tg.vmap(tg.grad(loss), (None, 0))(parameters, x)
    for name in parameters:
        each = np.stack([tg.grad(loss)(parameters, row)[name].numpy() for row in x])
        assert np.abs(each).max() > 0
        np.testing.assert_allclose(found[name].numpy(), each, rtol=1e-4, atol=1e-5)


def test_random_numbers_are_refused_shared_or_different():
    def noise(x):
        return x + tg.normal(size=3, rng=np.random.default_rng(0))

    dropout = nn.Dropout(0.5, rng=np.random.default_rng(0))
    for f in (noise, dropout, nn.RReLU(rng=np.random.default_rng(0))):
        with pytest.raises(MappedValueError, match="randomness="):
            tg.vmap(f)(X)
    ones = np.ones((8, 20))
    same, different = (tg.vmap(dropout, randomness=word)(ones) for word in ("same", "different"))
    assert (same == same[0]).all()
    assert 0 < (same == 0).mean() < 1
    assert len({row.tobytes() for row in different}) == 8
    assert len(np.unique(tg.vmap(lambda x: tg.normal(size=3, rng=RNG), randomness="different")(X))) == 15
    gradients = tg.vmap(tg.grad(lambda x: dropout(x).sum()), randomness="different")(ones)
    assert set(np.unique(gradients)) == {0.0, 2.0}


@pytest.mark.filterwarnings("ignore::tinygrad_edu.errors.LoopWarning")
@pytest.mark.parametrize(
    "f",
    [
        nn.Dropout(0.5, rng=RNG),
        lambda x: nn.Dropout1D(0.5, rng=RNG)(x[:, None])[:, 0],
        lambda x: x + tg.normal(size=x.shape, rng=RNG),
        lambda x: tg.normal(x, x, rng=RNG),
        lambda x: tg.uniform(x, 2 * x, rng=RNG),
        lambda x: tg.permutation(x * np.arange(20), rng=RNG),
        lambda x: tg.integers(9, size=20, rng=RNG) + x,
    ],
)
def test_each_vmap_decides_about_its_own_samples(f):
    x = np.ones((2, 3, 20))
    for outer, inner, count in (("different", "different", 6), ("different", "same", 2), ("same", "different", 3)):
        out = tg.vmap(lambda row, word=inner: tg.vmap(f, randomness=word)(row), randomness=outer)(x)
        assert len({row.tobytes() for row in out.reshape(6, 20)}) == count
    for inner in ("same", "different"):
        with pytest.raises(MappedValueError, match="randomness="):
            tg.vmap(lambda row, word=inner: tg.vmap(f, randomness=word)(row))(x)


STATE = tg.Tensor(np.zeros(3))


def add_in_place(x):
    state = STATE
    with tg.no_grad():
        state += x


WRITES = {
    "assign": STATE.assign,
    "elements": lambda x: STATE.__setitem__(slice(None), x),
    "data": lambda x: STATE.data.__setitem__(slice(None), x),
    "in place": add_in_place,
    "np.add.at": lambda x: np.add.at(np.zeros(3), [0, 1, 2], x),
    "np.put": lambda x: np.put(np.zeros(3), [0, 1, 2], x),
    "running statistics": lambda x: nn.BatchNorm1D(3)(x[None] * np.ones((4, 1))),
}


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("count", [1, 5])
def test_a_write_to_state_raises(name, count):
    with pytest.raises(MappedValueError):
        tg.vmap(lambda x: (WRITES[name](x), x)[1])(X[:count])
    assert not STATE.numpy().any()


@pytest.mark.parametrize("name", [name for name in CASES if "index" in name or "indices" in name])
def test_indices_have_a_rule(name):
    f, arrays, axes = CASES[name]
    mapped._warned.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error", LoopWarning)
        tg.vmap(f, axes)(*arrays)


# --- Errors and warnings ---

VALUES = {
    "float()": float, "int()": int, "the truth value": bool, "item()": tg.Tensor.item, "numpy()": tg.Tensor.numpy,
    "the NumPy array": np.asarray, "tolist()": tg.Tensor.tolist, "backward()": tg.Tensor.backward,
}  # fmt: skip


@pytest.mark.parametrize("what", VALUES)
def test_a_value_of_a_sample_is_refused_with_the_reason(what):
    function = VALUES[what]
    with pytest.raises(MappedValueError, match=r"inside of vmap: it stands for 5 samples"):
        tg.vmap(lambda x: getattr(x, function.__name__)() if hasattr(x, function.__name__) else function(x))(X[:, 0])


def test_printing_shows_the_shape_of_a_sample():
    shown = []
    tg.vmap(lambda x: shown.append(f"{x} {x!s} {x!r}") or x)(X)
    assert shown == [" ".join(["Tensor(shape=(3,), dtype=float64, inside of vmap over 5 samples)"] * 3)]
    with pytest.raises(MappedValueError, match="a format"):
        tg.vmap(lambda x: f"{x[0]:.2f}")(X)


def test_an_index_of_an_array_or_a_list_is_refused_with_the_way():
    for rows, word in ((X, r"tg.Tensor\(a\)\[x\]"), (list(X), "Index a Tensor")):
        with pytest.raises(MappedValueError, match=word):
            tg.vmap(lambda k, rows=rows: tg.Tensor(rows[k]))(np.array([0, 1]))


@pytest.mark.parametrize("f", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_copy_is_refused(f):
    with pytest.raises(MappedValueError, match="a copy of a Tensor"):
        tg.vmap(f)(X)


def test_complex_numbers_are_refused():
    with pytest.warns(LoopWarning, match="fft"), pytest.raises(DTypeError, match="complex"):
        tg.vmap(lambda x: np.abs(np.fft.fft(x)))(X)


def test_an_error_of_an_op_names_the_axis_of_the_samples():
    with pytest.raises(IndexError, match="axis 1") as caught:
        tg.vmap(lambda x: x[3])(X)
    assert caught.value.__notes__[-1:] == ["In vmap: axis 0 of the mapped inputs of getitem is that of the 5 samples."]


def test_a_value_that_leaves_the_function_is_refused():
    kept = []
    tg.vmap(lambda x: kept.append(x) or x)(X)
    for use in (lambda x: x + 1, np.isnan, tg.vmap(lambda x: x), lambda x: tg.vmap(lambda y: x)(X)):
        with pytest.raises(MappedValueError, match="vmap"):
            use(kept[0])


def test_a_thread_has_a_context_of_its_own():
    def doubled(x, run=lambda f: f()):
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(run, lambda: x * 2).result()

    with pytest.raises(MappedValueError, match="vmap"):
        tg.vmap(doubled)(X)
    assert np.array_equal(tg.vmap(lambda x: doubled(x, copy_context().run))(X), 2 * X)


AXES = {
    "in_axes has 1 entries for 2": ((0,), (X, Y)),
    "different lengths, \\[4, 5\\]": (0, (X, Y)),
    "no argument is mapped": (None, (X, Y)),
    "has no axis 2": (2, (X, X)),
    "in_axes\\[1\\] must be an integer, None, or a nest": ((0, {"a": 0}), (X, X)),
    "has length 0": (0, (X[:0], X[:0])),
}


@pytest.mark.parametrize("words", AXES)
def test_wrong_axes_are_named(words):
    axes, arrays = AXES[words]
    with pytest.raises(ShapeError, match=words):
        tg.vmap(lambda x, y: x, axes)(*arrays)


def test_results_are_arrays_if_all_arguments_are():
    w = tg.Tensor(np.ones(3), requires_grad=True)
    double = tg.vmap(lambda x: 2 * x)
    assert isinstance(double(X), np.ndarray)
    assert isinstance(double(tg.Tensor(X)), tg.Tensor)
    assert isinstance(tg.vmap(lambda x, y: x * y)(X, tg.Tensor(X)), tg.Tensor)
    assert isinstance(tg.vmap(lambda x: w * x)(X), tg.Tensor)
    assert isinstance(tg.grad(lambda x: (double(X) * x).sum())(X), np.ndarray)
    assert np.array_equal(tg.vmap(lambda rows, i: rows[i], (None, 0))(X, np.array([2, 0])), X[[2, 0]])


def test_nests_of_axes_and_results():
    def f(p, x):
        return p["w"] @ x + p["b"], p["b"]

    weights = RNG.standard_normal((3, 3, 5))
    out, b = tg.vmap(f, in_axes=({"w": 2, "b": None}, 0), out_axes=(1, None))({"w": weights, "b": X[0]}, X)
    wanted = np.stack([weights[:, :, k] @ X[k] + X[0] for k in range(5)], axis=1)
    np.testing.assert_allclose(out, wanted)
    assert b.shape == (3,)


MISSING_AXES = {
    "cholesky": tg.linalg.cholesky, "inv": tg.linalg.inv, "svd": tg.linalg.svdvals, "qr": tg.linalg.qr,
    "eigh": tg.linalg.eigh, "pinv": tg.linalg.pinv, "cond": tg.linalg.cond,
    "power": lambda x: tg.linalg.matrix_power(x, 2), "solve": lambda x: tg.linalg.solve(x, np.ones((3, 3))),
    "matmul": lambda x: x[0] @ tg.ones((1, 1)),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::tinygrad_edu.errors.LoopWarning")
@pytest.mark.parametrize("name", MISSING_AXES)
def test_the_axis_of_the_samples_is_not_an_axis_of_a_matrix(name):
    with pytest.raises(ValueError, match=r"at least|dimension|square matrices|unpack"):
        tg.vmap(MISSING_AXES[name])(np.eye(3))


def test_an_op_on_the_last_axis():
    @tg.op(batching="vectors")
    def reverse(x):
        return x[..., ::-1]

    reverse.vjps(x=lambda g: g[..., ::-1])
    check_vmap(reverse, X)
    with pytest.warns(LoopWarning), pytest.raises(IndexError):
        tg.vmap(reverse)(X[:, 0])


def test_an_op_without_a_rule_runs_once_for_each_sample_and_warns_once():
    @tg.op
    def cumulated(x):
        return np.cumsum(x)

    cumulated.vjps(x=lambda g: g[::-1].cumsum()[::-1])
    with pytest.warns(LoopWarning, match="vmap: cumulated has no batching rule"):
        check_vmap(cumulated, X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_vmap(cumulated, X)


# --- Jacobians by vmap of the pullback ---


def counting(vjp):
    """Return an op whose vjp counts its calls, and the list of them."""
    calls = []

    @tg.op(batching="elementwise")
    def double(x):
        return x + x

    double.vjps(x=lambda g: (calls.append(g), vjp(g))[1])
    return double, calls


def test_rows_of_a_jacobian_are_computed_at_once():
    double, calls = counting(lambda g: 2 * g)
    x = np.arange(200.0)
    assert np.array_equal(tg.jacobian(double)(x), 2 * np.eye(200))
    assert len(calls) == 1
    assert tg.jacobian(lambda x: double(x)[:0])(x).shape == (0, 200)
    assert np.array_equal(tg.jacobian(double)(np.arange(600.0)), 2 * np.eye(600))
    assert len(calls) < 8


def test_a_vjp_for_arrays_alone_runs_row_by_row_with_a_warning():
    double, calls = counting(lambda g: 2 * np.frombuffer(g.tobytes(), g.dtype))
    with pytest.warns(LoopWarning, match="pullback"):
        found = tg.jacobian(double)(np.arange(4.0))
    assert np.array_equal(found, 2 * np.eye(4))
    assert len(calls) == 5
