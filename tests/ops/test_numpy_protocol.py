"""NumPy functions called with Tensors: they call our function of that name, or raise an error with a reason."""

import inspect
import warnings

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tests.effort import with_each
from tinygrad_edu import Tensor
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.ops import creation, numpy_protocol
from tinygrad_edu.testing.strategies import OP_CALLS, calls

A, B = np.array([[0.5, 1.5, 2.5], [3.5, 4.5, 5.5]]), np.array([[2.0, 1.0, 2.5], [0.5, 4.5, 1.0]])


def dispatched(function):
    """Return whether a NumPy function dispatches on its arguments."""
    return isinstance(function, np.ufunc) or hasattr(function, "_implementation")


PUBLIC = sorted({*tg.ops.__all__, *creation.__all__})
SHARED = [name for name in PUBLIC if dispatched(getattr(np, name, None))]


def values(out):
    return [np.asarray(tg.engine.values_of(x)) for x in (out if isinstance(out, tuple | list) else [out])]


def kinds(out):
    """Return the type of each result, and whether it requires a gradient; split has several results."""
    return [(type(x), getattr(x, "requires_grad", None)) for x in (out if isinstance(out, tuple | list) else [out])]


def is_numpys(function, inputs, settings):
    """Return whether NumPy's function accepts these arguments."""
    if isinstance(function, np.ufunc):
        return not settings and len(inputs) == function.nin
    try:
        inspect.signature(function).bind(*inputs, **settings)
    except TypeError:
        return False
    return True


# Not comparable call by call: a required dtype, nested lists, settings that NumPy lacks, in place in NumPy.
OF_ANOTHER_FORM = {"astype", "block", "sort", "put_along_axis"}


@pytest.mark.parametrize("name", [name for name in SHARED if name in OP_CALLS and name not in OF_ANOTHER_FORM])
@given(data=st.data())
def test_numpys_function_of_a_name_is_ours(name, data):
    call = data.draw(calls(name))
    inputs = [Tensor(x, requires_grad=True) if k in call.differentiable else x for k, x in enumerate(call.inputs)]
    function, mine = getattr(np, name), getattr(tg, name)
    if not isinstance(function, np.ufunc) and next(iter(inspect.signature(function).parameters)) in ("arrays", "tup"):
        inputs = [inputs]  # a function of a list
    assume(call.differentiable and is_numpys(function, inputs, call.settings))
    found, wanted = (f(*inputs, **call.settings) for f in (function, mine))
    for x, y in zip(values(found), values(wanted), strict=True):
        np.testing.assert_array_equal(x, y)
    assert kinds(found) == kinds(wanted)


# Defaults that differ without an effect on results.
OTHER_DEFAULTS = {("einsum", "optimize"), *((name, "dtype") for name in creation.__all__)}


def defaults(function):
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty and p.default is not np._NoValue}


@with_each("name", [name for name in SHARED if not isinstance(getattr(np, name), np.ufunc)])
def test_the_defaults_are_numpys(name):
    mine, theirs = defaults(getattr(tg, name)), defaults(getattr(np, name))
    shared = {each for each in mine.keys() & theirs.keys() if (name, each) not in OTHER_DEFAULTS}
    assert {each: mine[each] for each in shared} == {each: theirs[each] for each in shared}


# --- Forms of calls of NumPy functions, each with an equivalent call of ours ---

