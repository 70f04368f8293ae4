"""The code that reproduces a failure of a PyTorch or JAX function contains its tensors, modules and custom rules."""

import subprocess
import sys

import pytest

from tinygrad_edu.testing import GradientMismatch, check_jax, check_torch


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
    return Model(), lambda x: Cube.apply(x) * 2, softplus


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
@pytest.mark.parametrize("kind", ["a pytree", "a scalar", "a bfloat16 vector"])
def test_a_failure_of_jax_is_reproduced(kind, tmp_path):
    pytest.importorskip("torch")
    jnp = pytest.importorskip("jax").numpy
    *_, softplus = local_rules()
    inputs = {"a scalar": jnp.array(0.3), "a bfloat16 vector": jnp.array([0.3, 1], jnp.bfloat16)}
    inputs["a pytree"] = {"w": jnp.array([[0.5, 1.0], [2.0, 0.25]])}
    function = softplus if kind != "a pytree" else lambda tree: softplus(tree["w"])
    require_reproduced(tmp_path, check_jax, function, inputs[kind])
