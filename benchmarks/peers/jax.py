"""Workloads in JAX: one jitted function per step, with donated parameters."""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks import workloads
from benchmarks.cores import available

Run = Callable[[], tuple[float, ...]]


def threads() -> str:
    """Return the numbers of threads in use."""
    return f"XLA {1 if 'multi_thread_eigen=false' in os.environ.get('XLA_FLAGS', '') else len(available())}"


def _convolve(x: Any, w: Any, stride: int = 1, padding: int = 0, groups: int = 1) -> Any:
    return lax.conv_general_dilated(x, w, (stride, stride), [(padding, padding)] * 2, feature_group_count=groups)


def _convolve_transposed(x: Any, w: Any, stride: int, padding: int, groups: int) -> Any:
    assert groups == 1
    far, kernels = w.shape[-1] - 1 - padding, jnp.flip(w, (2, 3)).swapaxes(0, 1)
    return lax.conv_general_dilated(x, kernels, (1, 1), [(far, far)] * 2, lhs_dilation=(stride, stride))


def _cross_entropy(logits: Any, y: Any) -> Any:
    log_p = jax.nn.log_softmax(logits)
    return -jnp.mean(jnp.take_along_axis(log_p, y[:, None], axis=1))


def _pool(x: Any) -> Any:
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")


def _trainer(loss_of: Callable[..., Any], parameters: Any, x: Any, y: Any) -> Run:
    """Return a jitted step of gradient descent on loss_of(parameters, key, x, y)."""

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(parameters: Any, key: Any, x: Any, y: Any) -> Any:
        key, here = jax.random.split(key)
        loss, gradients = jax.value_and_grad(loss_of)(parameters, here, x, y)
        return jax.tree.map(lambda p, g: p - workloads.LEARNING_RATE * g, parameters, gradients), key, loss

    state = jax.device_put(parameters), jax.random.key(0, impl="unsafe_rbg")
    x, y = jax.device_put(x), jax.device_put(y.astype(np.int32))

    def run() -> tuple[float, ...]:
        nonlocal state
        *rest, loss = step(*state, x, y)
        state = tuple(rest)
        return (float(loss),)

    return run


def _mnist_logits(parameters: Any, x: Any, mask: Any) -> Any:
    kernels, weights = parameters
    hidden = jnp.tanh(_convolve(x, kernels))
    hidden = hidden if mask is None else hidden * mask
    return hidden.reshape(len(x), -1) @ weights.T


def _dropout(key: Any, count: int) -> Any:
    return 2.0 * jax.random.bernoulli(key, 0.5, (count, 16, 26, 26))


def mnist_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 1."""
    m = workloads.mnist(sizes)

    def loss_of(parameters: Any, key: Any, x: Any, y: Any) -> Any:
        mask = jnp.asarray(m["mask"]) if fixed else _dropout(key, len(x))
        return _cross_entropy(_mnist_logits(parameters, x, mask), y)

    return _trainer(loss_of, [m["kernels"], m["weights"]], m["x"], m["y"])


def _stepper(momentum: float, fixed: bool) -> Callable[..., Any]:
    """Return a jitted step of gradient descent with momentum."""

    @partial(jax.jit, donate_argnums=(0, 1, 2))
    def step(parameters: Any, velocities: Any, key: Any, rate: Any, x: Any, y: Any) -> Any:
        key, here = jax.random.split(key)

        def loss_of(parameters: Any) -> Any:
            return _cross_entropy(_mnist_logits(parameters, x, None if fixed else _dropout(here, len(x))), y)

        loss, gradients = jax.value_and_grad(loss_of)(parameters)
        velocities = jax.tree.map(lambda v, g: momentum * v + g, velocities, gradients)
        return jax.tree.map(lambda p, v: p - rate * v, parameters, velocities), velocities, key, loss

    return step


def epoch(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 2, without dropout for the comparison."""
    x, y, x_test, y_test = workloads.digits(sizes)
    step, rates = _stepper(sizes["momentum"], fixed), workloads.rates(sizes)

    @jax.jit
    def predict(parameters: Any, x: Any) -> Any:
        return _mnist_logits(parameters, x, None).argmax(axis=1)

    parameters = jax.device_put(list(workloads.epoch_weights()))
    velocities, key = jax.tree.map(jnp.zeros_like, parameters), jax.random.key(0, impl="unsafe_rbg")

    def run() -> tuple[float, ...]:
        nonlocal parameters, velocities, key
        losses = []
        batches = workloads.epoch_batches(x, y, sizes, np.random.default_rng(0))
        for rate, (images, labels) in zip(rates, batches, strict=True):
            batch = images, labels.astype(np.int32)
            parameters, velocities, key, loss = step(parameters, velocities, key, rate, *batch)
            losses.append(loss)
        mean, now = float(np.mean([float(loss) for loss in losses])), partial(predict, parameters)
        return mean, workloads.accuracy(now, x, y), workloads.accuracy(now, x_test, y_test)

    return run