CALLS = {
    "np.sum(t, 0, None, None, True)": "tg.sum(t, 0, True)", "np.sum(a=t, axis=0)": "tg.sum(t, 0)",
    "np.mean(t, axis=1, dtype=None, out=None, keepdims=np._NoValue)": "tg.mean(t, 1)",
    "np.sum(t, where=True)": "tg.sum(t)", "np.sum(t, where=A > 1)": "tg.sum(tg.where(A > 1, t, 0))",
    "np.max(t, 0, initial=2.0, where=A > 1)": "tg.max(t, axis=0, initial=2.0, where=A > 1)",
    "np.add.reduce(t, where=A > 1, initial=1)": "tg.sum(t, 0, initial=1, where=A > 1)",
    'np.exp(t, out=None, where=True, casting="same_kind", subok=True)': "tg.exp(t)",
    "np.clip(t, a_min=1, a_max=2)": "tg.clip(t, 1, 2)", "np.clip(t, 1.0, None)": "tg.clip(t, min=1.0)",
    'np.reshape(t, shape=(3, 2), order="C", copy=None)': "tg.reshape(t, (3, 2))",
    "np.concatenate([A, t, t], 1)": "tg.concatenate([A, t, t], 1)",
    "np.stack(arrays=(t, A), axis=-1)": "tg.stack((t, A), -1)",
    'np.pad(t, 1, "constant", constant_values=2.0)': "tg.pad(t, 1, constant_values=2.0)",
    "np.block([[t, A], [A, t]])": "tg.block([[t, A], [A, t]])", "np.astype(t, np.float32)": "tg.astype(t, np.float32)",
    'np.sort(t, axis=0, kind="stable")': "tg.sort(t, axis=0)", "np.absolute(t)": "tg.abs(t)", "np.fabs(t)": "tg.abs(t)",
    "np.amax(t, 1)": "tg.max(t, axis=1)", "np.float_power(t, 3)": "tg.power(t, 3)",
    "np.permute_dims(t, (1, 0))": "tg.transpose(t)", "np.concat([t, t])": "tg.concatenate([t, t])",
    "np.copy(t)": "t.copy()", "np.add.reduce(t)": "tg.sum(t, 0)", "np.maximum.reduce(t, axis=None)": "tg.max(t)",
    "np.minimum.reduce(t, 1, keepdims=True)": "tg.min(t, axis=1, keepdims=True)",
    "np.multiply.outer(A, t)": "A.reshape(2, 3, 1, 1) * t", "np.subtract.outer(t, t[0])": "t.reshape(2, 3, 1) - t[0]",
    "A * t": "t * A", "A.T @ t": "tg.matmul(A.T, t)", "np.float64(2) ** t": "tg.power(2.0, t)",
    "np.zeros_like(t)": "tg.zeros_like(t)",
    'np.full_like(t, 3, int, "K", True, (2,))': "tg.full_like(t, 3, int, shape=(2,))",
}  # fmt: skip


@with_each("call", CALLS)
def test_a_call_is_read_as_numpy_reads_it(call):
    t = Tensor(A, requires_grad=True)
    found, wanted = (eval(code, {**globals(), "t": t}) for code in (call, CALLS[call]))
    assert isinstance(found, Tensor)
    assert (found.requires_grad, found.dtype) == (wanted.requires_grad, wanted.dtype)
    np.testing.assert_array_equal(found.numpy(), wanted.numpy())


def test_divmod_is_two_functions():
    x = Tensor([7.0, -7.0], requires_grad=True)
    for pair in (np.divmod(x, 2.0), divmod(np.array([7.0, -7.0]), x)):
        quotient, rest = pair
        assert quotient.requires_grad
        assert rest.requires_grad


def test_numpy_functions_have_gradients():
    x = Tensor(A, requires_grad=True)
    np.sum(np.tanh(x) * np.ones(3), axis=0).sum().backward()
    np.testing.assert_allclose(x.grad, 1 - np.tanh(A) ** 2)


# --- Calls that raise ---

REFUSED = {
    "np.fft.fft(t)": r"np\.fft\.fft is not supported for Tensors that require a gradient.*\.numpy\(\)",
    "np.add.reduceat(t, [0])": r"np\.add\.reduceat is not supported",
    "np.exp(t, dtype=np.float32)": r"np\.exp: dtype= is not supported for Tensors; supported: none",
    "np.exp(t, where=A > 1)": r"np\.exp: where= is not supported",
    "np.sum(t, out=A)": r"np\.sum: out= is not supported",
    "np.mean(t, dtype=int)": r"np\.mean: dtype= is not supported.*axis, keepdims, where",
    "np.exp(t, out=np.empty((2, 3)))": r"np\.exp: out= is not supported.*a = a \+ t",
    "A.copy().__iadd__(t)": r"np\.add: out= is not supported",
    "np.exp(A, out=t)": r"np\.exp cannot write into a Tensor.*t\.assign",
    "np.copyto(t, A)": r"np\.copyto cannot write into a Tensor",
    "np.fill_diagonal(t.detach(), 1.0)": r"np\.fill_diagonal cannot write into a",
    "np.copyto(A.copy(), t)": r"np\.copyto is not supported",
    "np.linspace(0, t, 3)": r"linspace: stop is not differentiable",
}  # fmt: skip


