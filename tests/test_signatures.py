"""The signatures that `help` prints: names and defaults of the parameters, with short types."""

import inspect
import pickle
import pydoc
import re

import pytest

import tinygrad_edu as tg
from tinygrad_edu import data, distributions, nn, optim, parallel, tape, testing, training, transforms
from tinygrad_edu.ops.methods import METHODS

MODULES = (
    tg, tg.linalg, nn, nn.init, optim, optim.schedules, data, distributions, transforms, training, tape, testing,
    parallel,
)  # fmt: skip
PUBLIC = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in MODULES
    for name in vars(module)["__all__"]
    if callable(getattr(module, name)) and name not in ("Function", "Workers")  # a type, and an abstract class
}
SIGNATURES = {
    name: inspect.signature(value)
    for name, value in PUBLIC.items()
    if not (inspect.isclass(value) and issubclass(value, Exception))
}
# Functions that pass keyword arguments to another one.
FORWARDING = {
    "functional_call",
    "summary",
    "load_keras",
    "Optimizer",
    "Call",
    "check_op",
    "run_check",
    "Checkpoints",
    "Identity",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_types_are_short(name):
    """No type has the path of a module, such as ``collections.abc.Callable`` or the members of NumPy's DTypeLike."""
    shown = SIGNATURES[name]
    annotations = [p.annotation for p in shown.parameters.values()] + [shown.return_annotation]
    types = " ".join(inspect.formatannotation(a) for a in annotations if a is not inspect.Signature.empty)
    assert not re.search(r"\b(typing|tinygrad_edu|collections|numpy)\.", types)


@pytest.mark.parametrize("name", [name for name in SIGNATURES if name.rpartition(".")[2] not in FORWARDING])
def test_every_keyword_is_shown(name):
    kinds = {p.kind for p in SIGNATURES[name].parameters.values()}
    assert inspect.Parameter.VAR_KEYWORD not in kinds


def test_help_prints_the_signature_of_an_op():
    assert "sum(x: 'TensorLike', /, axis: 'Axis' = None" in pydoc.plain(pydoc.render_doc(tg.sum))


def test_pickle_finds_the_methods_of_tensors():
    functions = [getattr(tg.Tensor, name) for name in METHODS if not name.startswith("_")]
    assert pickle.loads(pickle.dumps(functions)) == functions
