"""Every line of ``torch/layers/*.txt`` has the state, outputs, gradients and buffers of PyTorch."""

import inspect
import re
import warnings

import numpy as np
import pytest

from tests.effort import named
from tinygrad_edu import Tensor, nn
from tinygrad_edu.engine import values_of
from tinygrad_edu.errors import DTypeError, LoopWarning
from tinygrad_edu.testing import check_module, check_vmap
from tools.layer_table import FOLDER, cases, names, results_in
from tools.torch_table import assert_same, expected, two_samples

# Tested elsewhere: see test_torch_modules.py, test_layers.py, test_parametrizations.py and test_rotary.py.
ELSEWHERE = {"Identity", "Lambda", "Module", "ModuleDict", "ModuleList", "Residual", "Sequential"} | {
    "Orthogonal", "RotaryEmbedding", "SpectralNorm", "WeightNorm",
}  # fmt: skip

TABLE = {case.line: case for name in names() for case in cases(name)}
EXPECTED = expected(FOLDER, names())


class Called(nn.Module):
    """A module that is called by the expression in a line of the table."""

    def __init__(self, case, inputs):
        self.m = eval(case.ours, {"nn": nn, "np": np, **inputs})
        self.names, self.call = list(inputs), case.call

    def forward(self, *inputs):
        return eval(self.call, {"m": self.m, "np": np, **dict(zip(self.names, inputs, strict=True))})


def made(case, dtype=np.float64):
    """Return the module of a case with its random state, and its inputs."""
    inputs = {
        name: Tensor(x.astype(dtype), requires_grad=True) if x.dtype.kind == "f" else x
        for name, x in case.inputs.items()
    }
    called = Called(case, inputs)
    called.m.astype(dtype)
    shapes = {name: values.shape for name, values in called.m.state_dict().items()}
    called.m.load_state_dict(case.state_of(shapes))
    return called, inputs


def kind(line):
    return re.match(r"nn\.(\w+)", line)[1]


BY_LAYER = {}
for line in TABLE:
    BY_LAYER.setdefault(kind(line), []).append(line)


@pytest.mark.parametrize("layer", BY_LAYER)
def test_a_layer_does_what_pytorchs_does(layer):
    for line in BY_LAYER[layer]:
        with named(line):
            does_what_pytorchs_does(line)


def does_what_pytorchs_does(line):
    case, wanted = TABLE[line], EXPECTED[line]
    called, inputs = made(case)
    module = called.m
    assert [(name, list(x.shape)) for name, x in module.state_dict().items()] == list(wanted["state"].items())
    results = results_in(called(*inputs.values()))
    assert_same("results", [values_of(r) for r in results], wanted["results"])
    smooth = [r for r in results if isinstance(r, Tensor) and r.requires_grad]
    for result, cotangent in zip(smooth, case.cotangents([r.shape for r in smooth]), strict=True):
        result.backward(cotangent, retain_graph=True)
    for name, x in (*inputs.items(), *module.named_parameters()):
        if isinstance(x, Tensor):
            gradient = wanted["gradients"].get(name)
            assert_same(name, [] if x.grad is None else [x.grad], [] if gradient is None else [gradient])
    buffers = {name: module.state_dict()[name] for name in wanted["buffers"]}
    assert_same("buffers", list(buffers.values()), list(wanted["buffers"].values()))
    module.eval()
    assert_same("evaluated", [values_of(r) for r in results_in(called(*inputs.values()))], wanted["evaluated"])


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's advice
@pytest.mark.parametrize("line", TABLE)
def test_the_state_dict_of_a_layer_loads_into_pytorchs(line):
    torch = pytest.importorskip("torch")
    case = TABLE[line]
    called, inputs = made(case)
    called.eval()
    given = {name: torch.tensor(values_of(x)) for name, x in inputs.items()}
    space = {"torch": torch, "nn": torch.nn, "np": np, **given}
    theirs = eval(case.theirs, space).double().eval()
    theirs.load_state_dict({name: torch.tensor(array) for name, array in called.m.state_dict().items()})
    expected = [r.detach() for r in results_in(eval(case.call, {**space, "m": theirs}))]
    assert_same("results", [values_of(r) for r in results_in(called(*inputs.values()))], expected)


# The line of each class with the smallest arrays, which is also checked by finite differences.
SMALLEST = {kind(line): line for line in sorted(TABLE, key=lambda line: -len(str(EXPECTED[line])))}


# They consist of layers that are checked, too.
COMPOSED = {"Transformer", "TransformerDecoder", "TransformerEncoder"}
EACH = [
    pytest.param(line, id=name, marks=pytest.mark.thorough if name in COMPOSED or k % 4 else [])
    for k, (name, line) in enumerate(SMALLEST.items())
]


@pytest.mark.parametrize("line", EACH)
def test_a_layer_keeps_what_a_module_promises(line):
    case = TABLE[line]
    called, inputs = made(case, np.float32)
    check_module(called, *map(values_of, inputs.values()))


# Layers that run once for each sample: without a rule, or for the 0-d samples of the smallest line.
LOOPS = {"LogSoftmax", "Softmax"}


@pytest.mark.parametrize("name", SMALLEST)
def test_vmap_of_a_layer_equals_a_loop(name):
    """Over the inputs, and over the inputs and the parameters, in evaluation."""
    line = SMALLEST[name]
    called, inputs = made(TABLE[line])
    called.eval()
    names = [name for name, _ in called.named_parameters()]
    arrays = [values_of(x) for x in (*called.parameters(), *inputs.values())]

    def f(*given):
        parameters = dict(zip(names, given, strict=False))
        return results_in(nn.functional_call(called, parameters, *given[len(names) :]))

    mapped = [two_samples(x) for x in arrays]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if name in LOOPS else "error", LoopWarning)
        check_vmap(f, *mapped)
        if names:
            axes = (None,) * len(names) + (0,) * len(inputs)
            check_vmap(f, *arrays[: len(names)], *mapped[len(names) :], in_axes=axes)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_layers_with_weights_refuse_integers(dtype):
    accepted = set()
    for name, line in SMALLEST.items():
        called, inputs = made(TABLE[line]) if name not in COMPOSED else (nn.Identity(), {})
        for key, x in inputs.items() if called.parameters() else ():
            integers = x.astype(dtype) if isinstance(x, Tensor) else x
            try:
                called(*{**inputs, key: integers}.values())
                accepted.add(f"{name} {key}")
            except DTypeError as error:
                assert re.search(r"^\w+: the input must be floating point, got .*to_float", str(error)), line  # noqa: PT017
    states = {"LSTM h", "LSTM c", "GRU h", "RNN h"}
    assert accepted == {"Embedding i", "EmbeddingBag i", "MultiheadAttention h"} | states  # h is a mask
    foreign = type("Foreign", (), {"__array__": lambda self, *settings, **others: np.ones((1, 2), dtype)})()
    with pytest.raises(DTypeError, match=r"^Linear: the input must be floating point, got "):  # such as PyTorch's
        nn.Linear(2, 1)(foreign)
    assert nn.Linear(2, 1)([[1, 2]]).shape == nn.Linear(2, 1)(np.ones((1, 2), bool)).shape == (1, 1)


def test_every_line_has_its_numbers_and_every_layer_a_line():
    assert set(TABLE) == set(EXPECTED)
    public = {name: getattr(nn, name) for name in nn.__all__}
    classes = {name for name, x in public.items() if inspect.isclass(x) and issubclass(x, nn.Module)}
    assert classes - ELSEWHERE <= set(map(kind, TABLE))
