"""Trainings with one fault, each with a right twin: functions of a generator and of whether the fault is in it."""

from itertools import pairwise

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import nn, optim


def digits(rng, scaled=True, count=160):
    """Return images (count, 784) and labels of MNIST, in a random order."""
    data = tg.data.load_embedded()
    order = rng.permutation(1000)[:count]
    x = data.x_train[order].reshape(count, -1)
    return (x / np.float32(255) if scaled else x), data.y_train[order]


def batched(*arrays, size=32):
    return [tuple(a[k : k + size] for a in arrays) for k in range(0, len(arrays[0]), size)]


def points(rng, classes=3, count=160):
    """Return clusters (count, 4) with labels."""
    y = rng.integers(0, classes, count)
    centers = rng.normal(size=(classes, 4))
    return (centers[y] + 0.5 * rng.normal(size=(count, 4))).astype(np.float32), y


def mlp(rng, *sizes, between=nn.ReLU):
    layers = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b, rng=rng), between()]
    return nn.Sequential(*layers[:-1])


def sgd(model, lr=0.1):
    return optim.SGD(model.parameters(), lr=lr)


def program(model, loss, batches, optimizer=None, **settings):
    return model, loss, batches, optimizer or sgd(model), settings


PROGRAMS = {}


def fault(name):
    """Register a program, whose fault has this name."""

    def registered(make):
        PROGRAMS[make.__name__] = (name, make)
        return make

    return registered


# --- Data ---


@fault("unscaled_inputs")
def bytes_of_images(rng, broken):
    return program(mlp(rng, 784, 32, 10), nn.cross_entropy, batched(*digits(rng, not broken)))


@fault("unscaled_inputs")
def pixels_up_to_255(rng, broken):
    x, y = digits(rng)
    return program(mlp(rng, 784, 32, 10), nn.cross_entropy, batched(x * np.float32(255 if broken else 1), y))


@fault("unscaled_inputs")
def years_as_inputs(rng, broken):
    x = rng.uniform(1990, 2020, (160, 1)).astype(np.float32)
    y = ((x - 2005) / 10) ** 2
    model = mlp(rng, 1, 16, 1, between=nn.Tanh)
    return program(model, nn.mse_loss, batched(x if broken else (x - 2005) / 10, y / 3), sgd(model, 0.01))


@fault("unscaled_inputs")
def images_multiplied_by_hand(rng, broken):
    class Net(nn.Module):
        def __init__(self):
            self.w = tg.Tensor(0.05 * rng.normal(size=(784, 10)), requires_grad=True)

        def forward(self, x):
            return x @ self.w

    x, y = digits(rng, scaled=False)
    net = Net()
    return program(net, nn.cross_entropy, batched(x if broken else x / 255, y), sgd(net, 1e-4))


@fault("bad_labels")
def labels_from_one(rng, broken):
    x, y = points(rng)
    return program(mlp(rng, 4, 16, 3), nn.cross_entropy, batched(x, y + broken))


@fault("bad_labels")
def labels_as_floats(rng, broken):
    x, y = points(rng)
    return program(mlp(rng, 4, 16, 3), nn.cross_entropy, batched(x, y.astype(np.float32) if broken else y))


@fault("bad_labels")
def labels_of_minus_one_in_an_own_loss(rng, broken):
    x, y = points(rng)

    def loss(out, labels):
        return -tg.log_softmax(out)[np.arange(len(labels)), labels].mean()

    return program(mlp(rng, 4, 16, 3), loss, batched(x, y - broken))


@fault("bad_labels")
def a_column_against_a_row(rng, broken):
    x = rng.normal(size=(160, 4)).astype(np.float32)
    y = x @ np.float32([[1], [-1], [2], [0]])
    return program(mlp(rng, 4, 16, 1), lambda out, y: ((out - y) ** 2).mean(), batched(x, y[:, 0] if broken else y))


@fault("bad_labels")
def signs_as_binary_labels(rng, broken):
    x, y = points(rng, 2)
    y = y.astype(np.float32)[:, None]
    return program(mlp(rng, 4, 16, 1), nn.binary_cross_entropy_with_logits, batched(x, 2 * y - 1 if broken else y))


@fault("one_class")
def a_set_of_zeros(rng, broken):
    x, y = points(rng)
    return program(mlp(rng, 4, 16, 3), nn.cross_entropy, batched(x, y * (not broken)))


@fault("sorted_labels")
def samples_sorted_by_class(rng, broken):
    x, y = points(rng)
    order = np.argsort(y) if broken else rng.permutation(160)
    return program(mlp(rng, 4, 16, 3), nn.cross_entropy, batched(x[order], y[order]))


