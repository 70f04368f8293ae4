"""Declaration of an op from outside of the package; mistakes raise at the definition or in the backward pass."""

import copy
import pickle

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.effort import with_each
from tinygrad_edu import Tensor
from tinygrad_edu.errors import MissingVJPError, VJPDefinitionError, WrongGradientError

LOCALS_OF_THE_WRITTEN_OUT_CALL = [
    "node", "storage", "tensor", "op", "forward", "vjps", "links", "saved", "next", "clock", "kept", "Tensor", "Node",
    "make", "ndarray", "asarray", "shape_of", "error", "plain", "follow", "explain", "share", "FLOAT32", "vjp", "vjp",
    "is_grad_enabled", "data",
]  # fmt: skip


def declare(source, **vjps):
    """Make an op from the source of its forward, as in a user's file."""
    space = {}
    exec(source, space)
    made = tg.op(space["f"])
    made.vjps(**{name: eval(vjp) for name, vjp in vjps.items()})
    return made


@with_each("name", LOCALS_OF_THE_WRITTEN_OUT_CALL)
def test_an_input_may_have_any_name(name):
    f = declare(
        f"def f({name}, b): return {name} * b", **{name: "lambda g, b: g * b", "b": f"lambda g, {name}: g * {name}"}
    )
    x, y = Tensor([3.0], requires_grad=True), Tensor([5.0], requires_grad=True)
    f(x, y).backward()
    assert (x.grad, y.grad) == ([5.0], [3.0])


@with_each("name", [*LOCALS_OF_THE_WRITTEN_OUT_CALL, "x_data", "x_node", "x_storage", "default_x"])
def test_a_setting_may_have_any_name(name):
    f = declare(f"def f(x, *, {name}=2): return x * {name}", x=f"lambda g, {name}: g * {name}")
    x = Tensor([3.0], requires_grad=True)
    f(x).backward()
    assert x.grad == [2.0]
    x.zero_grad()
    f(x, **{name: 4}).backward()
    assert x.grad == [4.0]


@pytest.mark.parametrize("parameters", ["out", "x, x_shape", "x, _y", "x, **k", "x, *ys"])
def test_a_name_that_a_vjp_could_not_tell_apart_is_refused(parameters):
    with pytest.raises(VJPDefinitionError, match="'f'"):
        declare(f"def f({parameters}): ...")


# --- Inputs and settings ---


@tg.op
def scale(x, /, by=2.0, *, shift=0.0):
    return x * by + shift


scale.vjps(x=lambda g, by: g * by)


@tg.op
def weighted(x, y, *, weight, power=1):
    return x * weight + y**power


weighted.vjps(x=lambda g, weight: g * weight, y=lambda g, y, power: g * power * y ** (power - 1))


@pytest.mark.parametrize(
    ("call", "value", "slope"),
    [
        (lambda x: scale(x), 6, 2),
        (lambda x: scale(x, 5.0), 15, 5),
        (lambda x: scale(x, by=5.0), 15, 5),
        (lambda x: scale(x, 5.0, shift=1.0), 16, 5),
        (lambda x: scale(x, shift=1.0), 7, 2),
    ],
)
def test_settings_after_a_slash_go_by_position_or_by_keyword(call, value, slope):
    x = Tensor([3.0], requires_grad=True)
    out = call(x)
    out.backward()
    assert (out.item(), x.grad) == (value, [slope])


@pytest.mark.parametrize(
    "call",
    [
        lambda: scale(x=Tensor(1.0)),  # before the slash
        lambda: scale(Tensor(1.0), 2.0, 3.0),
        lambda: scale(Tensor(1.0), bye=2.0),
        lambda: scale(),
        lambda: weighted(Tensor(1.0), Tensor(1.0)),  # a setting without a default
        lambda: weighted(Tensor(1.0), weight=2.0),
        lambda: weighted(Tensor(1.0), Tensor(1.0), 2.0),
    ],
)
def test_a_call_that_python_would_refuse_is_refused_as_python_does(call):
    with pytest.raises(TypeError, match=r"(scale|weighted)\(\) (takes|got|missing)"):
        call()


# --- Values that a vjp may save ---


