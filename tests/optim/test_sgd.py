"""SGD does what PyTorch's documentation says, in place and without a graph."""

import os
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu import Tensor, from_numpy
from tinygrad_edu.errors import DTypeError, NoGraphError, ReadOnlyError, StaleValueError
from tinygrad_edu.nn import Linear
from tinygrad_edu.optim import SGD, sgd

seeds = st.integers(0, 2**32 - 1)
rates = st.floats(0, 1)
settings = st.tuples(rates, rates, st.booleans()).map(
    lambda drawn: {"weight_decay": drawn[0], "momentum": drawn[1], "nesterov": drawn[2] and drawn[1] > 0}
)

# From torch.optim.SGD of torch 2.13 in float64: p = [1, 2, -3], three steps with the gradients below and lr=0.1.
TORCH_GRADS = [[1.0, -2.0, 0.5], [0.25, 0.5, -1.0], [-0.75, 1.5, 2.0]]
TORCH = [
    ({}, [0.95, 2.0, -3.15]),
    ({"weight_decay": 0.5}, [0.818375, 1.69775, -2.72225]),
    ({"momentum": 0.9}, [0.7565, 2.297, -3.1455]),
    ({"momentum": 0.9, "nesterov": True}, [0.73085, 2.2673, -3.28095]),
    ({"momentum": 0.75, "weight_decay": 0.25}, [0.685546875, 1.96134375, -2.767484375]),
    ({"momentum": 0.75, "nesterov": True, "weight_decay": 0.25}, [0.658780517578, 1.806713378906, -2.764076416016]),
]


def leaf(values, dtype=np.float64):
    return Tensor(np.asarray(values, dtype), requires_grad=True)


@pytest.mark.parametrize(("options", "expected"), TORCH)
def test_three_steps_are_pytorchs(options, expected):
    p = leaf([1, 2, -3])
    optimizer = SGD([p], lr=0.1, **options)
    for gradient in TORCH_GRADS:
        p.grad = gradient
        optimizer.step()
    np.testing.assert_allclose(p.numpy(), expected, rtol=1e-11)


def by_the_formulas(p, grads, lrs, momentum, nesterov, weight_decay):
    """Follow the pseudocode in PyTorch's documentation of SGD, with a buffer that begins as the first gradient."""
    buffer = None
    for grad, lr in zip(grads, lrs, strict=True):
        g = grad + weight_decay * p
        if momentum:
            buffer = g if buffer is None else momentum * buffer + g
            g = g + momentum * buffer if nesterov else buffer
        p = p - lr * g
    return p


@given(st.lists(st.integers(0, 4), max_size=3).map(tuple), st.lists(rates, min_size=1, max_size=5), settings, seeds)
def test_steps_follow_the_documented_formulas_with_any_schedule(shape, lrs, options, seed):
    rng = np.random.default_rng(seed)
    start = rng.standard_normal(shape)
    grads = rng.standard_normal((len(lrs), *shape))
    p, other = leaf(start), leaf(rng.standard_normal(7))
    optimizer = SGD([p, other], lr=0.0, **options)
    for grad, lr in zip(grads, lrs, strict=True):
        p.grad, optimizer.lr = grad, lr
        optimizer.step()
    np.testing.assert_allclose(p.numpy(), by_the_formulas(start, grads, lrs, **options), rtol=1e-12, atol=1e-12)


@given(settings, seeds)
def test_parameters_of_different_shapes_and_dtypes_do_not_disturb_each_other(options, seed):
    rng = np.random.default_rng(seed)
    shapes = [((3, 2), np.float32), ((), np.float64), ((5,), np.float16), ((0, 2), np.float32), ((7,), np.float64)]

    def descend(order):
        rng = np.random.default_rng(seed)
        parameters = [leaf(rng.standard_normal(shape), dtype) for shape, dtype in shapes]
        optimizer = SGD([parameters[k] for k in order], lr=0.25, **options)
        for _ in range(2):
            for p in parameters:
                p.grad = rng.standard_normal(p.shape)
            optimizer.step()
        return [p.numpy() for p in parameters]

    for mine, other in zip(descend(range(5)), descend(rng.permutation(5)), strict=True):
        np.testing.assert_array_equal(mine, other)


