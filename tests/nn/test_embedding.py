"""Embeddings and bags of them: padding, pretrained vectors, shortened vectors, and errors."""

from itertools import pairwise

import numpy as np
import pytest

from tinygrad_edu import nn
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.testing import check_vjp, check_vmap

RNG = np.random.default_rng(0)


def test_the_padding_begins_as_zeros_and_stays():
    layer = nn.Embedding(4, 3, padding_idx=-2, rng=np.random.default_rng(0))
    assert layer.padding_idx == 2
    layer([[2, 1], [2, 3]]).sum().backward()
    np.testing.assert_array_equal(layer.weight.grad, [[0] * 3, [1] * 3, [0] * 3, [1] * 3])
    np.testing.assert_array_equal(layer.weight.numpy().any(axis=1), [True, True, False, True])
    with pytest.raises(IndexError, match="padding_idx 4 is out of range for 4 vectors"):
        nn.Embedding(4, 3, padding_idx=4)


def test_vectors_that_were_learned_elsewhere_are_copied_and_frozen_or_trained():
    table = RNG.normal(size=(4, 3))
    frozen, trained = nn.Embedding.from_pretrained(table), nn.Embedding.from_pretrained(table, freeze=False)
    assert [[p.requires_grad for p in layer.parameters()] for layer in (frozen, trained)] == [[False], [True]]
    assert not frozen.buffers()
    table[:] = 0
    assert frozen.weight.numpy().all()
    assert list(frozen.state_dict()) == ["weight"]


def test_vectors_are_shortened_in_the_table_of_a_layer_or_an_array():
    layer = nn.Embedding(4, 3, max_norm=0.5, rng=np.random.default_rng(0))
    before = layer.weight.numpy().copy()
    layer([0, 2])
    assert (np.linalg.norm(layer.weight.numpy(), axis=1) <= 0.5).tolist() == [True, False, True, False]
    np.testing.assert_array_equal(layer.weight.numpy()[[1, 3]], before[[1, 3]])


# --- Bags ---


def bags_of(indices, mode, padding_idx=None, **given):
    """Return a function of the weight."""
    bag = nn.EmbeddingBag(4, 3, mode=mode, padding_idx=padding_idx, dtype=np.float64)
    return lambda weight, *weights: nn.functional_call(bag, {"weight": weight}, indices, *given.values(), *weights)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding_idx", [None, 1])
@pytest.mark.parametrize(
    ("indices", "given"), [([[1, 2, 2], [3, 0, 1], [1, 1, 1]], {}), ([3, 1, 2, 2, 1], {"offsets": [0, 0, 3, 5]})]
)
def test_a_bag_is_reduced_without_its_padding(indices, given, mode, padding_idx):
    weight = RNG.permutation(12).reshape(4, 3) / 4.0
    f = bags_of(np.array(indices), mode, padding_idx, **given)
    starts = [*given["offsets"], len(indices)] if given else None
    bags = indices if starts is None else [indices[a:b] for a, b in pairwise(starts)]
    kept = [[i for i in bag if i != padding_idx] for bag in bags]
    reduced = [getattr(np, mode)(weight[bag], axis=0) if bag else np.zeros(3) for bag in kept]
    np.testing.assert_allclose(f(weight), reduced, rtol=1e-15)
    check_vjp(f, weight)
    check_vmap(f, np.stack([weight, weight[::-1]]))


def test_the_weights_of_a_sum_get_a_gradient():
    f = bags_of(np.array([3, 1, 2, 2, 1]), "sum", 1, offsets=np.array([0, 2]))
    check_vjp(f, RNG.normal(size=(4, 3)), RNG.normal(size=5))


def test_a_bag_without_indices_is_zeros_in_every_mode():
    for mode in ("sum", "mean", "max"):
        bag = nn.EmbeddingBag(4, 3, mode=mode)
        for out in (bag(np.zeros((2, 0), int)), bag(np.zeros(0, int), [0, 0])):
            assert (out.numpy() == np.zeros((2, 3), np.float32)).all()


def test_the_mapped_indices_of_bags():
    bag = nn.EmbeddingBag(4, 3, mode="max", padding_idx=1, dtype=np.float64)
    check_vmap(bag, RNG.integers(0, 4, (3, 2, 5)))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda bag: nn.EmbeddingBag(4, 3, mode="min"), ValueError, "mode must be"),
        (lambda bag: nn.EmbeddingBag(4, 3, padding_idx=4), IndexError, "EmbeddingBag: padding_idx 4 is out of range"),
        (lambda bag: nn.EmbeddingBag.from_pretrained([1.0]), ShapeError, "EmbeddingBag: embeddings must have 2 axes"),
        (lambda bag: bag([1, 2]), ShapeError, r"got \(2,\) without offsets"),
        (lambda bag: bag([[1, 2]], [0]), ShapeError, r"got \(1, 2\) with offsets"),
        (lambda bag: bag([1, 2], [0.0]), DTypeError, "offsets must be integers, got float64"),
        (lambda bag: bag([1, 2], [[0]]), ShapeError, r"offsets must have 1 axis, got shape \(1, 1\)"),
        *(
            (lambda bag, o=o: bag([1, 2], o), ValueError, "begin with 0")
            for o in ([1], [0, 2, 1], [0, 3], np.zeros(0, int))
        ),
        (lambda bag: nn.EmbeddingBag(4, 3, include_last_offset=True)([1, 2], [0]), ValueError, "must be the number"),
        (lambda bag: bag([[1, 2]], per_sample_weights=[[1.0, 2.0]]), ValueError, "need mode='sum', got mode='mean'"),
        (lambda bag: nn.EmbeddingBag(4, 3, mode="sum")([[1]], None, [1.0]), ShapeError, r"must have shape \(1, 1\)"),
        (lambda bag: bag([[1, 4]]), IndexError, "from 0 to 3"),
    ],
)
def test_what_does_not_fit_a_bag_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(nn.EmbeddingBag(4, 3))
