"""The transforms compared with JAX's: structure and values of the results, for random nested arguments."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tests.effort import share
from tests.judges import COMPILED_ONCE
from tinygrad_edu.shared.pytree import tree_map

jax = pytest.importorskip("jax", reason="needs the extra keras")
pytestmark = pytest.mark.thorough


def leaves(nest):
    """Yield the leaves in the same order in both libraries, since JAX sorts the keys of dicts."""
    if isinstance(nest, dict):
        nest = [nest[key] for key in sorted(nest)]
    if isinstance(nest, list | tuple):
        for part in nest:
            yield from leaves(part)
    elif nest is not None:
        yield nest


# JAX compiles each transform for each structure: few examples, and no deadline.
few = settings(max_examples=share(5), deadline=None)
shapes = st.sampled_from([(), (2,), (1, 2)])
names = st.sampled_from(["a", "weight", "0.bias"])
nests = st.recursive(
    shapes.map(np.zeros) | st.none(),
    lambda parts: st.lists(parts, max_size=2) | st.tuples(parts, parts) | st.dictionaries(names, parts, max_size=2),
    max_leaves=3,
).filter(lambda nest: any(True for _ in leaves(nest)))  # JAX fails for empty structures
seeds = st.integers(0, 2**32 - 1)
positions = st.sampled_from([0, 1, -1, (0,), (1, 0), (0, -1), [1]])


def filled(nest, rng):
    """Return a nested structure with random numbers in place of the zeros."""
    return tree_map(lambda x: np.array(rng.standard_normal(np.shape(x))), nest)


def mixing(library, result, aux, seed, *args):
    """Return a structure like `result` of numbers that depend on all arguments, and with `aux` a second one."""
    rng = np.random.default_rng(seed)
    flat = library.concatenate([library.reshape(x, (-1,)) for x in (*leaves(args), library.zeros(1))])
    given = library.tanh(rng.standard_normal((2, *flat.shape)) @ flat)
    like = [library.reshape(library.sin(rng.standard_normal((x.size, 2)) @ given), x.shape) for x in leaves(result)]
    out = rebuilt(result, iter(like))
    return (out, {"given": given, "more": (like, None)}) if aux else out


def rebuilt(nest, parts):
    if isinstance(nest, dict):
        done = {key: rebuilt(nest[key], parts) for key in sorted(nest)}
        return {key: done[key] for key in nest}
    if isinstance(nest, list | tuple):
        return type(nest)(rebuilt(part, parts) for part in nest)
    return None if nest is None else next(parts)


def assert_same(found, wanted):
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        found, wanted = ([nest[key] for key in sorted(nest)] for nest in (found, wanted))
    if isinstance(wanted, list | tuple):
        assert type(found) is type(wanted)
        assert len(found) == len(wanted)
        for part, other in zip(found, wanted, strict=True):
            assert_same(part, other)
    elif wanted is None:
        assert found is None
    else:
        assert isinstance(found, np.ndarray | np.generic)
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)


def both(act, result, aux, seed):
    """Apply our transform and JAX's to a random function."""
    found = act(tg, partial(mixing, tg, result, aux, seed))
    with jax.enable_x64(True):
        f = partial(mixing, jax.numpy, result, aux, seed)
        assert_same(found, jax.jit(lambda: act(jax, f), compiler_options=COMPILED_ONCE)())


@few
@given(nests, nests, nests, positions, st.booleans(), seeds, st.sampled_from(["jacobian", "hessian"]))
def test_jacobians_and_hessians_of_nests_by_nests(x, y, result, argnums, aux, seed, name):
    x, y = (filled(nest, np.random.default_rng(seed)) for nest in (x, y))

    def act(library, f):
        transform = getattr(library, name if library is tg or name == "hessian" else "jacrev")
        return transform(f, argnums, has_aux=aux)(x, y)

    both(act, result, aux, seed)


@few
@given(nests, nests, positions, st.booleans(), seeds)
def test_gradients_by_nests(x, y, argnums, aux, seed):
    x, y = (filled(nest, np.random.default_rng(seed)) for nest in (x, y))

    def act(library, f):
        return [transform(f, argnums, has_aux=aux)(x, y) for transform in (library.grad, library.value_and_grad)]

    both(act, np.zeros(()), aux, seed)


@few
@given(nests, nests, nests, st.booleans(), seeds)
def test_products_of_nests(x, y, result, aux, seed):
    rng = np.random.default_rng(seed)
    x, y, v, w, g = (filled(nest, rng) for nest in (x, y, x, y, result))

    def act(library, f):
        out, pullback, *rest = library.vjp(f, x, y, has_aux=aux)
        return [out, pullback(g), rest, library.jvp(f, (x, y), (v, w), has_aux=aux)]

    both(act, result, aux, seed)


@few
@given(nests, nests, positions, seeds)
def test_derivatives_of_a_gradient_with_aux(x, y, argnums, seed):
    """The next derivative differentiates the auxiliary data of a gradient, too."""
    x, y = (filled(nest, np.random.default_rng(seed)) for nest in (x, y))

    def act(library, f):
        slope = library.grad(f, argnums, has_aux=True)
        slopes = lambda x, y: (sum((part**2).sum() for part in leaves(slope(x, y))), slope(x, y))  # noqa: E731
        return library.grad(slopes, argnums, has_aux=True)(x, y)

    both(act, np.zeros(()), True, seed)
