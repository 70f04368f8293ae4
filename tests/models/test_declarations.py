"""The models and the benchmark models declare correctly whether they couple samples."""

import numpy as np
import pytest

from benchmarks import ours
from models import char_gpt, char_lstm, diffusion, mnist_conv, mnist_lenet, mnist_vae, pinn, resnet_digits, siamese, vit
from models import spirals as spiral_arms
from tinygrad_edu import nn
from tinygrad_edu.nn.sample_independence import couples_samples
from tinygrad_edu.testing.laws.module_call import ModuleCall
from tinygrad_edu.testing.laws.sample_independence import require_sample_independence

RNG = np.random.default_rng(0)
IMAGES, CODES, LABELS = RNG.random((3, 1, 28, 28)), RNG.integers(0, 9, (3, 8)), RNG.integers(0, 9, 3)

# Each model with a batch, and whether it couples samples in training mode.
MODELS = {
    "char_gpt": (lambda rng: char_gpt.CharGPT(9, rng), [CODES], False),
    "char_lstm": (lambda rng: char_lstm.CharLSTM(9, rng), [CODES], False),
    "diffusion": (diffusion.Velocity, [IMAGES, RNG.random(3), LABELS], False),
    "mnist_conv": (lambda rng: mnist_conv.build(mnist_conv.RECIPES["augmented"], rng), [IMAGES], False),
    "mnist_lenet": (mnist_lenet.build, [IMAGES], True),
    "mnist_vae": (mnist_vae.Autoencoder, [IMAGES], False),
    "pinn": (pinn.Oscillation, [RNG.random((3, 1))], False),
    "resnet_digits": (resnet_digits.build, [IMAGES], True),
    "siamese": (siamese.Embedding, [RNG.random((3, 2, 28, 28))], False),
    "spirals": (spiral_arms.build, [RNG.random((3, 2))], False),
    "vit": (vit.VisionTransformer, [IMAGES], False),
    "LSTM of the benchmarks": (lambda rng: ours.LSTMClassifier(4, 5), [RNG.random((3, 6, 4))], False),
    "GPT of the benchmarks": (lambda rng: ours.CharGPT(9, 8, 4, 2, 1), [CODES], False),
    "mask of the benchmarks": (
        lambda rng: nn.Sequential(nn.Linear(4, 4), ours.FixedMask(np.ones((1, 4)))), [RNG.random((3, 4))], False
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "batch", "coupled"), MODELS.values(), ids=MODELS)
def test_a_model_declares_what_is_true(make, batch, coupled):
    model = make(np.random.default_rng(1)).astype(np.float64)
    assert couples_samples(model) is coupled
    assert couples_samples(model.eval()) is False
    for mode in ("train", "eval"):
        getattr(model, mode)()
        require_sample_independence(ModuleCall.of(model, batch), mode, np.random.default_rng(2))
