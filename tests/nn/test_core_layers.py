"""The layers of nn are layers of the core, and refuse bare ones by name."""

import pickle
from copy import deepcopy

import numpy as np
import pytest

from tinygrad_edu import core, nn, optim
from tinygrad_edu.core.module import walk
from tinygrad_edu.engine import Tensor
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.testing import check_module

LAYERS = ("Conv2D", "Dropout", "Flatten", "Linear", "Module", "Sequential", "Softmax", "Tanh")
BARE = "tinygrad_edu.core.layers.Linear, a layer of the core"


@pytest.mark.parametrize("name", LAYERS)
def test_each_layer_is_one_of_the_core(name):
    assert issubclass(getattr(nn, name), getattr(core, name))


@pytest.mark.parametrize(("name", "sizes"), [("Linear", (3, 2)), ("Conv2D", (2, 3, (1, 5)))])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_draw_the_same_parameters(name, sizes, dtype):
    bare, layer = (getattr(package, name)(*sizes, rng=np.random.default_rng(0), dtype=dtype) for package in (core, nn))
    for parameter, twin in zip(bare.parameters(), layer.parameters(), strict=True):
        assert parameter.dtype == dtype
        np.testing.assert_array_equal(parameter.numpy(), twin.numpy())


def test_the_settings_are_the_same():
    for name, settings in {"Linear": (3, 2), "Conv2D": (1, 2, 3), "Dropout": (0.25,), "Softmax": (1,)}.items():
        bare, layer = (vars(getattr(package, name)(*settings)) for package in (core, nn))
        for setting in bare.keys() - {"weight", "bias", "rng"}:
            assert layer[setting] == bare[setting]


class Attribute(nn.Module):
    def __init__(self, part):
        self.part = part


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (nn.Sequential, "Sequential: layer 0"),
        (lambda layer: nn.ModuleList([layer]), "ModuleList: layer 0"),
        (lambda layer: nn.Sequential(nn.Tanh()).append(layer), "Sequential: layer 1"),
    ],
)
def test_a_container_refuses_a_bare_layer(make, where):
    with pytest.raises(DTypeError, match=f"{where} is a {BARE}"):
        make(core.Linear(3, 2))


@pytest.mark.parametrize(
    ("part", "path"), [(lambda layer: layer, "part"), (lambda layer: {"blocks": (1, [layer])}, "part.blocks.1.0")]
)
@pytest.mark.parametrize("call", ["parameters", "state_dict", "modules", "children", "train", "eval", "zero_grad"])
def test_a_module_refuses_a_bare_layer(part, path, call):
    module = Attribute(part(core.Linear(3, 2)))
    with pytest.raises(DTypeError, match=rf"Attribute\.{path} is a {BARE}.*derive Linear from nn\.Module"):
        getattr(module, call)()


def test_a_bare_container_takes_layers_of_nn():
    layers = nn.Linear(3, 4), nn.Dropout(0.5), nn.Sequential(nn.Tanh(), nn.Linear(4, 2))
    model = core.Sequential(*layers)
    names = [name for name, _ in model.named_parameters()]
    assert names == ["layers.0.weight", "layers.0.bias", "layers.2.1.weight", "layers.2.1.bias"]
    assert {type(parameter) for parameter in model.parameters()} == {Tensor}
    assert model.eval() is model
    assert not any(module.training for module in model.modules())
    x = np.ones((5, 3), np.float32)
    np.testing.assert_array_equal(model(x).numpy(), nn.Sequential(*layers)(x).numpy())
    model.train()(x).sum().backward()
    optim.SGD(model.parameters(), lr=0.1).step()
    model.zero_grad()
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("function", [nn.summary, check_module])
def test_a_function_of_models_refuses_a_bare_container(function):
    with pytest.raises(DTypeError, match=r"is a tinygrad_edu\.core\.layers\.Sequential, a layer of the core"):
        function(core.Sequential(nn.Linear(3, 2)), np.ones((4, 3), np.float32))


def test_a_layer_derived_from_both_is_one_of_nn():
    class Scaled(core.Linear, nn.Module):
        def forward(self, x):
            return 2 * x

    model = nn.Sequential(Scaled(3, 2), nn.Flatten())
    assert list(model.state_dict()) == ["0.weight", "0.bias"]
    assert model[0].has_hooks is False


@pytest.mark.parametrize("copied", [deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_keep_their_classes(copied):
    for model in nn.Sequential(nn.Conv2D(1, 2, 3), nn.Softmax(), nn.Dropout()), core.Sequential(core.Linear(3, 2)):
        twin = copied(model)
        assert [(path, type(x)) for path, x in walk(twin)] == [(path, type(x)) for path, x in walk(model)]
        for parameter, other in zip(model.parameters(), twin.parameters(), strict=True):
            np.testing.assert_array_equal(parameter.numpy(), other.numpy())


def test_a_part_inside_of_itself_is_walked_once():
    module = core.Sequential(core.Tanh())
    module.again, module.parts = module, []
    module.parts.append(module.parts)
    assert [path for path, x in walk(module) if isinstance(x, core.Module)] == ["", "layers.0", "again"]
    assert len(module.modules()) == 2