def test_a_vjp_gets_what_its_parameters_name():
    seen = {}

    @tg.op
    def f(x, y, *, a=1, b="two"):
        return x + y

    f.vjps(
        x=lambda g, out, y, x_shape, y_dtype, a, b: seen.update(x=(out, y, x_shape, y_dtype, a, b)) or g,
        y=lambda g, b, y_shape, x_dtype, x: seen.update(y=(b, y_shape, x_dtype, x)) or g,
    )
    x, y = Tensor([[1.0, 2.0]], requires_grad=True), Tensor([[3.0, 4.0]], requires_grad=True)
    f(x, y, a=7).sum().backward()
    out, given_y, *rest = seen["x"]
    assert (out.tolist(), given_y.tolist()) == ([[4, 6]], [[3, 4]])
    assert rest == [(1, 2), np.dtype(np.float32), 7, "two"]
    b, *rest, given_x = seen["y"]
    assert (b, rest, given_x.tolist()) == ("two", [(1, 2), np.dtype(np.float32)], [[1, 2]])


def test_open_keywords_of_a_vjp_are_the_settings_that_it_does_not_name():
    seen = []

    @tg.op
    def f(x, /, a=1, b=2, c=3):
        return x * 1

    f.vjps(x=lambda g, x, b, **rest: seen.append((b, rest)) or g)
    x = Tensor([1.0], requires_grad=True)
    f(x).backward()
    f(x, 4, c=6).backward()
    assert seen == [(2, {"a": 1, "c": 3}), (2, {"a": 4, "c": 6})]


@pytest.mark.parametrize(
    ("vjps", "message"),
    [
        ({"z": lambda g: g}, r"f\.vjps: op f has nothing named 'z'; expected one of x, y\.$"),
        ({"xx": lambda g: g}, r"f\.vjps: op f has nothing named 'xx'; did you mean 'x'\?"),
        ({"x": lambda g, ot: g}, r"f\.vjps\(x=\.\.\.\): .*'ot'; did you mean 'out'\?"),
        ({"x": lambda g, y_shap: g}, r"'y_shap'; did you mean 'y_shape'\?"),
        ({"y": lambda g, x_dtyp: g}, r"f\.vjps\(y=\.\.\.\): .*'x_dtyp'; did you mean 'x_dtype'\?"),
        ({"x": lambda g, axes: g}, r"'axes'; did you mean 'axis'\?"),
        ({"x": lambda g, q: g}, r"'q'; expected one of x, y, axis, out, x_shape, x_dtype, y_shape, y_dtype\."),
    ],
)
def test_a_misspelt_name_is_refused_with_the_right_one_and_leaves_the_op_as_it_was(vjps, message):
    @tg.op
    def f(x, y, *, axis=0):
        return x * y

    f.vjps(x=lambda g, y: g * y, y=lambda g, x: g * x)
    with pytest.raises(VJPDefinitionError, match=message):
        f.vjps(**vjps)
    f.vjps(y=lambda g, x: x * g)  # the rejected vjp leaves no trace
    x, y = Tensor([3.0], requires_grad=True), Tensor([5.0], requires_grad=True)
    f(x, y).backward()
    assert (x.grad, y.grad) == ([5], [3])


# --- Any number of inputs ---


@tg.op
def total(*arrays, weight=1.0):
    return sum(arrays[1:], arrays[0]) * weight


total.vjps(arrays=lambda g, k, arrays_shapes, weight: g * weight * (1.0 if len(arrays_shapes[k]) == 1 else 0.0))


def test_a_vjp_of_any_number_of_inputs_knows_its_place_and_all_shapes():
    seen = []

    @tg.op
    def last(*arrays):
        return arrays[-1] * 1.0

    with pytest.raises(VJPDefinitionError, match="'arrays_shape'; did you mean 'arrays_shapes'"):
        last.vjps(arrays=lambda g, k, arrays_shape: g)
    last.vjps(arrays=lambda g, k, arrays_shapes: seen.append((k, arrays_shapes)) or np.zeros(arrays_shapes[k]))
    xs = [Tensor(np.ones(n), requires_grad=n != 2) for n in (1, 2, 3)]
    last(*xs).sum().backward()
    assert seen == [(0, ((1,), (2,), (3,))), (2, ((1,), (2,), (3,)))]


# --- Broadcasting ---


