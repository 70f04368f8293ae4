"""The networks on the page on deployment load weights of torchvision and transformers, and compute the same."""

import re
from pathlib import Path

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.test_imports import PROJECT
from tinygrad_edu import nn
from tools import torch_layouts

PAGE = (PROJECT / "docs" / "deployment.md").read_text().partition("## Weights of others")[2]


@pytest.fixture(scope="module")
def networks():
    """Return the names that the section of the page defines."""
    space = {"np": np, "tg": tg, "Path": Path}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(block, space)
    return space


def assert_agree(ours, theirs, inputs):
    """Compare results in evaluation mode, relative to their scale."""
    torch = pytest.importorskip("torch")
    with torch.no_grad(), tg.no_grad():
        expected, found = theirs(inputs), ours.eval()(inputs.numpy()).numpy()
    expected = getattr(expected, "logits", expected).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def changed(model):
    """Change all parameters, and return the state dict as PyTorch's tensors."""
    torch = pytest.importorskip("torch")
    for parameter in model.parameters():
        parameter.assign(parameter.numpy() * 0.75 + 0.01)
    return {name: torch.tensor(array) for name, array in model.state_dict().items()}


@pytest.mark.peers
@pytest.mark.parametrize(("width", "classes"), [(64, 1000), (8, 10)])
def test_resnet18_loads_from_torchvision_and_back(width, classes, networks, tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("torchvision")
    theirs, ours = torch_layouts.resnet18(width, classes), networks["ResNet18"](classes, width)
    torch.save(theirs.state_dict(), tmp_path / "resnet18.pt")
    assert ours.load(tmp_path / "resnet18.pt") == ([], [])
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert_agree(ours, theirs, torch_layouts.images(2) / 255)
    theirs.load_state_dict(changed(ours))
    assert_agree(ours, theirs, torch_layouts.images(2) / 255)


@pytest.mark.peers
@pytest.mark.parametrize("activation", ["gelu_new", "gelu"])
@pytest.mark.parametrize("sizes", [{}, {"vocab_size": 500, "n_positions": 64, "n_embd": 96, "n_head": 6, "n_layer": 4}])
def test_gpt2_loads_from_transformers_and_back(activation, sizes, networks, tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    theirs, sizes = torch_layouts.gpt2(activation, **sizes), {**torch_layouts.GPT2, **sizes}
    sizes["block_size"] = sizes.pop("n_positions")
    ours = networks["GPT2"](**sizes, gelu={"gelu_new": "tanh", "gelu": "none"}[activation])
    torch.save(torch_layouts.nanogpt(theirs.state_dict()), tmp_path / "gpt.pt")
    assert ours.load(tmp_path / "gpt.pt") == ([], [])
    ids = torch.arange(2 * sizes["block_size"]).reshape(2, -1) % sizes["vocab_size"]
    assert_agree(ours, theirs, ids)
    theirs.load_state_dict(torch_layouts.nanogpt(changed(ours)))  # transposed again
    assert_agree(ours, theirs, ids)


@pytest.mark.peers
def test_gpt2_loads_the_file_that_transformers_writes(networks, tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    theirs, ours = torch_layouts.gpt2(), networks["GPT2"](30, 10, 12, 3, 2)
    theirs.save_pretrained(tmp_path)
    weights = nn.load_weights(tmp_path / "model.safetensors")
    state = {k: x.T if k.endswith(torch_layouts.TRANSPOSED) else x for k, x in weights.items()}
    assert ours.load_state_dict(state, strict=False) == (["lm_head.weight"], [])
    assert_agree(ours, theirs, torch.arange(10)[None])
