"""Each model that trains in shards passes the laws of modules: the table has every program that passes `shard_size`."""

from pathlib import Path

import numpy as np
import pytest

from models import char_gpt, char_lstm, diffusion, mnist_conv, mnist_vae, pinn, siamese, spirals, vit
from tests.effort import thorough
from tinygrad_edu.testing import check_module

RNG = np.random.default_rng(0)
IMAGES, CODES, LABELS = RNG.random((3, 1, 28, 28)), RNG.integers(0, 9, (3, 8)), RNG.integers(0, 9, 3)
PROGRAMS = {
    "char_gpt": (lambda rng: char_gpt.CharGPT(9, rng), [CODES]),
    "char_lstm": (lambda rng: char_lstm.CharLSTM(9, rng), [CODES]),
    "diffusion": (diffusion.Velocity, [IMAGES, RNG.random(3), LABELS]),
    "mnist_conv": (lambda rng: mnist_conv.build(mnist_conv.RECIPES["augmented"], rng), [IMAGES]),
    "mnist_vae": (mnist_vae.Autoencoder, [IMAGES]),
    "pinn": (pinn.Oscillation, [RNG.random((3, 1))]),
    "siamese": (siamese.Embedding, [RNG.random((3, 2, 28, 28))]),
    "spirals": (spirals.build, [RNG.random((3, 2))]),
    "vit": (vit.VisionTransformer, [IMAGES]),
}
WITHOUT_SHARDS = {"mnist_lenet", "resnet_digits"}  # batch normalization couples the samples
VIT_SIZES = {"PATCH": 14, "STRIDE": 14, "SIDE": 2, "WIDTH": 8, "HEADS": 2, "LAYERS": 1}
SMALL = [(char_gpt, "WIDTH", 8), (char_gpt, "HEADS", 2), (char_gpt, "LAYERS", 1), (char_lstm, "HIDDEN", 8),
         *((vit, name, size) for name, size in VIT_SIZES.items())]  # fmt: skip
# Not at these sizes: a ReLU of the autoencoder is at its kink, and the diffusion takes minutes.
WITHOUT_SLOPES = {"diffusion", "mnist_vae"}
OTHER_LAWS = ["slope (train)", "slope (eval)", "float32 (train)", "float32 (eval)", "parameters", "unbiased", "state"]


@pytest.mark.parametrize("name", thorough(PROGRAMS, quick=["char_lstm", "spirals"]))
def test_the_samples_of_a_model_in_shards_are_independent_and_its_gradients_right(name, monkeypatch):
    for owner, size, value in SMALL:
        monkeypatch.setattr(owner, size, value)
    make, batch = PROGRAMS[name]
    skipped = OTHER_LAWS if name in WITHOUT_SLOPES else []
    check_module(make(np.random.default_rng(1)), *batch, samples="independent", skip=skipped)


def test_the_table_has_every_program_that_trains_in_shards():
    sources = {path.stem: path.read_text() for path in Path(mnist_conv.__file__).parent.glob("*.py")}
    sharded = {name for name, source in sources.items() if "shard_size=" in source or "SHARD_SIZE" in source}
    assert sharded == set(PROGRAMS)
    assert not WITHOUT_SHARDS & sharded
