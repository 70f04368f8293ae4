"""Each model in models/ computes the same in ONNX Runtime, for batch sizes that the export did not see."""

import numpy as np
import onnx
import pytest

from models import (
    char_gpt,
    char_lstm,
    diffusion,
    mnist_conv,
    mnist_lenet,
    mnist_vae,
    pinn,
    resnet_digits,
    siamese,
    spirals,
    vit,
)
from tests.interop.onnx.runtime import assert_exported, batches
from tinygrad_edu import nn
from tinygrad_edu.errors import ExportError
from tinygrad_edu.interop.onnx import export

RNG = np.random.default_rng(0)


def images(size, rng):
    return (rng.random((size, 1, 28, 28), np.float32),)


def codes(length):
    return lambda size, rng: (rng.integers(0, 30, (size, length)),)


class Curve(nn.Module):
    """The curve of the oscillation, without its derivatives."""

    def __init__(self, rng):
        self.oscillation = pinn.Oscillation(rng)

    def forward(self, t):
        return self.oscillation.u(t)


MODELS = {
    "mnist_conv": (lambda: mnist_conv.build(mnist_conv.RECIPES["tuned"], RNG), images),
    "mnist_lenet": (lambda: mnist_lenet.build(RNG), images),
    "resnet_digits": (lambda: resnet_digits.build(RNG), images),
    "vit": (lambda: vit.VisionTransformer(RNG), images),
    "spirals": (lambda: spirals.build(RNG), lambda size, rng: (rng.normal(size=(size, 2)).astype(np.float32),)),
    "siamese": (lambda: siamese.Embedding(RNG), lambda size, rng: (rng.random((size, 28, 28), np.float32),)),
    "char_lstm": (lambda: char_lstm.CharLSTM(30, RNG), codes(12)),
    "char_gpt": (lambda: char_gpt.CharGPT(30, RNG), codes(12)),
    "mnist_vae": (
        lambda: mnist_vae.Autoencoder(RNG),
        lambda n, rng: (*images(n, rng), rng.standard_normal((n, mnist_vae.LATENT), np.float32)),
    ),
    "diffusion": (
        lambda: diffusion.Velocity(RNG),
        lambda n, rng: (*images(n, rng), rng.random(n, np.float32), rng.integers(0, 11, n)),
    ),
    "pinn": (lambda: Curve(RNG), lambda n, rng: (rng.random((n, 1), np.float32),)),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_models_computes_the_same_in_onnx_runtime(name, tmp_path):
    make, inputs = MODELS[name]
    model = make()
    first, *others = batches(inputs, 3, 1, 5)
    file = assert_exported(model, first, tmp_path / "model.onnx", others=others)
    state = {name: tensor.numpy() for name, tensor in (*model.named_parameters(), *model.named_buffers())}
    for tensor in file.graph.initializer:
        if not tensor.name.startswith("constant"):
            np.testing.assert_array_equal(onnx.numpy_helper.to_array(tensor), state[tensor.name])


def test_random_numbers_and_derivatives_in_a_model_are_refused_with_the_line(tmp_path):
    with pytest.raises(ExportError, match=r"random numbers .* mnist_vae.py:\d+, noise = nn.current_stream"):
        export(mnist_vae.Autoencoder(RNG), np.zeros((2, 1, 28, 28), np.float32), tmp_path / "model.onnx")
    with pytest.raises(ExportError, match=r"sum at pinn.py:\d+ is a gradient"):
        export(pinn.Oscillation(RNG), np.zeros((2, 1), np.float32), tmp_path / "model.onnx")