@fault("sorted_labels")
def binary_labels_in_two_halves(rng, broken):
    x, y = points(rng, 2)
    order = np.argsort(y) if broken else rng.permutation(160)
    target = y[order].astype(np.float32)[:, None]
    return program(mlp(rng, 4, 16, 1), nn.BCEWithLogitsLoss(), batched(x[order], target))


# --- Loss ---


@fault("softmax_before_cross_entropy")
def softmax_at_the_end(rng, broken):
    end = nn.Softmax(axis=1) if broken else nn.Identity()
    return program(nn.Sequential(*mlp(rng, 4, 16, 3), end), nn.cross_entropy, batched(*points(rng)))


@fault("softmax_before_cross_entropy")
def a_sigmoid_for_each_class(rng, broken):
    end = nn.Sigmoid() if broken else nn.Identity()
    return program(nn.Sequential(*mlp(rng, 4, 16, 3), end), nn.cross_entropy, batched(*points(rng)))


@fault("softmax_before_cross_entropy")
def sigmoid_before_binary_logits(rng, broken):
    x, y = points(rng, 2)
    end = nn.Sigmoid() if broken else nn.Identity()
    return program(
        nn.Sequential(*mlp(rng, 4, 16, 1), end), nn.BCEWithLogitsLoss(), batched(x, y.astype(np.float32)[:, None])
    )


@fault("softmax_before_cross_entropy")
def a_softmax_by_hand(rng, broken):
    class Net(nn.Module):
        def __init__(self):
            self.body = mlp(rng, 4, 16, 3)

        def forward(self, x):
            z = tg.exp(self.body(x))
            return z / z.sum(axis=1, keepdims=True) if broken else tg.log(z)

    return program(Net(), nn.CrossEntropyLoss(label_smoothing=0.1), batched(*points(rng)))


@fault("initial_loss")
def a_last_layer_of_large_weights(rng, broken):
    model = mlp(rng, 4, 16, 3)
    model[-1].weight.assign(model[-1].weight.numpy() * (60 if broken else 1))
    return program(model, nn.cross_entropy, batched(*points(rng)), sgd(model, 1e-3))


@fault("initial_loss")
def not_a_number_in_a_batch(rng, broken):
    x, y = points(rng)
    x[3, 2] = np.nan if broken else 0
    return program(mlp(rng, 4, 16, 3), nn.cross_entropy, batched(x, y))


# --- Graph ---


class Detached(nn.Module):
    """Two layers; with `broken`, the first gets no gradient."""

    def __init__(self, rng, broken):
        self.first, self.second, self.broken = nn.Linear(4, 16, rng=rng), nn.Linear(16, 3, rng=rng), broken

    def forward(self, x):
        h = tg.tanh(self.first(x))
        return self.second(tg.Tensor(h.numpy()) if self.broken else h)


@fault("no_gradient")
def a_layer_behind_numpy(rng, broken):
    return program(Detached(rng, broken), nn.cross_entropy, batched(*points(rng)))


@fault("no_gradient")
def a_layer_that_is_not_called(rng, broken):
    model = Detached(rng, False)
    if broken:
        model.third = nn.Linear(16, 16, rng=rng)
    return program(model, nn.cross_entropy, batched(*points(rng)))


@fault("no_gradient")
def everything_in_no_grad(rng, broken):
    class Net(nn.Module):
        def __init__(self):
            self.body = mlp(rng, 4, 16, 3)

        def forward(self, x):
            with tg.no_grad() if broken else tg.enable_grad():
                return self.body(x)

    return program(Net(), nn.cross_entropy, batched(*points(rng)))


@fault("not_optimized")
def an_optimizer_of_the_head(rng, broken):
    model = mlp(rng, 4, 16, 3)
    optimizer = optim.Adam((model[-1] if broken else model).parameters(), lr=1e-3)
    return program(model, nn.cross_entropy, batched(*points(rng)), optimizer)


@fault("not_optimized")
def a_loss_with_weights(rng, broken):
    class Loss(nn.Module):
        def __init__(self):
            self.scale = tg.Tensor(1.0, requires_grad=True)

        def forward(self, out, target):
            return nn.mse_loss(out, target) * tg.exp(-self.scale) + self.scale

    x = rng.normal(size=(160, 4)).astype(np.float32)
    model, loss = mlp(rng, 4, 16, 1), Loss()
    optimizer = optim.Adam(model.parameters() + ([] if broken else loss.parameters()), lr=1e-3)
    return program(model, loss, batched(x, x[:, :1] ** 2), optimizer)