@pytest.mark.parametrize("call", REFUSED)
def test_what_cannot_be_done_is_refused_in_a_sentence(call):
    with pytest.raises(DTypeError, match=REFUSED[call]):
        eval(call, {**globals(), "t": Tensor(A, requires_grad=True)})


# --- Calls that lose no gradient ---

WHOLE = {np.gcd, np.lcm, np.left_shift, np.right_shift, np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert,
         np.bincount, np.unravel_index, np.ravel_multi_index}  # fmt: skip
ARGUMENTS = {
    np.argpartition: (1,), np.isin: ([1.0],), np.searchsorted: (1.5,), np.digitize: (np.array([1.0, 2.0]),),
    np.can_cast: (np.float64,), np.unravel_index: (10,), np.ravel_multi_index: (9,), np.matrix_transpose: (),
}  # fmt: skip


@pytest.mark.parametrize(
    "question", sorted(numpy_protocol.NONDIFFERENTIABLE, key=lambda f: f.__name__), ids=lambda f: f.__name__
)
def test_a_question_is_answered_by_plain_numpy(question, tmp_path):
    if question in (np.result_type, np.can_cast):
        assert np.result_type(Tensor(A)) == np.float64
        return
    if question in (np.save, np.savez, np.savez_compressed, np.savetxt):
        question(tmp_path / "a.npz", Tensor([1.0], requires_grad=True))
        return
    a = np.array([3, 1, 2]) if question in WHOLE else np.array([1.0, 0.0, 2.0])
    a = np.diag(a) if question is np.linalg.matrix_rank else a
    t = Tensor(a, requires_grad=a.dtype.kind == "f")
    binary = isinstance(question, np.ufunc) and question.nin == 2
    two = binary or question in (np.isclose, np.allclose, np.array_equal, np.array_equiv, np.shares_memory,
                                 np.may_share_memory)  # fmt: skip
    rest = (a[::-1].copy(),) if two else ARGUMENTS.get(question, ())
    given, plain = ((t,), (a,)) if question is np.ravel_multi_index else (t, a)
    found, wanted = question(given, *rest), question(plain, *rest)
    for x, y in zip(values(found), values(wanted), strict=True):
        np.testing.assert_array_equal(x, y)


def test_a_constant_has_no_gradient_to_lose():
    c = Tensor(A)
    np.testing.assert_array_equal(np.fft.fft(c), np.fft.fft(A))
    np.testing.assert_array_equal(np.add.reduceat(c, [0]), np.add.reduceat(A, [0]))
    out = np.empty((2, 3))
    np.copyto(out, c)
    np.testing.assert_array_equal(out, A)


def test_where_of_a_condition_alone_says_where_it_holds():
    np.testing.assert_array_equal(np.where(Tensor([0.0, 2.0], requires_grad=True)), [[1]])


@pytest.mark.parametrize("compare", [np.testing.assert_allclose, np.testing.assert_array_equal,
                                     np.testing.assert_array_almost_equal])  # fmt: skip
def test_numpys_assertions_take_tensors(compare):
    x = Tensor(A, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for pair in ((x, A), (A, x), (x, x * 1.0)):
            compare(*pair)
        with pytest.raises(AssertionError):
            compare(x, A + 1)
    with pytest.raises(DTypeError):
        np.asarray(x)


@pytest.mark.parametrize("f", [np.fabs, lambda t: np.float_power(t, 3), lambda t: np.float_power(2.0, t)])
@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint64])
def test_what_numpy_computes_in_floats_is_a_float_of_whole_numbers(f, dtype):
    found = f(tg.Tensor(np.array([1, 100], np.uint8).astype(dtype)))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.numpy(), f(np.array([1, 100], np.uint8).astype(dtype)), rtol=1e-6)
