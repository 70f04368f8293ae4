"""einops on Tensors: its results on arrays, gradients, and samples of `vmap`."""

import subprocess
import sys

import einops
import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.interop.einops import einsum, pack, parse_shape, rearrange, reduce, repeat, unpack
from tinygrad_edu.testing import check_linear, check_vjp, check_vmap

RNG = np.random.default_rng(0)
X = RNG.permutation(48).reshape(2, 4, 6) / 8 + RNG.uniform(0, 0.02, (2, 4, 6))

LINEAR = {
    "transposed": lambda x: rearrange(x, "a b c -> c a b"),
    "split and merged": lambda x: rearrange(x, "a (b1 b2) c -> (b2 a) (c b1)", b1=2),
    "ellipsis": lambda x: rearrange(x, "a ... -> ... a 1"),
    "stacked": lambda x: rearrange([x, 2 * x], "n a b c -> a (n b) c"),
    "unchanged": lambda x: rearrange(x, "a b c -> a b c"),
    "sum": lambda x: reduce(x, "a b c -> b", "sum"),
    "pooled": lambda x: reduce(x, "a (b 2) (c 3) -> a c b", "mean"),
    "kept": lambda x: reduce(x, "a b c -> () b ()", "sum"),
    "repeated": lambda x: repeat(x, "a b c -> (a n) m b c", n=2, m=3),
    "widened": lambda x: repeat(x, "a b c -> a (b 2) (c 3)"),
    "contracted": lambda x: einsum(x, np.ones((6, 3)), "a b c, c d -> d a b"),
    "packed": lambda x: pack([x, x[:, :, 0]], "a b *")[0],
    "unpacked": lambda x: unpack(x, [(), (1, 2), (3,)], "a b *")[1],
}
OTHERS = {
    "max": lambda x: reduce(x, "a (b 2) c -> a b c", "max"),
    "min": lambda x: reduce(x, "a b c -> a", "min"),
    "prod": lambda x: reduce(x, "a b c -> a c", "prod"),
    "function": lambda x: reduce(x, "a b c -> c a", tg.logsumexp),
    "squares": lambda x: einsum(x, x, "a b c, a d c -> a b d"),
}


@pytest.mark.parametrize("f", [*LINEAR.values(), *OTHERS.values()], ids=[*LINEAR, *OTHERS])
def test_results_are_those_of_arrays_and_of_each_sample(f):
    out = f(tg.Tensor(X))
    assert isinstance(out, tg.Tensor)
    np.testing.assert_allclose(out.numpy(), f(X), rtol=1e-12)
    check_vmap(f, np.stack([X, X[::-1], X / 2]))


@pytest.mark.parametrize("f", LINEAR.values(), ids=LINEAR)
def test_rearrangements_have_exact_transposes(f):
    check_linear(f, X)


@pytest.mark.parametrize("f", OTHERS.values(), ids=OTHERS)
def test_derivatives(f):
    check_vjp(f, X[:, :, :2] if f is not OTHERS["prod"] else X[:, :3, :2] / 8)


def test_einops_itself_takes_tensors():
    x = tg.Tensor(X, requires_grad=True)
    einops.rearrange(x, "a b c -> (a b c)").sum().backward()
    assert (x.grad == 1).all()
    assert parse_shape(x, "a _ c") == {"a": 2, "c": 6}
    assert reduce(tg.Tensor([[True, False]]), "a b -> a", "any").tolist() == [True]
    assert isinstance(einops.asnumpy(x.detach()), np.ndarray)


def test_a_repeated_axis_is_a_view():
    x = tg.Tensor(X)
    assert np.shares_memory(repeat(x, "a b c -> a n b c", n=5).numpy(), x.numpy())


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: rearrange(x, "a b -> b a"), "Wrong shape: expected 2 dims"),
    (lambda x: rearrange(x, "a (b 5) c -> a b c 5"), "anonymous axes"),
    (lambda x: reduce(tg.Tensor([1, 2], dtype=np.int64), "a ->", "mean"), "reduce_mean is not available"),
])  # fmt: skip
def test_errors_are_those_of_einops(call, message):
    with pytest.raises((einops.EinopsError, NotImplementedError), match=message):
        call(tg.Tensor(X))


@pytest.mark.thorough
def test_a_version_without_the_backend_class_is_named():
    program = "import sys, einops; sys.modules['einops._backends'] = None; import tinygrad_edu.interop.einops"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (
        "MissingExtraError: tinygrad_edu.interop.einops finds no AbstractBackend in this version of einops"
        in done.stderr
    )


@pytest.mark.thorough
def test_without_einops_the_error_names_the_extra():
    program = "import sys; sys.modules['einops'] = None; import tinygrad_edu.interop.einops"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "MissingExtraError: tinygrad_edu.interop.einops requires einops: run" in done.stderr
    assert '".[einops]"' in done.stderr
