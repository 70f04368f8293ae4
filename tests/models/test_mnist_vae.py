"""The autoencoder: its loss bounds the log likelihood, its noise has a random stream, and it draws the plane."""

import numpy as np
import pytest
from numpy.polynomial.hermite_e import hermegauss

import tinygrad_edu as tg
from models import mnist_vae
from tinygrad_edu import nn
from tinygrad_edu.parallel import sharded_value_and_grad
from tinygrad_edu.testing import check_vjp

NODES, WEIGHTS = hermegauss(40)
POINTS = np.stack(np.meshgrid(NODES, NODES), axis=-1).reshape(-1, 2)
SHARES = np.outer(WEIGHTS, WEIGHTS).ravel() / WEIGHTS.sum() ** 2  # probabilities under the standard normal distribution


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setattr(mnist_vae, "WIDE", 5)
    monkeypatch.setattr(mnist_vae, "NARROW", 4)
    return mnist_vae.Autoencoder(np.random.default_rng(0)).astype(np.float64)


@pytest.fixture
def images():
    return tg.data.to_float(tg.data.load_embedded().x_train[:3]).astype(np.float64)


def test_the_divergence_is_the_integral_that_it_stands_for():
    mean, log_variance = np.array([[0.3, -1.2]]), np.array([[-0.7, 0.4]])
    found = mean + np.exp(log_variance / 2) * POINTS
    log_ratio = ((found**2 - POINTS**2 - log_variance) / 2).sum(axis=1)
    logits = np.zeros((1, 1, 28, 28))
    outputs = tg.Tensor(logits), tg.Tensor(mean), tg.Tensor(log_variance)
    expected = 784 * np.log(2) + SHARES @ log_ratio
    np.testing.assert_allclose(mnist_vae.nats(outputs, logits).numpy(), [expected], rtol=1e-12)


def test_what_it_makes_small_is_never_less_than_the_nats_of_an_image(model, images):
    """The likelihood of a black and white image is the integral over all latent points."""
    images = np.round(images)
    outputs = model(tg.Tensor(images[:1].repeat(len(POINTS), axis=0)), POINTS)
    bound = SHARES @ mnist_vae.nats(outputs, images[:1].repeat(len(POINTS), axis=0)).numpy()
    logits = model.decoder(tg.Tensor(POINTS)).numpy()
    log_likelihood = (images[:1] * logits - np.logaddexp(0, logits)).sum(axis=(1, 2, 3))
    exact = -np.log(SHARES @ np.exp(log_likelihood - log_likelihood.max())) - log_likelihood.max()
    assert exact < bound < exact + 20


@pytest.mark.thorough
def test_gradients_go_through_the_point_that_was_drawn(model, images):
    names, values = zip(*model.state_dict().items(), strict=True)
    noise = np.random.default_rng(1).normal(size=(3, 2))

    def loss(*parameters):
        state = dict(zip(names, parameters, strict=True))
        return mnist_vae.mean_nats(nn.functional_call(model, state, tg.Tensor(images), noise), images)

    check_vjp(loss, *values)


def test_the_noise_depends_on_the_seed_and_not_on_the_number_of_threads(model, images):
    x = np.tile(images, (50, 1, 1, 1))

    def step(seed, threads):
        return sharded_value_and_grad(
            model, mnist_vae.mean_nats, x, x, np.random.default_rng(seed), threads=threads, shard_size=32
        )

    (one, gradients), (two, same), (other, _) = step(0, 1), step(0, 2), step(1, 1)
    assert one == two != other
    for a, b in zip(gradients, same, strict=True):
        np.testing.assert_array_equal(a, b)
    with nn.random_stream(np.random.default_rng(0)):
        drawn = model(tg.Tensor(images))[0].numpy()
    given = model(tg.Tensor(images), np.random.default_rng(0).standard_normal((3, 2)))[0].numpy()
    np.testing.assert_array_equal(drawn, given)


def test_the_generated_digits_lie_as_the_axes_say(model):
    """The first coordinate of a point is horizontal, the second vertical, upwards."""
    picture = mnist_vae.generated(model)
    side, last = mnist_vae.SIDE, mnist_vae.SIDE - 1
    edge = mnist_vae.NormalDist().inv_cdf(1 - 0.5 / side)
    corner = tg.sigmoid(model.decoder(tg.Tensor([[edge, -edge]], dtype=np.float64))).numpy()[0, 0]
    np.testing.assert_allclose(picture[last * 28 :, last * 28 :], corner, rtol=1e-6)
