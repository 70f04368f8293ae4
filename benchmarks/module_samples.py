"""PyTorch's test configurations of its modules, applied to our modules in float64.

    python -m benchmarks.module_samples [--failures] [CLASS ...]

PyTorch lists test configurations of its modules in `module_db`, which needs the package ``expecttest``: arguments of
the constructor and of the call, in training mode and, where it differs, in evaluation mode. The same arguments create a
module of PyTorch and one of ours, which loads the state dict of PyTorch's; ``dim`` becomes ``axis``, and `Conv2d`
becomes `Conv2D`. A configuration passes if the results, the gradients of a random sum of the results with respect to
all floating-point inputs and parameters, and the final state dicts agree to 1e-12 of the largest element. The command
prints each class, the number of configurations that pass, and the most frequent reason of failures; with
``--failures``, all reasons. PyTorch's configurations of dropout have p = 0 only.
"""

import inspect
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np

import tinygrad_edu as tg
from benchmarks.operator_samples import mapped
from tinygrad_edu.engine import Array, values_of
from tinygrad_edu.shared.display.command_line import Parser

SETTINGS = {"dim": "axis", "start_dim": "start_axis", "end_dim": "end_axis"}
ONLY_THEIRS = ("device", "dtype")
# Classes that this package does not offer, such as lazily initialized ones.
OTHERS = re.compile(
    r"Lazy.*|(AdaptiveMax|FractionalMax|LP)Pool.*|InstanceNorm1d|LocalResponseNorm|(Reflection|Zero)Pad1d|"
    r"(Replication|Circular|Constant)Pad.*|Multi(Label)?(Soft)?MarginLoss|(LinearCrossEntropy|CTC)Loss|"
    r"Transformer(DecoderLayer)?"
)
CLOSE = 1e-12


class Outcome(NamedTuple):
    """Results of a module in order (some may be None), gradients by name, and the final state."""

    results: list[Any]
    gradients: dict[str, Any]
    state: dict[str, Any]


def our_class(name: str) -> type[tg.nn.Module] | None:
    """Return our class for the name of a PyTorch class, or None."""
    found: type[tg.nn.Module] | None = vars(tg.nn).get(re.sub(r"(\d)d$", r"\1D", name))
    return found


def infos() -> Iterator[Any]:
    """Yield PyTorch's entries, except classes in `OTHERS` that this package does not have."""
    from torch.testing._internal.common_modules import module_db

    for info in module_db:
        name = info.module_cls.__name__
        if our_class(name) or not OTHERS.fullmatch(name):
            yield info


def configurations(info: Any) -> Iterator[tuple[bool, Any]]:
    """Yield the configurations of a class as PyTorch's tests draw them, each with its training flag."""
    import torch

    for training in (True, False) if info.train_and_eval_differ else (True,):
        torch.manual_seed(0)
        settings = {"device": "cpu", "dtype": torch.float64, "requires_grad": True, "training": training}
        for sample in info.module_inputs_func(info, **settings):
            yield training, sample


def parts(result: Any) -> list[Any]:
    """Flatten nested tuples and lists."""
    return [p for part in result for p in parts(part)] if isinstance(result, tuple | list) else [result]


def leaves_of(inputs: Any, every: bool) -> tuple[Any, dict[str, Any]]:
    """Return the inputs with leaves for all floating-point tensors, or those with requires_grad, and the leaves."""
    import torch

    leaves: dict[int, Any] = {}  # a repeated tensor is one leaf

    def leaf(x: Any) -> Any:
        if not isinstance(x, torch.Tensor) or not (x.requires_grad or (every and x.is_floating_point())):
            return x
        return leaves.setdefault(id(x), x.detach().clone().requires_grad_())

    changed = mapped(inputs, leaf)
    return changed, {f"input {k}": x for k, x in enumerate(leaves.values())}


def total_of(results: Sequence[Any], rng: np.random.Generator, array: Callable[[Array], Any]) -> Any:
    """Return a random weighted sum of the differentiable results, or None if there are none."""
    drawn = [(r, array(np.asarray(rng.standard_normal(tuple(np.shape(r)))))) for r in results if r is not None]
    terms = [(result * c).sum() for result, c in drawn if getattr(result, "requires_grad", False)]
    return sum(terms[1:], terms[0]) if terms else None


def theirs_of(module: Any, inputs: Any, seed: int, every: bool) -> tuple[Outcome, Any]:
    """Return the outcome of PyTorch's module, and its inputs as leaves."""
    import torch

    (args, keywords), leaves = leaves_of(inputs, every)
    wanted = {**leaves, **{name: p for name, p in module.named_parameters() if p.requires_grad}}
    results = parts(module(*args, **keywords))
    total = total_of(results, np.random.default_rng(seed), torch.tensor)
    gradients = {name: np.zeros(tuple(x.shape)) for name, x in wanted.items()}
    if total is not None and wanted:
        found = torch.autograd.grad(total, list(wanted.values()), allow_unused=True)
        gradients |= {name: _array(g) for name, g in zip(wanted, found, strict=True) if g is not None}
    state = {name: _array(x) for name, x in module.state_dict().items()}
    return Outcome([_array(r) for r in results], gradients, state), (args, keywords)


def expected_of(module: Any, inputs: Any, seed: int) -> tuple[Outcome, Any]:
    """Return `theirs_of` for all leaves, or, if PyTorch has no gradient for some, for those with requires_grad."""
    try:
        found = theirs_of(deepcopy(module), inputs, seed, every=True)
        if not any(np.isnan(g).any() for g in found[0].gradients.values()):
            return found
    except RuntimeError:  # such as a loss without a gradient of its target
        pass
    return theirs_of(module, inputs, seed, every=False)