@given(settings, st.sampled_from([np.float16, np.float32, np.float64]), st.integers(1, 200), seeds)
def test_the_bits_do_not_depend_on_the_size_of_the_parts(options, dtype, size, seed):
    def descend():
        rng = np.random.default_rng(seed)
        values = [rng.standard_normal(shape).astype(dtype) for shape in [(), (7,), (6, 5), (5, 4, 3), (8, 6), (1, 90)]]
        values[-2] = values[-2][::2, ::-1].T  # neither in order nor contiguous
        parameters = [from_numpy(array, requires_grad=True) for array in values]
        optimizer = SGD(parameters, lr=0.25, **options)
        for _ in range(2):
            for p in parameters:
                p.grad = rng.standard_normal(p.shape)
            optimizer.step()
        return [p.numpy().tobytes() for p in parameters]

    whole = descend()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sgd, "_BYTES", size)
        assert descend() == whole


@pytest.mark.parametrize("options", [options for options, _ in TORCH])
def test_a_step_writes_into_the_parameters_memory_and_leaves_the_gradient_alone(options):
    p = leaf([1, 2, 3])
    memory, view = p.data, p.T
    p.grad = gradient = np.array([1.0, 2.0, 3.0])
    SGD([p], lr=0.5, **options).step()
    assert p.data is memory
    assert p.is_leaf
    assert p.requires_grad
    np.testing.assert_array_equal(gradient, [1, 2, 3])
    assert p.grad is gradient
    np.testing.assert_array_equal(view.numpy(), memory)


def test_a_step_is_noticed_by_a_graph_that_needs_the_old_values():
    p = leaf([1.0, 2.0])
    p.grad = [1.0, 1.0]
    loss = (p * p).sum()
    SGD([p], lr=0.5).step()
    with pytest.raises(StaleValueError, match="changed in place"):
        loss.backward()


@pytest.mark.parametrize("options", [options for options, _ in TORCH])
def test_a_step_allocates_nothing_of_the_size_of_a_parameter(options):
    parameters = [leaf(np.ones(100_000)) for _ in range(3)]
    optimizer = SGD(parameters, lr=0.5, **options)
    for p in parameters:
        p.grad = np.ones(100_000)
    optimizer.step()
    tracemalloc.start()
    optimizer.step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000


def test_a_parameter_without_a_gradient_is_skipped_with_its_velocity():
    p, q = leaf([1.0]), leaf([1.0])
    optimizer = SGD([p, q], lr=1.0, momentum=0.5, weight_decay=0.1)
    q.grad = [1.0]
    optimizer.step()
    assert p.item() == 1
    assert q.item() != 1
    p.grad = [1.0]
    optimizer.step()
    assert p.item() == pytest.approx(1 - (1 + 0.1))


def test_zero_grad_forgets_every_gradient():
    p = leaf([1.0])
    p.grad = [1.0]
    SGD([p], lr=1.0).zero_grad()
    assert p.grad is None


def test_a_numpy_learning_rate_does_not_change_the_arithmetic():
    results = []
    for lr in (0.1, np.float64(0.1), np.array(0.1)):
        p = leaf(np.linspace(0, 1, 9), np.float32)
        p.grad = np.linspace(1, 2, 9)
        optimizer = SGD([p], lr=lr)
        optimizer.step()
        results.append(p.numpy())
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_it_fits_a_line():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 3)).astype(np.float32)
    target = x @ np.array([[1.0], [-2.0], [0.5]], np.float32) + 3
    model = Linear(3, 1, rng=rng)
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.8, nesterov=True)
    for _ in range(100):
        optimizer.zero_grad()
        ((model(x) - target) ** 2).mean().backward()
        optimizer.step()
    np.testing.assert_allclose(model.weight.numpy(), [[1, -2, 0.5]], atol=1e-4)
    np.testing.assert_allclose(model.bias.numpy(), [3], atol=1e-4)


