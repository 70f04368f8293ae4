"""The signatures that `help` prints: names and defaults of the parameters, with short types."""

import inspect
import pickle
import pydoc
import re

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


def types(shown):
    annotations = [p.annotation for p in shown.parameters.values()] + [shown.return_annotation]
    return " ".join(inspect.formatannotation(a) for a in annotations if a is not inspect.Signature.empty)


def test_types_are_short():
    """No type has the path of a module, such as ``collections.abc.Callable`` or the members of NumPy's DTypeLike."""
    long = r"\b(typing|tinygrad_edu|collections|numpy)\."
    assert [name for name, shown in SIGNATURES.items() if re.search(long, types(shown))] == []


def test_every_keyword_is_shown():
    kinds = {name: {p.kind for p in shown.parameters.values()} for name, shown in SIGNATURES.items()}
    hidden = {name.rpartition(".")[2] for name, each in kinds.items() if inspect.Parameter.VAR_KEYWORD in each}
    assert hidden - FORWARDING == set()


def test_help_prints_the_signature_of_an_op():
    assert "sum(x: 'TensorLike', /, axis: 'Axis' = None" in pydoc.plain(pydoc.render_doc(tg.sum))


def test_pickle_finds_the_methods_of_tensors():
    functions = [getattr(tg.Tensor, name) for name in METHODS if not name.startswith("_")]
    assert pickle.loads(pickle.dumps(functions)) == functions
