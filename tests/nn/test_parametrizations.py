"""Parametrizations: gradients, state dicts, the same numbers as PyTorch, copies and errors."""

import copy
import pickle

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.effort import thorough
from tinygrad_edu import Tensor, nn, optim
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.nn.randomness import random_stream
from tinygrad_edu.testing import check_module

RNG = np.random.default_rng(0)
BATCH, IMAGES = RNG.standard_normal((4, 3)), RNG.standard_normal((2, 3, 5, 5))


class Skew(nn.Module):
    """An antisymmetric weight, as a parametrization of a user."""

    def forward(self, x):
        return tg.triu(x, 1) - tg.triu(x, 1).T


LINES = {  # the layer, the parametrization, and the same in PyTorch
    "weight norm": ("nn.Linear(3, 2)", "nn.WeightNorm()", "weight_norm(nn.Linear(3, 2))", BATCH),
    "weight norm, one": ("nn.Linear(3, 2)", "nn.WeightNorm(None)", "weight_norm(nn.Linear(3, 2), dim=None)", BATCH),
    "weight norm, columns": ("nn.Linear(3, 2)", "nn.WeightNorm(-1)", "weight_norm(nn.Linear(3, 2), dim=1)", BATCH),
    "weight norm, images": ("nn.Conv2D(3, 4, 3)", "nn.WeightNorm()", "weight_norm(nn.Conv2d(3, 4, 3))", IMAGES),
    "spectral norm": ("nn.Linear(3, 2)", "nn.SpectralNorm()", "spectral_norm(nn.Linear(3, 2))", BATCH),
    "spectral norm, images": (
        "nn.ConvTranspose2D(3, 4, 3)", "nn.SpectralNorm(2, axis=1)",
        "spectral_norm(nn.ConvTranspose2d(3, 4, 3), n_power_iterations=2)", IMAGES,
    ),
    **{
        f"orthogonal, {kind}": (
            f"nn.Linear(3, {n})", "nn.Orthogonal()", f'orthogonal(nn.Linear(3, {n}), orthogonal_map="cayley")', BATCH,
        )
        for kind, n in (("wide", 2), ("square", 3), ("tall", 5))
    },
    "a function": ("nn.Linear(3, 3)", "lambda x: tg.tril(x)", "", BATCH),
    "a module": ("nn.Linear(3, 3)", "Skew()", "", BATCH),
}  # fmt: skip
lines = pytest.mark.parametrize("line", LINES)


def layer_of(line, dtype="float64"):
    layer, parametrization, _, _ = LINES[line]
    return nn.parametrize(eval(layer).astype(dtype), "weight", eval(parametrization))


@pytest.mark.parametrize("line", thorough(LINES, quick=[line for line in LINES if "spectral" not in line]))
def test_gradients_are_correct_and_the_state_dict_is_complete(line):
    layer = layer_of(line)
    if line.startswith("spectral norm"):  # the gradient holds the singular vectors constant, so it needs exact ones
        vars(layer.parametrizations["weight"])["0"].n_power_iterations = 1000
    check_module(layer, LINES[line][-1])


@lines
def test_the_first_value_is_the_old_one_or_the_nearest(line):
    layer, parametrization, _, inputs = LINES[line]
    with random_stream(np.random.default_rng(0)):  # the error of 15 power iterations has no bound for all weights
        plain = eval(layer).astype("float64")
        before = plain.weight.numpy().copy()
        after = nn.parametrize(plain, "weight", eval(parametrization)).weight.numpy()
    if line.startswith("weight norm"):
        np.testing.assert_allclose(after, before, rtol=1e-12)
    if line.startswith("spectral norm"):
        axis = plain.parametrizations["weight"].__dict__["0"].axis
        largest = np.linalg.norm(np.moveaxis(before, axis, 0).reshape(before.shape[axis], -1), 2)
        np.testing.assert_allclose(after, before / largest, rtol=0.05)
        assert np.linalg.norm(after) >= np.linalg.norm(before) / largest * (1 - 1e-12)
    if line.startswith("orthogonal"):
        small = after if len(after) <= 3 else after.T
        np.testing.assert_allclose(small @ small.T, np.eye(len(small)), atol=1e-12)
    assert plain(Tensor(inputs)).shape == eval(layer).astype("float64")(Tensor(inputs)).shape


@lines
def test_training_changes_the_new_parameters_and_keeps_the_constraint(line):
    layer, inputs = layer_of(line), Tensor(LINES[line][-1])
    before = layer.state_dict()
    assert "weight" not in before
    assert set(before) == {"bias", *(name for name in before if name.startswith("parametrizations.weight."))}
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        layer(inputs).square().sum().backward()
        optimizer.step()
    assert all(not np.array_equal(p.numpy(), before[name]) for name, p in layer.named_parameters())
    weight = layer.weight.numpy()
    if line.startswith("orthogonal"):
        small = weight if len(weight) <= 3 else weight.T
        np.testing.assert_allclose(small @ small.T, np.eye(len(small)), atol=1e-12)
    if line == "a module":
        np.testing.assert_array_equal(weight, -weight.T)