@pytest.mark.parametrize("nesterov", [False, True])
def test_with_a_constant_learning_rate_it_is_also_keras_sgd(nesterov):
    # Keras folds the learning rate into its velocity, which is -lr times ours.
    os.environ["KERAS_BACKEND"] = "jax"
    keras = pytest.importorskip("keras", reason="the judge is an extra: pip install '.[keras]'")
    variable, p = keras.Variable(np.array([1, 2, -3], np.float32)), leaf([1, 2, -3], np.float32)
    theirs = keras.optimizers.SGD(0.1, momentum=0.9, nesterov=nesterov)
    ours = SGD([p], lr=0.1, momentum=0.9, nesterov=nesterov)
    for gradient in np.array(TORCH_GRADS, np.float32):
        theirs.apply([gradient], [variable])
        p.grad = gradient
        ours.step()
    np.testing.assert_allclose(p.numpy(), variable.numpy(), rtol=1e-6)


def locked():
    array = np.ones(2)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("settings", [{"momentum": 0.9}, {"momentum": 0.5, "nesterov": True}, {"weight_decay": 0.1}])
def test_every_setting_may_be_set_between_steps(settings):
    at_once, later = leaf([1.0, 2.0]), leaf([1.0, 2.0])
    optimizers = SGD([at_once], lr=0.5, **settings), SGD([later], lr=0.5)
    vars(optimizers[1]).update(settings)
    for optimizer, p in zip(optimizers, (at_once, later), strict=True):
        for _ in range(3):
            p.grad = [1.0, -1.0]
            optimizer.step()
    np.testing.assert_array_equal(at_once.numpy(), later.numpy())


@pytest.mark.parametrize(("name", "value"), [("lr", np.nan), ("momentum", -0.5), ("weight_decay", np.inf)])
def test_a_wrong_setting_between_steps_is_refused_before_anything_moves(name, value):
    p = leaf([1.0, 2.0])
    p.grad = [1.0, 1.0]
    optimizer = SGD([p], lr=0.5)
    setattr(optimizer, name, value)
    with pytest.raises(ValueError, match=f"SGD: {name} is a number of at least 0"):
        optimizer.step()
    assert p.numpy().tolist() == [1, 2]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda w: SGD([w], lr=-0.1), ValueError, "SGD: lr is a number of at least 0, not -0.1"),
        (lambda w: SGD([w], lr=float("nan")), ValueError, "SGD: lr is a number of at least 0, not nan"),
        (lambda w: SGD([w], lr=np.inf), ValueError, "SGD: lr is a number of at least 0, not inf, and finite"),
        (lambda w: SGD([w], lr="0.1"), ValueError, "SGD: lr is a number of at least 0, not '0.1'"),
        (
            lambda w: SGD([from_numpy(locked(), True)], 0.1),
            ReadOnlyError,
            "SGD moves parameter 0 in place .* read-only",
        ),
        (lambda w: SGD([w], 0.1, momentum=-1), ValueError, "SGD: momentum is a number of at least 0"),
        (lambda w: SGD([w], 0.1, weight_decay=-1), ValueError, "SGD: weight_decay is a number of at least 0"),
        (lambda w: SGD([w], 0.1, nesterov=True), ValueError, "nesterov=True.*give it a momentum, such as 0.9"),
        (lambda w: SGD([], 0.1), ValueError, "there are no parameters to optimize"),
        (lambda w: SGD(iter([w, w]), 0.1), ValueError, r"parameter 1, of shape \(2,\), is there twice"),
        (lambda w: SGD(w, 0.1), DTypeError, r"not one Tensor: pass model.parameters\(\), or \[w\]"),
        (lambda w: SGD(Linear(1, 1), 0.1), DTypeError, r"not one Linear: pass model.parameters\(\)"),
        (lambda w: SGD([w, w.numpy()], 0.1), DTypeError, "parameter 1 is a ndarray, and must be a Tensor"),
        (lambda w: SGD([w.detach()], 0.1), NoGraphError, "parameter 0, .* does not require a gradient"),
        (lambda w: SGD([w * 2], 0.1), NoGraphError, "parameter 0, .* was computed by an op"),
    ],
)
def test_mistakes_are_explained(make, error, message):
    with pytest.raises(error, match=message):
        make(leaf([1.0, 2.0]))
