"""The generated call: it runs, appears in tracebacks, and agrees with the plain recorder."""

import inspect
import traceback

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tests.effort import thorough
from tinygrad_edu import Tensor
from tinygrad_edu.engine import Op, from_numpy, is_shared
from tinygrad_edu.testing.strategies import OP_CALLS, calls


@pytest.mark.fast
def test_the_source_of_an_op_is_the_code_that_runs_and_loops_over_nothing():
    @tg.op
    def scale(x, /, by=2.0, *, shift):
        return x * by + shift

    source = inspect.getsource(scale.call)
    assert source.startswith("def scale(x, /, by=_default_by, *, shift):")
    assert "for " not in source
    assert list(inspect.signature(scale.call).parameters) == ["x", "by", "shift"]


@pytest.mark.fast
def test_a_traceback_shows_the_line_of_the_written_out_call():
    @tg.op
    def fails(x):
        raise ZeroDivisionError("inside")

    with pytest.raises(ZeroDivisionError, match="inside") as caught:
        fails(Tensor([1.0, 2.0]))
    text = "".join(traceback.format_exception(caught.value))
    assert "<op fails, 1 inputs>" in text
    assert "_out = _forward(_x_data, )" in text
    assert "In op fails, with x float32 of shape (2,)." in text


# --- Both recorders ---


def in_plain_loops(op):
    """Return a copy of an op that uses the plain recorder."""
    twin = Op(op.forward, op.broadcasts, op.promotes, op.name)
    twin.vjps(**op.vjp_functions)
    return twin


PLAIN = {name: in_plain_loops(op) for name, op in tg.ops.registry.items()}
FLOATS = (np.float32, np.float64)
KINDS = ("leaf", "constant", "array", "list")  # kinds of inputs


def given_as(kind, x):
    if kind == "list" or not isinstance(x, np.ndarray):
        return x.tolist() if isinstance(x, np.ndarray) else x
    return x if kind == "array" else from_numpy(x.copy("K"), kind == "leaf" and x.dtype.kind == "f")


def outcome(op, inputs, settings, cotangent):
    """Return the comparable results of a call: its output, its node and the gradients, or the error."""
    try:
        out = op(*inputs, **settings)
        if not isinstance(out, Tensor):
            return type(out), out.dtype, out.tobytes()
        left = [out.dtype, out.shape, out.numpy().tobytes(), is_shared(out._storage), out.requires_grad]
        if out.requires_grad:
            node = out._node
            left += [
                {x: described(value) for x, value in node.saved.items()},
                *map(sorted, (node.parents, node.storages)),
            ]
            left += [node.shape, node.dtype]
            out.backward(cotangent[: out.size].reshape(out.shape).astype(out.dtype))
            left += [described(x.grad) for x in inputs if isinstance(x, Tensor)]
    except Exception as error:
        return type(error), str(error), getattr(error, "__notes__", None)
    return left


def described(value):
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.strides, value.tobytes(), value.flags.writeable
    return [described(part) for part in value] if isinstance(value, list | tuple) else repr(value)


NAMES = [name for name in OP_CALLS if name in PLAIN]


@pytest.mark.parametrize("name", thorough(NAMES, quick=NAMES[::6]))
@given(data=st.data())
def test_the_plain_recorder_and_the_written_out_call_mean_the_same(name, data):
    call = data.draw(calls(name))
    dtypes = st.sampled_from(FLOATS)
    inputs = [x.astype(data.draw(dtypes)) if getattr(x, "dtype", None) in FLOATS else x for x in call.inputs]
    kinds = [data.draw(st.sampled_from(KINDS)) for _ in inputs]
    cotangent = np.random.default_rng(0).standard_normal(10_000)
    with np.errstate(all="ignore"):
        found, wanted = (
            outcome(op, [given_as(kind, x) for kind, x in zip(kinds, inputs, strict=True)], call.settings, cotangent)
            for op in (tg.ops.registry[name], PLAIN[name])
        )
    assert found == wanted


@pytest.mark.parametrize("recorder", [tg.op, Op], ids=["written", "plain"])
@pytest.mark.parametrize(
    ("args", "settings"),
    [((), {}), ((1.0,), {}), ((1.0, 2.0, 3.0, 4.0), {}), ((1.0,), {"y": 2.0, "z": 1}), ((1.0, 2.0), {"x": 1})],
)
def test_a_call_with_wrong_arguments_is_pythons_error(recorder, args, settings):
    @recorder
    def f(x, y, *, by=1):
        return x * y * by

    assert f(2.0, y=3.0, by=2) == 12
    with pytest.raises(TypeError):
        f(*args, **settings)