def test_power_iterations_run_in_training_only():
    layer = layer_of("spectral norm")
    layer.parametrizations["weight"].original.assign(RNG.standard_normal((2, 3)))
    for _ in range(30):
        layer(BATCH)
    assert abs(np.linalg.norm(layer.weight.numpy(), 2) - 1) < 1e-6
    before = layer.eval().state_dict()
    layer.parametrizations["weight"].original.assign(RNG.standard_normal((2, 3)))
    layer(BATCH)
    u = "parametrizations.weight.0._u"
    np.testing.assert_array_equal(layer.state_dict()[u], before[u])


@lines
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["copy", "pickle"])
def test_copies_are_independent(line, copied):
    layer = layer_of(line).eval()
    if "lambda" in LINES[line][1] and copied is not copy.deepcopy:
        return  # as any module with a lambda
    twin = copied(layer)
    assert type(twin) is type(layer)
    inputs = LINES[line][-1]
    np.testing.assert_array_equal(twin(inputs).numpy(), layer(inputs).numpy())
    name, parameter = twin.named_parameters()[-1]
    parameter.assign(np.full(parameter.shape, 0.5))
    assert not np.array_equal(layer.state_dict()[name], twin.state_dict()[name])


def test_several_and_removed_parametrizations():
    layer = nn.Linear(3, 2)
    nn.parametrize(layer, "weight", nn.WeightNorm())
    nn.parametrize(layer, "bias", lambda x: x - x.mean())
    weight, bias = layer.weight.numpy(), layer.bias.numpy()
    assert abs(bias.sum()) < 1e-6
    assert type(layer).__name__ == "ParametrizedLinear"
    assert isinstance(layer, nn.Linear)
    nn.remove_parametrization(layer, "weight")
    assert {name for name, _ in layer.named_parameters()} == {"weight", "parametrizations.bias.original"}
    nn.remove_parametrization(layer, "bias")
    assert type(layer) is nn.Linear
    np.testing.assert_array_equal(layer.weight.numpy(), weight)
    np.testing.assert_array_equal(layer.bias.numpy(), bias)
    assert "parametrizations" not in vars(layer)


def test_they_work_inside_of_a_model_and_its_transforms():
    model = nn.Sequential(layer_of("weight norm"), nn.Tanh(), nn.Linear(2, 1, dtype=np.float64))
    parameters = dict(model.named_parameters())
    gradients = tg.grad(lambda p: nn.functional_call(model, p, BATCH).sum())(parameters)
    model(BATCH).sum().backward()
    for name, p in parameters.items():
        np.testing.assert_allclose(gradients[name], p.grad)
    each = tg.vmap(tg.grad(lambda p, x: nn.functional_call(model, p, x).sum()), (None, 0))(
        {name: p.detach() for name, p in parameters.items()}, BATCH
    )
    for name, p in parameters.items():
        np.testing.assert_allclose(each[name].numpy().sum(0), p.grad)


def test_what_cannot_work_says_so():
    layer = nn.parametrize(nn.Linear(3, 2), "weight", nn.WeightNorm())
    with pytest.raises(DTypeError, match=r"ParametrizedLinear\.weight: it is computed.*parametrizations\['weight'\]"):
        layer.weight = Tensor(np.ones((2, 3)), requires_grad=True)
    with pytest.raises(ValueError, match="has a parametrization"):
        nn.parametrize(layer, "weight", nn.SpectralNorm())
    with pytest.raises(ValueError, match="has no parameter 'weigth'"):
        nn.parametrize(nn.Linear(3, 2), "weigth", nn.WeightNorm())
    with pytest.raises(ValueError, match="bias has no parametrization"):
        nn.remove_parametrization(layer, "bias")
    plain = nn.Linear(3, 2)
    with pytest.raises(ShapeError, match=r"the value for Linear\.weight has shape \(2,\), expected \(2, 3\)"):
        nn.parametrize(plain, "weight", lambda x: x.sum(1))
    assert list(plain.state_dict()) == ["weight", "bias"]
    for parametrization in (nn.SpectralNorm(), nn.Orthogonal()):
        with pytest.raises(ShapeError, match=r"at least two axes, got shape \(2,\)"):
            nn.parametrize(nn.Linear(3, 2), "bias", parametrization)


@pytest.mark.peers
@pytest.mark.parametrize("line", [line for line in LINES if LINES[line][2]])
@pytest.mark.parametrize("training", [True, False])
def test_pytorch_gives_the_same_results_and_gradients(line, training):
    torch = pytest.importorskip("torch")
    from torch.nn.utils import parametrizations

    theirs = eval(LINES[line][2], {"nn": torch.nn, **vars(parametrizations)}).double().train(training)
    with torch.no_grad():
        for p in theirs.parameters():
            p.add_(0.3 * torch.randn_like(p))
    ours, inputs = layer_of(line).train(training), LINES[line][-1]
    ours.load_state_dict(theirs.state_dict())
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict({name: torch.tensor(array) for name, array in ours.state_dict().items()})
    out, their_out = ours(Tensor(inputs)), theirs(torch.tensor(inputs))
    np.testing.assert_allclose(out.numpy(), their_out.detach(), rtol=1e-10, atol=1e-12)
    g = np.random.default_rng(1).standard_normal(out.shape)
    out.backward(g)
    their_out.backward(torch.tensor(g))
    gradients = {name: p.grad.numpy() for name, p in theirs.named_parameters()}
    for name, p in ours.named_parameters():
        np.testing.assert_allclose(p.grad, gradients[name], rtol=1e-9, atol=1e-11)
