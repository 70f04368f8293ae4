"""The code that reproduces a failure of a PyTorch or JAX function contains its tensors, modules and custom rules."""

import subprocess
import sys

import numpy as np
import pytest

from tinygrad_edu.testing import GradientMismatch, check_jax, check_keras, check_torch


def require_reproduced(folder, check, *arguments):
    """Require that the printed code raises the same error in a new process in another folder."""
    with pytest.raises(GradientMismatch) as caught:
        check(*arguments)
    message, _, lines = str(caught.value).partition("\nTo reproduce:\n")
    assert "filled in" not in lines
    (folder / "pasted.py").write_text(lines)
    command = [sys.executable, "pasted.py"]
    alone = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert f".GradientMismatch: {message.splitlines()[0]}\n" in alone.stderr, alone.stderr
    assert len(lines) < 2500
    assert alone.stderr.startswith("Traceback")  # no logs of XLA


def local_rules():
    """Return a module, a function and a rule of local definitions, which cannot be imported."""
    import jax
    import torch

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * g * x

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.k = torch.nn.Linear(3, 2), torch.tensor(2.0)

        def forward(self, x):
            return Cube.apply(self.layer(x)) * self.k

    @jax.custom_vjp
    def softplus(x):
        return jax.numpy.logaddexp(x, 0)

    softplus.defvjp(lambda x: (softplus(x), x), lambda x, g: (g * jax.nn.sigmoid(2 * x),))

    def forward(ctx, x):
        return x.sin()

    rules = {"forward": staticmethod(forward), "backward": staticmethod(lambda ctx, g: 2 * g)}
    made = type("Made", (torch.autograd.Function,), rules)
    return Model(), lambda x: Cube.apply(made.apply(x)) * 2, softplus


def layer_of_keras():
    """Return a layer with a wrong rule, variables and a generator, and a model of layers, which are not built."""
    import keras

    *_, softplus = local_rules()

    class Layer(keras.layers.Layer):
        def __init__(self, units, **options):
            super().__init__(**options)
            self.units, self.seeds = units, keras.random.SeedGenerator(3)

        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], self.units), name="kernel")

        def call(self, x):
            return softplus(x @ self.kernel)

    return Layer(2, name="soft"), keras.Sequential([keras.layers.Dense(3, name="dense"), Layer(2, name="soft")])


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["a module", "a scalar", "a transposed bfloat16 matrix"])
def test_a_failure_of_torch_is_reproduced(kind, tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("jax")
    module, function, _ = local_rules()
    matrix = torch.linspace(0.5, 2, 12).reshape(4, 3)
    inputs = {"a module": matrix, "a scalar": torch.tensor(1.5), "a transposed bfloat16 matrix": matrix.bfloat16().T}
    require_reproduced(tmp_path, check_torch, module if kind == "a module" else function, inputs[kind])


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["a pytree", "a scalar", "a bfloat16 vector", "jit", "jit with a constant", "vmap"])
def test_a_failure_of_jax_is_reproduced(kind, tmp_path):
    pytest.importorskip("torch")
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    *_, softplus = local_rules()
    inputs = {"a scalar": jnp.array(0.3), "a bfloat16 vector": jnp.array([0.3, 1], jnp.bfloat16)}
    inputs["a pytree"] = {"w": jnp.array([[0.5, 1.0], [2.0, 0.25]])}
    inputs |= dict.fromkeys(("jit", "jit with a constant", "vmap"), jnp.array([0.3, 1]))
    powers = jax.jit(lambda x, k: softplus(x) * k, static_argnames="k")
    function = {
        "a pytree": lambda tree: softplus(tree["w"]), "jit": jax.jit(softplus), "vmap": jax.vmap(softplus),
        "jit with a constant": lambda x: powers(x, 3),
    }.get(kind, softplus)  # fmt: skip
    require_reproduced(tmp_path, check_jax, function, inputs[kind])


@pytest.mark.thorough
@pytest.mark.parametrize("kind", [0, 1], ids=["a layer", "a model"])
def test_a_failure_of_keras_is_reproduced(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    pytest.importorskip("keras")
    pytest.importorskip("torch")
    monkeypatch.delenv("KERAS_BACKEND")  # the code sets it
    layer = layer_of_keras()[kind]
    require_reproduced(tmp_path, check_keras, layer, np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3))