def test_no_op_is_declared_to_broadcast_that_does_not():
    broadcasting = {name for name, op in tg.ops.registry.items() if op.broadcasts}
    assert broadcasting == {
        "where", "keep", "drop", "add", "subtract", "multiply", "divide", "power", "floor_divide", "remainder",
        "maximum", "minimum", "matmul", "arctan2", "copysign", "fmod", "hypot", "hypot_ratio", "leaky", "lerp",
        "clip_by_arrays", "logaddexp", "logaddexp2", "solve", "substitute", "weighted_mean", "xlog1py", "xlogy",
    }  # fmt: skip


# --- Promotion ---


@pytest.mark.parametrize("promotes", [True, ("x", "y"), ["x"], False, []])
def test_what_follows_the_dtype_of_the_tensors_is_declared(promotes):
    seen = []

    @tg.op(promotes=promotes)
    def note(x, y):
        seen.append(y.dtype)
        return x * y

    note.vjps(x=lambda g, y: g * y)
    out = note(Tensor([1.0, 2.0], requires_grad=True), np.array([1.5, 2.5]))
    follows = promotes is True or (promotes and "y" in promotes)
    assert (seen[-1], out.dtype) == (np.float32 if follows else np.float64, np.float32 if promotes else np.float64)


def test_a_gradient_of_another_dtype_says_how_to_declare_it():
    @tg.op(promotes=False)
    def widen(x):
        return x.astype(np.float64)

    widen.vjps(x=lambda g: g)
    with pytest.raises(WrongGradientError, match=r"name it in @op\(promotes=\.\.\.\)"):
        widen(Tensor([1.0], requires_grad=True)).sum().backward()


@pytest.mark.parametrize(
    ("f", "wanted"),
    [
        (lambda w: tg.where(np.array([1e-60, 0.0]), w, 5.0), [1, 5]),
        (lambda w: tg.where(np.array([1e300, 0.0]), 5.0, w), [5, 2]),
        (lambda w: tg.where(Tensor(np.array([1e-60, 0.0])), w, np.array([7, 7])), [1, 7]),
        (lambda w: tg.cross_entropy(w.reshape(2, 1), np.array([0, 0]), reduction="none"), [0, 0]),
        (lambda w: w[np.array([1, 0])], [2, 1]),
    ],
)
def test_a_condition_a_label_and_an_index_follow_no_dtype(f, wanted):
    with np.errstate(all="raise"):
        out = f(Tensor([1.0, 2.0], requires_grad=True))
    assert (out.dtype, out.numpy().tolist()) == (np.float32, wanted)


# --- A user's op at every order of differentiation ---


@tg.op
def cube(x):
    return x * x * x


cube.vjps(x=lambda g, x: 3 * g * x * x)


def test_an_op_that_works_on_bare_arrays_alone_never_gives_a_wrong_second_derivative():
    """An op in a vjp that has no vjp must raise in a second backward pass, not act as a constant."""

    @tg.op
    def kernel(x):
        return np.cosh(x)

    @tg.op
    def slope(x):
        return np.sinh(x)

    kernel.vjps(x=lambda g, x: g * slope(x))
    assert float(tg.grad(kernel)(1.0)) == pytest.approx(np.sinh(1.0), rel=1e-6)
    with pytest.raises(MissingVJPError, match="op slope has no vjp for its argument x"):
        tg.grad(tg.grad(kernel))(1.0)


@pytest.mark.fast
def test_a_vjp_that_is_declared_after_the_call_is_missing_in_it():
    @tg.op
    def late(x):
        return x * 2

    out = late(Tensor(1.0, requires_grad=True))
    late.vjps(x=lambda g: g * 2)
    with pytest.raises(MissingVJPError, match="op late has no vjp for its argument x"):
        out.backward()


def test_a_vjp_cannot_request_an_array_that_the_call_lacks():
    @tg.op
    def first(*arrays):
        return arrays[0] * 1.0

    first.vjps(arrays=lambda g, k, arrays1: g)
    x = Tensor([1.0], requires_grad=True)
    assert first(x, x).requires_grad
    with pytest.raises(VJPDefinitionError, match="nothing named 'arrays1'; did you mean 'arrays0'"):
        first(x)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda op: pickle.loads(pickle.dumps(op))])
def test_a_copy_of_an_op_is_the_op(duplicate):
    assert duplicate(tg.tanh) is tg.tanh
