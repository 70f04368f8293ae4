"""Layers with all their configurations compute the same in ONNX Runtime, or are refused by name."""

import numpy as np
import pytest

from tests.effort import thorough
from tests.interop.onnx.runtime import assert_exported
from tests.nn.test_layer_tables import TABLE, kind, made
from tinygrad_edu import nn
from tinygrad_edu.engine import values_of
from tinygrad_edu.errors import ExportError, ShapeError, ShardError
from tinygrad_edu.interop.onnx import export
from tinygrad_edu.nn.sharding import shard_forward

LAYERS = [line for line in TABLE if "Loss" not in kind(line)]


def reason(m, inputs):
    """Return the reason why a layer has no counterpart in ONNX, or None."""
    if getattr(m, "proj_size", 0):
        return "a recurrent layer .* has projections"
    if getattr(m, "max_norm", None) is not None:
        return "has max_norm, which writes to the table|NumPy array"
    if isinstance(m, nn.EmbeddingBag) and (m.mode != "max" or len(inputs) > 1):
        return "embedding at .* has no counterpart|NumPy array"
    return None


def arrays(inputs):
    return tuple(values_of(x) for x in inputs.values())


@pytest.mark.parametrize("line", thorough(LAYERS, quick=[*LAYERS][::9]))
def test_a_layer_computes_the_same_in_onnx_runtime(line, tmp_path):
    called, inputs = made(TABLE[line], np.float32)
    why = reason(called.m, inputs)
    if why is not None:
        with pytest.raises(ExportError, match=why):
            export(called, arrays(inputs), tmp_path / "model.onnx", batch_axes=None)
        return
    assert_exported(called, arrays(inputs), tmp_path / "model.onnx", batch_axes=None)


def larger_batch(inputs):
    return tuple(np.concatenate([x, x[::-1], x]) for x in arrays(inputs))


def has_batch(line):
    """Return whether the first axis of all inputs is that of the samples: the layer then takes three times as many."""
    called, inputs = made(TABLE[line], np.float32)
    lengths = {np.shape(x)[:1] for x in inputs.values()}
    is_fixed = isinstance(called.m, nn.EmbeddingBag)  # its export contains the array of the bags
    if is_fixed or len(lengths) > 1 or () in lengths or reason(called.m, inputs):
        return False
    try:
        called.eval()(*larger_batch(inputs))
        with shard_forward(1):
            called(*(x[:1] for x in arrays(inputs)))
    except (ShapeError, ShardError, ValueError):
        return False
    return True


BATCHED = [line for line in LAYERS if has_batch(line)]


@pytest.mark.parametrize("line", thorough(BATCHED, quick=BATCHED[::12]))
def test_the_batch_size_of_a_layer_is_symbolic(line, tmp_path):
    called, inputs = made(TABLE[line], np.float32)
    more = larger_batch(inputs)
    assert_exported(called, arrays(inputs), tmp_path / "model.onnx", others=[more, tuple(x[:1] for x in more)])
