"""An invalid integer, or a string that is no choice, raises the same error in every subpackage."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.effort import with_each
from tinygrad_edu import data, nn, optim
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.errors.checks import integer, invalid_choice
from tinygrad_edu.parallel import map_shards, shards
from tinygrad_edu.training import EarlyStopping, F1Score

RNG = np.random.default_rng(0)
X = np.ones((2, 3, 4))

TAKES_AN_INTEGER = {
    "topk: k": lambda n: tg.topk(X, n),
    "interpolate: size": lambda n: tg.interpolate(X, (n,)),
    "adaptive_avg_pool1d: output_size": lambda n: tg.adaptive_avg_pool1d(X, n),
    "permutation: x": lambda n: tg.permutation(n, rng=RNG),
    "Linear: in_features": lambda n: nn.Linear(n, 1),
    "Conv2D: out_channels": lambda n: nn.Conv2D(1, n, 3),
    "GRU: hidden_size": lambda n: nn.GRU(1, n),
    "RMSNorm: normalized_shape": lambda n: nn.RMSNorm((3, n)),
    "batch_size": lambda n: data.DataLoader(X, batch_size=n),
    "size": lambda n: shards(8, n),
    "threads": lambda n: list(map_shards(abs, 2, n)),
    "patience": lambda n: EarlyStopping(nn.Tanh(), n),
}


@with_each("name", TAKES_AN_INTEGER)
@with_each(("value", "error"), [(2.5, DTypeError), ("3", DTypeError), (-1, ValueError)])
def test_a_wrong_integer_is_the_same_error_everywhere(name, value, error):
    with pytest.raises(error, match=f"^{name} must be an integer .*, got ") as caught:
        TAKES_AN_INTEGER[name](value)
    assert type(caught.value) is error


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_an_integer_of_any_kind_becomes_an_int(value):
    assert type(integer("n", value, 1, 3)) is int


def test_a_boolean_is_not_an_integer():
    with pytest.raises(DTypeError, match=r"^n must be an integer, got True of type bool\.$"):
        integer("n", True)


SIGNAL, IMAGE = np.ones((1, 1, 4)), np.ones((1, 1, 4, 4))

TAKES_A_CHOICE = {
    "meshgrid: indexing": (lambda text: tg.meshgrid([1.0], indexing=text), "xy"),
    "interpolate: mode": (lambda text: tg.interpolate(SIGNAL, 2, mode=text), "linear"),
    "grid_sample: mode": (lambda text: tg.grid_sample(IMAGE, IMAGE[..., :2], mode=text), "nearest"),
    "grid_sample: padding_mode": (lambda text: tg.grid_sample(IMAGE, IMAGE[..., :2], padding_mode=text), "border"),
    "reshape: order": (lambda text: tg.reshape(tg.Tensor([1.0]), 1, order=text), "C"),
    "quantile: method": (lambda text: tg.quantile(X, 0.5, method=text), "midpoint"),
    "cross_entropy: reduction": (lambda text: nn.cross_entropy(X[0], [0, 1, 2], reduction=text), "mean"),
    "L1Loss: reduction": (lambda text: nn.L1Loss(reduction=text), "none"),
    "kl_div: reduction": (lambda text: nn.kl_div(X, X, reduction=text), "batchmean"),
    "triplet_margin_loss: reduction": (lambda text: nn.triplet_margin_loss(X, X, X, reduction=text), "sum"),
    "triplet_margin_with_distance_loss: reduction": (
        lambda text: nn.triplet_margin_with_distance_loss(X, X, X, reduction=text), "mean"
    ),
    "gelu: approximate": (lambda text: tg.gelu(X, approximate=text), "tanh"),
    "qr: mode": (lambda text: tg.linalg.qr(X, text), "reduced"),
    "pad: mode": (lambda text: tg.pad(X, 1, text), "reflect"),
    "pad: reflect_type": (lambda text: tg.pad(X, 1, "reflect", reflect_type=text), "even"),
    "take: mode": (lambda text: tg.take(X, 0, mode=text), "wrap"),
    "conv2d: padding": (lambda text: tg.conv2d(IMAGE, IMAGE, padding=text), "same"),
    "Conv2D: padding": (lambda text: nn.Conv2D(1, 1, 3, padding=text), "valid"),
    "Conv2D: padding_mode": (lambda text: nn.Conv2D(1, 1, 3, padding_mode=text), "circular"),
    "calculate_gain: nonlinearity": (nn.init.calculate_gain, "leaky_relu"),
    "RNN: nonlinearity": (lambda text: nn.RNN(1, 1, nonlinearity=text), "tanh"),
    "pad_sequence: padding_side": (lambda text: nn.pad_sequence([[1.0]], padding_side=text), "right"),
    "TransformerEncoderLayer: activation": (lambda text: nn.TransformerEncoderLayer(2, 1, activation=text), "gelu"),
    "F1Score: average": (F1Score, "macro"),
    "EarlyStopping: mode": (lambda text: EarlyStopping(nn.Tanh(), mode=text), "min"),
    "Plateau: mode": (lambda text: optim.schedules.Plateau(0.1, mode=text), "max"),
    "Plateau: threshold_mode": (lambda text: optim.schedules.Plateau(0.1, threshold_mode=text), "abs"),
    "load_keras: name": (data.load_keras, "fashion_mnist"),
}  # fmt: skip


@with_each("name", TAKES_A_CHOICE)
def test_a_mistyped_choice_is_a_value_error_that_suggests_the_right_one(name):
    call, choice = TAKES_A_CHOICE[name]
    for mistyped in (choice.swapcase(), choice[:-1] if len(choice) > 2 else choice.swapcase()):
        with pytest.raises(ValueError, match=rf"^{name} must be .*, got '{mistyped}'; did you mean '{choice}'\?"):
            call(mistyped)


@pytest.mark.parametrize("value", ["zzz", 3, None, [1.0]])
def test_a_value_far_from_every_choice_is_listed_with_the_choices(value):
    expected = f"f: mode must be 'ab', 'cd' or an integer, got {value!r}."
    assert str(invalid_choice("f: mode", value, ("ab", "cd"), "an integer")) == expected
