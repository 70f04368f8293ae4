"""Sharded gradients: equal to those of the whole batch, and bitwise equal for any number of threads."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.effort import with_each
from tests.parallel.simulated import on_workers
from tinygrad_edu import nn
from tinygrad_edu.errors import DTypeError, NonScalarBackwardError, ShapeError
from tinygrad_edu.parallel import map_shards, sharded_value_and_grad, shards


def batch(count=70):
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, 6)).astype(np.float32), rng.integers(0, 3, count)


def network(dropout=0.0):
    rng = np.random.default_rng(1)
    # Not 5 wide: OpenBLAS 0.3.31 reads uninitialized lanes of a row times (5, 3) on AVX-512, and may warn of NaN.
    return nn.Sequential(nn.Linear(6, 8, rng=rng), nn.Tanh(), nn.Dropout(dropout, rng=rng), nn.Linear(8, 3, rng=rng))


def gradient(threads=None, dropout=0.0, shard_size=32, seed=3, count=70):
    return sharded_value_and_grad(
        network(dropout), nn.cross_entropy, *batch(count), np.random.default_rng(seed), shard_size=shard_size,
        threads=threads,
    )  # fmt: skip


@pytest.mark.parametrize("shard_size", [1, 7, 32, 70, 100])
def test_it_is_the_gradient_of_the_mean_over_the_whole_batch(shard_size):
    model = network()
    x, y = batch()
    whole = nn.cross_entropy(model(x), y)
    whole.backward()
    value, gradients = gradient(shard_size=shard_size)
    assert value == pytest.approx(whole.item(), rel=1e-5)
    for found, p in zip(gradients, model.parameters(), strict=True):
        np.testing.assert_allclose(found, p.grad, rtol=1e-4, atol=1e-6)
        assert found.dtype == p.dtype


def bits(result):
    value, gradients = result
    return value, [g.tobytes() for g in gradients]


@pytest.mark.parametrize("size", [2, 3, 5, 12])
def test_the_bits_do_not_depend_on_the_number_of_workers(size):
    def on(worker):
        rng = np.random.default_rng(3)
        found = sharded_value_and_grad(
            network(0.5), nn.cross_entropy, *batch(), rng, shard_size=8, threads=1 + worker.rank % 2, workers=worker
        )
        return bits(found), rng.random()

    rng = np.random.default_rng(3)
    alone = sharded_value_and_grad(network(0.5), nn.cross_entropy, *batch(), rng, shard_size=8)
    assert on_workers(size, on)[1] == [(bits(alone), rng.random())] * size


@pytest.mark.parametrize("tried_before", [False, True])
def test_what_is_drawn_of_a_batch_does_not_depend_on_those_before_it(tried_before):
    """A resumed training begins with another batch."""
    model, rng, (x, y) = network(0.5), np.random.default_rng(3), batch()
    if tried_before:
        sharded_value_and_grad(model, nn.cross_entropy, x, y, np.random.default_rng(0), shard_size=8)
    found = sharded_value_and_grad(model, nn.cross_entropy, x, np.where(np.arange(70) < 9, -100, y), rng, shard_size=8)
    twin = np.random.default_rng(3)
    sharded_value_and_grad(model, nn.cross_entropy, x, y, twin, shard_size=8)
    assert rng.random() == twin.random()
    assert found[1][0].any()


def test_it_leaves_no_gradient_on_the_parameters_and_works_under_no_grad():
    model = network()
    with tg.no_grad():
        _, gradients = sharded_value_and_grad(model, nn.cross_entropy, *batch(), np.random.default_rng(0))
    assert all(isinstance(g, np.ndarray) and g.any() for g in gradients)
    assert all(p.grad is None for p in model.parameters())


def test_a_parameter_that_does_not_matter_has_no_gradient():
    model = network()
    model.spare = tg.Tensor([1.0], requires_grad=True)
    _, gradients = sharded_value_and_grad(model, nn.cross_entropy, *batch(), np.random.default_rng(0))
    assert [g is None for g in gradients] == [p is model.spare for p in model.parameters()]
    value, gradients = sharded_value_and_grad(model, lambda out, y: tg.Tensor(2.0), *batch(), np.random.default_rng(0))
    assert (value, gradients) == (pytest.approx(2.0), [None] * 5)


def test_gradients_share_no_memory_with_each_other_or_the_model():
    model = network()
    _, first = sharded_value_and_grad(model, nn.cross_entropy, *batch(20), np.random.default_rng(0))
    _, second = sharded_value_and_grad(model, nn.cross_entropy, *batch(20), np.random.default_rng(0))
    arrays = [*first, *second, *(p.data for p in model.parameters())]
    assert not any(np.shares_memory(a, b) for k, a in enumerate(arrays) for b in arrays[:k])


@pytest.mark.parametrize("number", ["shard_size", "threads"])
@pytest.mark.parametrize(
    ("value", "error"), [(0, ValueError), (-3, ValueError), (1.5, DTypeError), ("2", DTypeError), (True, DTypeError)]
)
def test_sizes_and_numbers_of_threads_are_whole_numbers_of_at_least_one(number, value, error):
    with pytest.raises(error, match=f"{number} must be"):
        gradient(**{number: value})
    with pytest.raises(error, match=f"{number.removeprefix('shard_')} must be"):  # by the call, not the first result
        shards(5, value) if number == "shard_size" else map_shards(abs, 5, value)


def test_they_may_be_numbers_of_numpy():
    assert bits(gradient(np.int64(2), shard_size=np.uint8(32))) == bits(gradient(2))


@pytest.mark.parametrize(
    ("denominator", "sizes"), [(None, [150]), (len, [64, 64, 22]), (lambda target: float(len(target)), [64, 64, 22])]
)
def test_a_loss_with_a_denominator_sees_each_shard_and_any_other_the_whole_batch(denominator, sizes):
    seen, model = [], network()

    def loss(out, y):
        seen.append((len(out), len(y)))
        return nn.cross_entropy(out, y)

    if denominator is not None:
        loss = nn.additive(denominator)(loss)
    for _ in range(2):
        seen.clear()
        sharded_value_and_grad(model, loss, *batch(150), np.random.default_rng(0), threads=1)
        assert seen == [(size, size) for size in sizes]


# --- Batches of several inputs, and pytrees ---


def test_one_input_is_the_same_alone_and_in_a_tuple():
    x, y = batch()
    in_a_tuple = sharded_value_and_grad(
        network(0.5), nn.cross_entropy, (x,), y, np.random.default_rng(3), shard_size=32
    )
    assert bits(in_a_tuple) == bits(gradient(dropout=0.5))


X = np.ones((3, 2))
REFUSED = [
    *((batch(x)[0], batch(y)[1], {}, ShapeError, f"the batch has {x} samples and {y} labels")
      for x, y in ((0, 0), (3, 2), (2, 3))),
    (*batch(), {"loss": lambda out, y: out * 1.0}, NonScalarBackwardError,
     r"the loss has shape \(70, 3\); expected a Tensor"),
    (*batch(), {"loss": lambda out, y: out.mean().item()}, NonScalarBackwardError,
     "is a float; expected a Tensor of one element"),
    *((*batch(), {"rng": rng}, DTypeError, r"rng must be a numpy\.random\.Generator, got .*default_rng\(seed\)")
      for rng in (None, 0, np.random.RandomState(0), np.random)),
    ((X, X[:2]), np.ones(3), {}, ShapeError, r"same length along axis 0, got the shapes \(3, 2\), \(2, 2\)"),
    ((X, {"scale": 2.0}), np.ones(3), {}, ShapeError, r"shapes \(3, 2\), \(\)"),
    ((X,), (np.ones(3), np.ones(2)), {}, ShapeError, r"shapes \(3,\), \(2,\)"),
    ((X,), None, {}, ShapeError, "shapes none"), ((), np.ones(3), {}, ShapeError, "shapes none"),
]  # fmt: skip


@with_each(("x", "y", "settings", "error", "message"), REFUSED)
def test_what_does_not_fit_is_refused(x, y, settings, error, message):
    given = {"loss": nn.cross_entropy, "rng": np.random.default_rng(0), **settings}
    with pytest.raises(error, match=message):
        sharded_value_and_grad(network(), given["loss"], x, y, given["rng"])
