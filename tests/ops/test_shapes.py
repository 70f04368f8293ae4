"""Functions that move elements, in all forms of calls that NumPy accepts: values, dtypes, views and errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tests.effort import with_each
from tests.ops.groups import written
from tinygrad_edu.engine import values_of
from tinygrad_edu.errors import DTypeError, ShapeError, StaleValueError
from tinygrad_edu.testing.strategies import calls
from tinygrad_edu.testing.strategies.op_calls.several import JOINING, SEVERAL

ROW, A, B, CUBE = np.arange(3.0), np.arange(6.0).reshape(2, 3), -np.arange(6.0).reshape(2, 3), np.arange(24.0)
INT8, BOOLS, FLOAT32 = A.astype(np.int8), A > 2, A.astype(np.float32)
SPACE = {
    "row": ROW, "a": A, "b": B, "cube": CUBE.reshape(2, 3, 4), "number": np.array(2.5), "nothing": np.zeros((0, 3)),
    "square": np.arange(16.0).reshape(4, 4), "int8": INT8, "bools": BOOLS, "float32": FLOAT32,
    "half": np.arange(4, dtype=np.float16),
}  # fmt: skip


def same(ours, numpys):
    """Compare one or several results with NumPy's: container, shapes, dtypes and values."""
    if isinstance(numpys, tuple | list):
        assert (type(ours), len(ours)) == (type(numpys), len(numpys))
        for pair in zip(ours, numpys, strict=True):
            same(*pair)
    else:
        ours = values_of(ours)
        assert (ours.dtype, ours.shape) == (numpys.dtype, numpys.shape)
        np.testing.assert_array_equal(ours, numpys)