def ours_of(module: Any, inputs: Any, seed: int) -> Outcome:
    """Return the outcome of our module for PyTorch's inputs."""
    leaves: dict[int, Any] = {}
    args, keywords = mapped(inputs, lambda x: _ours(x, leaves))
    if "input" in keywords:  # our layers call their first input x
        args = (keywords.pop("input"), *args)
    results = parts(module(*args, **keywords))
    total = total_of(results, np.random.default_rng(seed), np.asarray)
    if total is not None:
        total.backward()
    wanted = {**{f"input {k}": x for k, x in enumerate(leaves.values())}, **dict(module.named_parameters())}
    gradients = {name: np.zeros(x.shape) if x.grad is None else x.grad for name, x in wanted.items()}
    return Outcome([r if r is None else values_of(r) for r in results], gradients, module.state_dict())


def _array(x: Any) -> Any:
    return None if x is None else x.detach().numpy().copy()


def _ours(x: Any, leaves: dict[int, Any]) -> Any:
    """Convert an argument of PyTorch to ours."""
    import torch

    if isinstance(x, torch.Tensor):
        if not x.requires_grad:
            return x.numpy().copy()
        return leaves.setdefault(id(x), tg.Tensor(x.detach().numpy().copy(), requires_grad=True))
    if isinstance(x, torch.nn.TransformerEncoderLayer):
        return _our_encoder_layer(x)
    return getattr(tg, x.__name__) if inspect.isroutine(x) else x


def _our_encoder_layer(layer: Any) -> Any:
    return tg.nn.TransformerEncoderLayer(  # type: ignore[attr-defined]
        layer.self_attn.embed_dim,
        layer.self_attn.num_heads,
        layer.linear1.out_features,
        layer.dropout.p,
        getattr(tg, layer.activation.__name__),
        layer.norm1.eps,
        layer.self_attn.batch_first,
        layer.norm_first,
        layer.linear1.bias is not None,
    )


def made(info: Any, sample: Any, training: bool, seed: int) -> tuple[Any, Any]:
    """Return PyTorch's module with randomly perturbed parameters, and ours with the same state."""
    import torch

    given = sample.constructor_input
    theirs = info.module_cls(*given.args, **given.kwargs).double().train(training)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in theirs.parameters():
            p += 0.1 * torch.randn(p.shape, generator=generator, dtype=p.dtype)
    args, keywords = mapped((tuple(given.args), dict(given.kwargs)), lambda x: _ours(x, {}))
    settings = {SETTINGS.get(name, name): x for name, x in keywords.items() if name not in ONLY_THEIRS}
    cls: Any = our_class(info.module_cls.__name__)
    ours = cls(*args, **settings).astype(np.float64).train(training)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def fault(found: Any, expected: Any) -> str:
    """Describe the difference of an array from the expected one, or return an empty string."""
    if found is None or expected is None:
        return "" if found is expected else f"got {found}, expected {expected}"
    a, b = np.asarray(found), np.asarray(expected)
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        return f"got {a.dtype}{list(a.shape)}, expected {b.dtype}{list(b.shape)}"
    largest = float(np.max(np.abs(b), initial=0, where=np.isfinite(b))) if b.size else 0
    if np.allclose(a, b, rtol=CLOSE, atol=CLOSE * largest, equal_nan=True):
        return ""
    return f"difference {np.nanmax(np.abs(a - b)):.1e}, largest element {largest:.1e}"


def difference(ours: Outcome, theirs: Outcome) -> str:
    """Describe the first difference of two outcomes, or return an empty string."""
    if len(ours.results) != len(theirs.results):
        return f"got {len(ours.results)} results, expected {len(theirs.results)}"
    pairs = [(f"result {k}", *pair) for k, pair in enumerate(zip(ours.results, theirs.results, strict=True))]
    for what, mine, their in (("gradient of", ours.gradients, theirs.gradients), ("state", ours.state, theirs.state)):
        if list(mine) != list(their):
            return f"{what}: got {list(mine)}, expected {list(their)}"
        pairs += [(f"{what} {name}", mine[name], their[name]) for name in mine]
    return next((f"{what}: {why}" for what, a, b in pairs if (why := fault(a, b))), "")


def judge(info: Any, sample: Any, training: bool, seed: int) -> str:
    """Return the reason why a configuration fails, or an empty string."""
    try:
        theirs, ours = made(info, sample, training, seed)
        given = sample.forward_input
        expected, inputs = expected_of(theirs, (tuple(given.args), dict(given.kwargs)), seed)
        return difference(ours_of(ours, inputs, seed), expected)
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:200]}"


def reasons(info: Any) -> list[str]:
    """Return the result of `judge` for each configuration of a class."""
    if our_class(info.module_cls.__name__) is None:
        return ["this package has no such class" for _ in configurations(info)]
    return [judge(info, sample, training, k) for k, (training, sample) in enumerate(configurations(info))]


def main() -> None:
    """Print a line for each class."""
    parser = Parser("python -m benchmarks.module_samples", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="CLASS", help="name in PyTorch (default: all classes)")
    parser.add_argument("--failures", action="store_true", help="print all reasons")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    passed, of, whole, classes = 0, 0, 0, 0
    for info in infos():
        name = info.module_cls.__name__
        if options.names and name not in options.names:
            continue
        found = reasons(info)
        faults = Counter(filter(None, found))
        good = len(found) - faults.total()
        passed, of, whole, classes = passed + good, of + len(found), whole + (not faults), classes + 1
        print(f"{name:25}{good:4} of {len(found):4}", flush=True)
        for why, count in faults.most_common(None if options.failures else 1):
            print(f"    {count:4} {why}", flush=True)
    print(f"{passed} of {of} configurations pass; {whole} of {classes} classes pass all of theirs.")


if __name__ == "__main__":
    main()