# --- Mode ---


@fault("evaluation_mode")
def dropout_after_an_evaluation(rng, broken):
    model = nn.Sequential(nn.Linear(4, 32, rng=rng), nn.ReLU(), nn.Dropout(0.3, rng=rng), nn.Linear(32, 3, rng=rng))
    return program(model.train(not broken), nn.cross_entropy, batched(*points(rng)))


@fault("evaluation_mode")
def normalization_after_an_evaluation(rng, broken):
    model = nn.Sequential(nn.Linear(4, 32, rng=rng), nn.BatchNorm1D(32), nn.ReLU(), nn.Linear(32, 3, rng=rng))
    return program(model.train(not broken), nn.cross_entropy, batched(*points(rng)))


# --- Signal ---


@fault("dead_units")
def biases_far_below_zero(rng, broken):
    model = mlp(rng, 4, 32, 3)
    model[0].bias.assign(np.full(32, -10 if broken else 0))
    return program(model, nn.cross_entropy, batched(*points(rng)))


@fault("dead_units")
def channels_without_a_signal(rng, broken):
    convolution = nn.Conv2D(1, 8, 5, rng=rng)
    if broken:
        convolution.bias.assign(np.full(8, -5))
    x, y = digits(rng)
    end = [nn.MaxPool2D(4), nn.Flatten(), nn.Linear(288, 10, rng=rng)]
    model = nn.Sequential(convolution, nn.Lambda(lambda h: np.maximum(h, 0)), *end)
    return program(model, nn.cross_entropy, batched(x.reshape(-1, 1, 28, 28), y))


@fault("saturated_units")
def a_tanh_of_large_weights(rng, broken):
    model = mlp(rng, 4, 32, 3, between=nn.Tanh)
    model[0].weight.assign(model[0].weight.numpy() * (40 if broken else 1))
    return program(model, nn.cross_entropy, batched(*points(rng)), sgd(model, 0.01))


@fault("vanishing_gradients")
def ten_layers_of_sigmoids(rng, broken):
    model = mlp(rng, 4, *[32] * (10 if broken else 2), 3, between=nn.Sigmoid)
    return program(model, nn.cross_entropy, batched(*points(rng)))


@fault("exploding_gradients")
def twelve_layers_of_large_weights(rng, broken):
    model = mlp(rng, 4, *[32] * 12, 3)
    for layer in [*model][::2]:
        layer.weight.assign(nn.init.kaiming_normal(layer.weight.shape, rng).numpy() * (3 if broken else 1))
        layer.bias.assign(np.zeros(layer.bias.shape))
    x, y = points(rng)
    batches = batched(x * np.float32(1e-7 if broken else 1), y)
    return program(model, nn.cross_entropy, batches, sgd(model, 1e-8 if broken else 1e-2))


# --- Rate and overfitting ---


@fault("rate_too_high")
def a_rate_of_ten(rng, broken):
    model = mlp(rng, 784, 32, 10)
    return program(model, nn.cross_entropy, batched(*digits(rng)), sgd(model, 10 if broken else 0.1))


@fault("rate_too_high")
def adam_with_a_rate_of_one(rng, broken):
    model = mlp(rng, 4, 32, 3, between=nn.Tanh)
    optimizer = optim.Adam(model.parameters(), lr=1 if broken else 1e-2)
    return program(model, nn.cross_entropy, batched(*points(rng)), optimizer)


@fault("rate_too_low")
def a_rate_of_almost_zero(rng, broken):
    model = mlp(rng, 4, 32, 3)
    return program(model, nn.cross_entropy, batched(*points(rng)), sgd(model, 1e-9 if broken else 0.1))


@fault("rate_too_low")
def a_schedule_that_has_ended(rng, broken):
    model = mlp(rng, 4, 32, 3)
    optimizer = optim.AdamW(model.parameters(), lr=1e-2)
    optimizer.apply_schedule(optim.schedules.cosine(1e-2, 100), 100 if broken else 50)
    return program(model, nn.cross_entropy, batched(*points(rng)), optimizer)


@fault("cannot_overfit")
def an_output_averaged_over_the_batch(rng, broken):
    model = mlp(rng, 4, 32, 3)
    end = nn.Lambda(lambda h: h * 0 + h.mean(axis=0) if broken else h)
    model = nn.Sequential(*model, end)
    return program(
        model, nn.cross_entropy, batched(*points(rng)), optim.Adam(model.parameters(), lr=1e-2), overfit_steps=60
    )
