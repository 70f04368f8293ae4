"""Containers behave as in PyTorch, and models saved by PyTorch have the same outputs and gradients."""

import json
from collections import OrderedDict

import numpy as np
import pytest

from tests.effort import with_each
from tinygrad_edu import Tensor, nn
from tinygrad_edu.nn.weights.saving import load_weights
from tools.torch_modules import FOLDER, MODELS, left_by, lines, vocabulary

CONTAINERS, SAVED = (json.loads((FOLDER / f"{name}.json").read_text()) for name in ("containers", "models"))


@with_each("line", lines())
def test_a_container_does_what_pytorchs_does(line):
    found = left_by(line, {**vars(nn), "array": np.array})
    assert json.dumps(found) == json.dumps(CONTAINERS[line])


def build(name):
    return eval(MODELS[name][0], {**vars(nn), "OrderedDict": OrderedDict})


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_pytorch_saved_gives_its_numbers(name):
    model, expected = build(name).astype(np.float64), SAVED[name]
    assert model.load(FOLDER / f"{name}.safetensors") == ([], [])
    x = Tensor(np.array(expected["x"]), requires_grad=True)
    out = model(x)
    out.backward(np.arange(out.size).reshape(out.shape))
    found = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert list(found) == list(expected["gradients"])
    for ours, theirs in [
        (out.numpy(), expected["out"]),
        (x.grad, expected["x.grad"]),
        (model.eval()(x).numpy(), expected["evaluated"]),
        *((found[name], expected["gradients"][name]) for name in found),
    ]:
        scale = np.max(np.abs(theirs))
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12 * scale)


@pytest.mark.parametrize("name", MODELS)
def test_what_is_saved_is_what_pytorch_saved(name, tmp_path):
    model, theirs = build(name), load_weights(FOLDER / f"{name}.safetensors")
    model.load_state_dict(theirs)
    model.save(tmp_path / "ours.safetensors")
    ours = load_weights(tmp_path / "ours.safetensors")
    assert {name: (a.dtype, a.shape, a.tobytes()) for name, a in ours.items()} == {
        name: (a.dtype, a.shape, a.tobytes()) for name, a in theirs.items()
    }


@pytest.mark.parametrize("name", MODELS)
def test_bfloat16_in_a_file_is_read_exactly(name):
    model, exact = build(name), load_weights(FOLDER / f"{name}.safetensors")
    model.load(FOLDER / f"{name}.bf16.safetensors")
    for key, values in model.state_dict().items():
        if values.dtype.kind == "i":  # the number of batches
            assert values == exact[key] == 1
            continue
        assert not np.any(values.view(np.uint32) & 0xFFFF)
        np.testing.assert_allclose(values, exact[key], rtol=2**-8)


@pytest.mark.peers
@pytest.mark.parametrize("name", MODELS)
def test_what_is_saved_loads_into_pytorch(name, tmp_path):
    pytest.importorskip("torch")
    from safetensors.torch import load_file

    ours, theirs = build(name), eval(MODELS[name][0], {"OrderedDict": OrderedDict, **vocabulary()})
    ours.save(tmp_path / "ours.safetensors")
    theirs.load_state_dict(load_file(tmp_path / "ours.safetensors"))
    assert {k: x.numpy().tobytes() for k, x in theirs.state_dict().items()} == {
        k: x.tobytes() for k, x in ours.state_dict().items()
    }