def lenet_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 3."""
    x, y, parameters = workloads.lenet(sizes)

    def loss_of(parameters: Any, key: Any, x: Any, y: Any) -> Any:
        w1, b1, w2, b2, w3, b3, w4, b4 = parameters
        x = _pool(jax.nn.relu(_convolve(x, w1) + b1[:, None, None]))
        x = _pool(jax.nn.relu(_convolve(x, w2) + b2[:, None, None]))
        x = jax.nn.relu(x.reshape(len(x), -1) @ w3.T + b3)
        return _cross_entropy(x @ w4.T + b4, y)

    return _trainer(loss_of, parameters, x, y)


def mlp_step(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 5."""
    x, y, parameters = workloads.mlp(sizes)

    def loss_of(parameters: Any, key: Any, x: Any, y: Any) -> Any:
        *hidden, (w, b) = zip(parameters[::2], parameters[1::2], strict=True)
        for weight, bias in hidden:
            x = jax.nn.relu(x @ weight.T + bias)
        return _cross_entropy(x @ w.T + b, y)

    return _trainer(loss_of, parameters, x, y)


def convolution(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workloads 4, 4s, 4p, 4d and 4t."""
    a, function = workloads.convolution(sizes), _convolve_transposed if sizes["transposed"] else _convolve
    settings = {name: sizes[name] for name in ("stride", "padding", "groups")}
    x, w, c = (jax.device_put(a[name]) for name in "xwc")

    @jax.jit
    def both(x: Any, w: Any, c: Any) -> Any:
        maps, pullback = jax.vjp(partial(function, **settings), x, w)
        return maps, *pullback(c)

    def run() -> tuple[float, ...]:
        maps, dx, dw = jax.block_until_ready(both(x, w, c))
        if not fixed:
            return (0.0,)
        gradients = [*workloads.along(np.asarray(dx), a["along_x"]), *workloads.along(np.asarray(dw), a["along_w"])]
        return (float(jnp.vdot(maps, c)), *gradients)

    return run


def evaluation(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workload 12."""
    _, _, images, labels = workloads.digits(sizes)
    parameters = jax.device_put(list(workloads.epoch_weights()))
    predict = partial(jax.jit(lambda parameters, x: _mnist_logits(parameters, x, None).argmax(axis=1)), parameters)
    return lambda: (workloads.accuracy(predict, images, labels),)


def chain(sizes: workloads.Sizes, fixed: bool) -> Run:
    """Workloads 6 and 7, as a compiled scan."""
    *arrays, turns = workloads.chain(sizes)

    @jax.jit
    def both(x: Any, w: Any, b: Any, v: Any) -> Any:
        def loss_of(x: Any, w: Any, b: Any, v: Any) -> Any:
            x, _ = lax.scan(lambda x, _: (jax.nn.relu(x * w + b) * v, None), x, length=turns)
            return x.sum()

        return jax.value_and_grad(loss_of, (0, 1, 2, 3))(x, w, b, v)

    leaves = jax.device_put(arrays)

    def run() -> tuple[float, ...]:
        loss, gradients = both(*leaves)
        return (float(loss), *(float(np.asarray(g).sum()) for g in gradients))

    return run