NUMPYS_FORMS = """
ravel(a); ravel(a, "F"); ravel(number); ravel(int8, order="F"); reshape(a, 6); reshape(a, (3, -1), "F")
moveaxis(cube, 0, -1); moveaxis(cube, [0, 1], [-1, 0]); moveaxis(cube, (), ()); moveaxis(int8, 0, 1)
tile(a, 2); tile(a, (2,)); tile(a, [2, 1, 2]); tile(row, (2, 2)); tile(number, ()); tile(int8, 0); tile(bools, (1, 2))
tile(a, np.array([2, 3])); tile(nothing, 2)
repeat(a, 2); repeat(a, 2, 1); repeat(a, [2], -1); repeat(a, [1, 0, 3], axis=1); repeat(int8, np.array([2, 0]), 0)
repeat(number, 3); repeat(number, 3, 0); repeat(a, [0, 1, 2, 3, 0, 1]); repeat(nothing, 2); repeat(nothing, [], 0)
repeat(bools, repeats=(1, 2), axis=0); repeat(half, 0)
roll(a, 1); roll(a, -7); roll(a, 1, 0); roll(a, (1, 2), (0, 1)); roll(a, 1, (0, 1)); roll(a, [1, 2], -1)
roll(a, (1, 2)); roll(a, np.uint8(2)); roll(int8, 1, axis=1); roll(number, 3); roll(nothing, 1)
split(square, 2); split(square, [1, 2]); split(square, (1,), 1); split(square, np.array([3, 1]), -1); split(row, [])
split(row, [5]); split(row, [-1]); split(nothing, 3, axis=1); split(int8, np.int64(3), 1); array_split(square, 3)
array_split(row, 5); array_split(a, indices_or_sections=2, axis=-1); array_split(nothing, 2); array_split(row, range(2))
hsplit(row, 3); hsplit(a, [1]); vsplit(a, 2); dsplit(cube, [1, 3]); unstack(a); unstack(cube, axis=-1); unstack(nothing)
vstack([row, row]); vstack((a, row)); vstack([number, number]); vstack(cube); hstack([row, number]); hstack([a, b])
hstack(cube); dstack([a, b]); dstack([row, row]); dstack((number,)); column_stack([row, row]); column_stack([a.T, row])
column_stack([number, number]); vstack([int8, bools]); hstack([float32, half[:2].reshape(2, 1)])
vstack([a, b], dtype=np.float32); hstack([int8, int8], dtype=float); stack([a, b], dtype=np.float16)
concatenate([a, b], dtype=int, casting="unsafe"); concatenate((a, row), None); concatenate(a)
concatenate([[1, 2], [3]]); concatenate([int8, bools], axis=-1); stack(a, -1); stack([number, number])
stack([[1, 2.5], [3, 4]], axis=1)
block([a, b]); block([[a], [b]]); block([[a, b], [b, a]]); block([1, row]); block([[1, 2], [3, 4]]); block(a)
block(3); block([[np.eye(2), a], [a.T, np.eye(3)]]); block([[[a]], [[b]]]); block([[cube, cube]]); block([int8, bools])
atleast_1d(number); atleast_1d(a, number); atleast_2d(row); atleast_2d(number, row, cube); atleast_3d(number)
atleast_3d(row, a, cube); atleast_1d(); atleast_2d([1, 2]); atleast_3d(int8); atleast_2d(nothing)
tril(a); tril(cube, 1); tril(row); triu(row, 1); triu(int8, -1); triu(bools); tril(nothing); triu(cube, k=-2)
diag(row); diag(row, 2); diag(a, -1); diag(square, k=3); diag(a, 9); diag(np.zeros(0)); diag(int8[0]); diag(bools[1])
diagonal(a); diagonal(cube, 1, 1, 2); diagonal(cube, offset=-1, axis1=-1, axis2=0); diagonal(a, -5); trace(a)
trace(int8); trace(cube, 1, 2, 0); trace(bools); trace(a, dtype=np.float32); trace(half.reshape(2, 2)); diagflat(a)
diagflat(number); diagflat([1, 2], -1)
meshgrid(row, half); meshgrid(row, half, indexing="ij"); meshgrid(row, number, half); meshgrid(row); meshgrid()
meshgrid(a, row, sparse=True); meshgrid(int8, bools, copy=False); meshgrid(row, half, sparse=True, indexing="ij")
rot90(a); rot90(a, 2); rot90(cube, 3, (1, 2)); rot90(cube, -1, axes=(2, 0)); rot90(int8, 4); fliplr(a); flipud(row)
flipud(a); fliplr(nothing); broadcast_arrays(a, row, number); broadcast_arrays(row); broadcast_arrays(nothing, row)
pad(a, 1); pad(a, ((1, 2), (3, 0))); pad(a, ((1, 2),)); pad(a, ((1,), (2,))); pad(a, {0: 1, -1: (0, 2)})
pad(int8, 1, constant_values=2.7); pad(a, 1, constant_values=(1, 2)); pad(a, 2, constant_values=((1, 2), (3, 4)))
pad(a, 1, "constant", constant_values=5); pad(number, 1); pad(nothing, 1); pad(bools, 1); pad(half, 1)
pad(a, 2, "reflect", reflect_type="even")
"""
PADS = [
    f'pad({array}, {width}, mode="{mode}")'
    for array, widths in {
        "row": (0, 2, (9, 4), {0: 3}, {-1: (0, 7)}), "a": (1, ((1, 2),), ((5, 0), (8, 9)), ((1,), (2,)), {0: 7}),
        "a[:1]": (3, ((2, 1), (0, 6))), "cube[:, :1]": (2,), "int8": (1,), "half": ((2, 11),), "number": (0,),
        "np.zeros((2, 0))": (0, ((1, 2), (0, 0))),
    }.items()
    for width in widths
    for mode in ("edge", "reflect", "symmetric", "wrap")
]  # fmt: skip


@with_each("call", written(NUMPYS_FORMS) + PADS)
def test_a_form_that_numpy_takes(call):
    for inputs in (SPACE, {name: tg.Tensor(x) for name, x in SPACE.items()}):
        same(eval(f"tg.{call}", {"tg": tg, "np": np, **inputs}), eval(f"np.{call}", {"np": np, **SPACE}))


@pytest.mark.parametrize("name", SEVERAL)
@given(data=st.data())
def test_several_results_are_numpys_one_by_one(name, data):
    call = data.draw(calls(name))
    function, numpys = call.function.__wrapped__, getattr(np, "unstack" if name == "unbind" else name)
    expected = numpys(*call.inputs, **call.settings)
    expected = tuple(expected) if name == "meshgrid" else expected  # NumPy returns a list if copy=False
    for inputs in (call.inputs, [tg.Tensor(x) for x in call.inputs]):
        same(function(*inputs, **call.settings), expected)


# --- Errors ---

