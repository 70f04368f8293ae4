"""Updates in chunks and on threads have the same bits as one update per parameter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.optim.test_optimizer import CASES
from tinygrad_edu import core, from_numpy
from tinygrad_edu.optim import Muon
from tinygrad_edu.optim import optimizer as optimizers
from tinygrad_edu.optim.fast import chunks
from tinygrad_edu.shared.speed import threads

SPECIAL = [0.0, -0.0, np.nan, np.inf, -np.inf, 1e-40, 3e38, 1.0]


def after(steps, update_all, kind, settings, dtype, seed, special):
    """Return the parameters and their state after some steps."""
    rng = np.random.default_rng(seed)
    shapes = [(6, 5), (9, 4)] if kind is Muon else [(6, 5), (), (7,), (0, 2), (5, 4, 3)]
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(optimizers, "update_all", update_all)
        patch.setattr(threads, "available_cores", lambda: 3)
        patch.delenv("OMP_NUM_THREADS", raising=False)
        patch.setattr(chunks, "_CHUNK_BYTES", 16)
        patch.setattr(chunks, "_MIN_ELEMENTS_FOR_THREADS", 0 if seed % 2 else 10**9)
        arrays = [np.asarray(rng.standard_normal(shape).astype(dtype), order="F") for shape in shapes]
        params = [from_numpy(array, requires_grad=True) for array in arrays]
        optimizer = kind(params, **settings)
        for _ in range(steps):
            for p in params:
                g = rng.standard_normal(p.shape)
                p.grad = np.where(rng.random(p.shape) < 0.3, rng.choice(SPECIAL, p.shape), g) if special else g
            optimizer.step()
    return [p.numpy() for p in params] + [array for p in params for array in optimizer.state[p].values()]


@pytest.mark.parametrize(("kind", "settings"), CASES)
@given(st.sampled_from([np.float16, np.float32, np.float64]), st.integers(0, 2**32 - 1), st.booleans())
def test_chunks_give_the_bits_of_whole_parameters(kind, settings, dtype, seed, special):
    if kind is Muon:
        dtype, special = np.float64, False  # BLAS has no float16
    plain = after(3, core.Optimizer._update_all, kind, settings, dtype, seed, special)
    fast = after(3, chunks.update_in_chunks, kind, settings, dtype, seed, special)
    for mine, other in zip(fast, plain, strict=True):
        np.testing.assert_array_equal(mine, other, strict=True)