REFUSED = {
    'reshape(a, 6, order="K")': (ValueError, "got 'K'"), 'ravel(a, "A")': (ValueError, "got 'A'"),
    "flatten(a, 1, 0)": (ShapeError, r"start_axis 1 must not .*\(2, 3\)"), "flatten(a, 2)": (ValueError, "axis 2"),
    "broadcast_arrays(a, half)": (ShapeError, r"\(2, 3\), \(4,\)\] are not broadcastable"),
    "moveaxis(a, 2, 0)": (ValueError, "axis 2"), "moveaxis(a, (0, 1), 0)": (ValueError, "same number"),
    "rot90(row)": (ValueError, "Axes"), "fliplr(row)": (ValueError, "axis 1"), "flipud(number)": (ValueError, "axis 0"),
    "tile(a, -1)": (ShapeError, "negative"), "repeat(a, [1, 2], 1)": (ShapeError, "op repeat: .*broadcast"),
    "concatenate(x for x in [a])": (DTypeError, "got generator"), "vstack(5)": (DTypeError, "expected a list"),
    "concatenate([])": (ValueError, "at least one"), "stack([])": (ValueError, "at least one"),
    "concatenate([number])": (ValueError, "zero-dimensional"), "concatenate([a, row])": (ValueError, "dimension"),
    "stack([a, row])": (ShapeError, r"got \(2, 3\), \(3,\)"), "concatenate([a], dtype=int)": (DTypeError, "same_kind"),
    "hstack([a], dtype=np.float32, casting='no')": (DTypeError, "from float64 to float32 with casting='no'"),
    "block([a, [b]])": (ShapeError, "the same depth"), "block([])": (ShapeError, "nonempty"),
    "block((a, b))": (DTypeError, "tuple"), "block([[a, b], [row]])": (ShapeError, "op concatenate"),
    "split(a, 2, 1)": (ShapeError, "an axis of length 3 into 2 equal parts"), "split(a, 0)": (ValueError, "got 0"),
    "split(a, 1.5)": (DTypeError, "must be an integer"), "array_split(a, [[1]])": (DTypeError, "integer positions"),
    "split(a, 2, 5)": (ValueError, "axis 5"), "hsplit(number, 1)": (ShapeError, "at least 1 axes"),
    "vsplit(row, 1)": (ShapeError, "at least 2 axes"), "dsplit(a, 1)": (ShapeError, "at least 3 axes"),
    "unstack(number)": (ValueError, "axis 0"), "unbind(a, 2)": (ValueError, "axis 2"),
    'meshgrid(row, indexing="yx")': (ValueError, "indexing must be"), "diag(cube)": (ShapeError, r"shape \(2, 3, 4\)"),
    "diag(number)": (ShapeError, "1-d or 2-d"), "tril(number)": (ShapeError, "got a scalar"),
    "diagonal(row)": (ValueError, "two"), "diagonal(a, 0, 1, 1)": (ValueError, "same"),
    "trace(row)": (ValueError, "two"),
    'pad(a, 1, "mean")': (ValueError, "must be 'constant', 'edge', .*got 'mean'"),
    'pad(a, 1, "reflect", reflect_type="odd")': (ValueError, "must be 'even', got 'odd'"),
    'pad(a, 1, "edge", constant_values=1)': (ValueError, "constant_values requires mode constant"),
    'pad(nothing, 1, "wrap")': (ShapeError, r"axis 0 of shape \(0, 3\) is empty"),
    'pad(a, -1, "edge")': (ValueError, "negative"), "pad(a, -1)": (ValueError, "negative"),
    'pad(a, 1.5, "edge")': (TypeError, "integral"), 'pad(a, {2: 1}, "edge")': (ValueError, "axis 2"),
    'pad(a, ((1, 2), (1, 2), (1, 2)), "edge")': (ValueError, "broadcast"),
}  # fmt: skip


@with_each("call", REFUSED)
def test_what_does_not_fit_is_refused_in_words(call):
    error, words = REFUSED[call]
    for inputs in (SPACE, {name: tg.Tensor(x) for name, x in SPACE.items()}):
        with pytest.raises(error) as caught:
            eval(f"tg.{call}", {"np": np, "tg": tg, **inputs})
        caught.match(words)


# --- Methods, views, and Tensors joined with arrays ---

METHODS = """
broadcast_to((4, 3, 4, 4)); diagonal(1, 0, 1); trace(1, axis1=2); flatten(); flatten(1); flatten(-2, end_axis=-1)
fliplr(); flipud(); moveaxis(0, 2); ravel(); ravel("F"); repeat(2, 0); repeat([1, 2, 3], axis=0); roll(1); roll(1, 2)
rot90(); rot90(3, axes=(1, 2)); split(3); split([1], axis=-1); hsplit(2); vsplit([1]); dsplit(4); tile(2); tile((2, 1))
tril(); tril(-1); triu(1); unbind(); unbind(axis=1); diagflat(); swapaxes(0, 2); expand_dims(1); squeeze()
"""


@with_each("call", written(METHODS))
def test_a_method_is_the_function_of_its_name(call):
    space = {"tg": tg, "t": tg.Tensor(np.arange(48.0).reshape(3, 4, 4), requires_grad=True)}
    wanted = eval(f"tg.{call.replace('(', '(t, ', 1)}", space)
    same(eval(f"t.{call}", space), type(wanted)(map(values_of, wanted)) if isinstance(wanted, list | tuple) else
         wanted.numpy())  # fmt: skip


def test_a_tensor_has_its_last_axes_exchanged():
    t = tg.Tensor(np.arange(24.0).reshape(2, 3, 4), requires_grad=True)
    same(t.mT, t.numpy().mT)
    same(t.reshape(4, 6, order="F"), t.numpy().reshape(4, 6, order="F"))
    (t.mT * np.arange(24.0).reshape(2, 4, 3)).sum().backward()
    np.testing.assert_array_equal(t.grad, np.arange(24.0).reshape(2, 4, 3).mT)


VIEWS = """
ravel(x); flatten(x, 1); reshape(x, (4, 6)); moveaxis(x, 0, 1); swapaxes(x, 0, 1); squeeze(x); expand_dims(x, 0)
flip(x); fliplr(x); flipud(x); rot90(x, 1, (1, 2)); diagonal(x); diag(x[0]); atleast_3d(x[0])
split(x, 3, 1)[1]; array_split(x, 2)[1]; hsplit(x, [1])[0]; vsplit(x, 2)[1]; dsplit(x, 2)[0]; unstack(x)[1]
unbind(x, 2)[3]; broadcast_to(x, (5, 2, 3, 4)); meshgrid(x, copy=False)[0]; broadcast_arrays(x, x[0])[1]
"""


@with_each("call", written(VIEWS))
def test_what_is_a_view_in_numpy_is_one_here(call):
    x = np.arange(24.0).reshape(2, 3, 4)
    assert np.shares_memory(eval(f"tg.{call}", {"tg": tg, "x": x}), x)
    t = tg.Tensor(x, requires_grad=True) * 1.0
    view = eval(f"tg.{call}", {"tg": tg, "x": t})
    assert np.shares_memory(view.numpy(), t.numpy())
    squared = tg.square(view)
    t.assign(x)
    with pytest.raises(StaleValueError):  # the view shares the version counter of its base
        squared.sum().backward()


COPIES = """
tile(x, 1); repeat(x, 1, 0); roll(x, 0); tril(x, 9); concatenate([x]); pad(x, 0); pad(x, 0, "edge"); diagflat(x)
"""


@pytest.mark.parametrize("call", written(COPIES))
def test_what_is_a_copy_in_numpy_is_one_here(call):
    x = np.arange(6.0).reshape(2, 3)
    out = eval(f"tg.{call}", {"tg": tg, "x": x})
    assert out.flags.writeable
    assert not np.shares_memory(out, x)


@pytest.mark.parametrize("name", [name for name in JOINING if name not in ("concat", "stacked", "block")])
@pytest.mark.parametrize("others", [np.arange(4.0).reshape(2, 2), [[1, 2], [3, 4]], np.eye(2, dtype=int)])
def test_tensors_are_joined_with_arrays_and_lists_in_their_own_dtype(name, others):
    t = tg.Tensor(np.arange(4.0).reshape(2, 2), dtype=np.float32, requires_grad=True)
    out = getattr(tg, name)([others, t, others])
    same(out, getattr(np, name)([np.asarray(x, np.float32) for x in (others, t.numpy(), others)]))
    out.backward(np.arange(out.size, dtype=np.float32).reshape(out.shape))
    numbered = getattr(np, name)([np.zeros((2, 2)), np.arange(1, 5).reshape(2, 2), np.zeros((2, 2))])
    np.testing.assert_array_equal(t.grad, np.argsort(numbered, axis=None)[-4:].reshape(2, 2))
