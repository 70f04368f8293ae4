"""Hints for names of other libraries: they are correct, a page lists them, and they hide no attribute."""

import copy
import inspect
import math
import pickle
import re
import warnings
from dataclasses import dataclass

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.effort import with_each
from tinygrad_edu import Tensor, training, transforms
from tinygrad_edu.errors import DTypeError, HabitWarning, ShapeError, hints
from tinygrad_edu.errors.hints import elsewhere, tables
from tools import differences_page, functions_page, names_page
from tools.names_elsewhere import main as main_of_names_elsewhere

PLACES = {
    "Tensor": Tensor([1.0]), "tg": tg, "Module": tg.nn.Identity(), "tg.nn": tg.nn, "tg.nn.init": tg.nn.init,
    "tg.optim": tg.optim, "tg.optim.schedules": tg.optim.schedules, "tg.data": tg.data,
    "tg.distributions": tg.distributions, "Distribution": tg.distributions.Normal(0.0, 1.0),
}  # fmt: skip


@pytest.mark.parametrize("place", tables.NAMES)
def test_a_name_that_is_another_answers_with_the_one_here(place):
    table = tables.NAMES[place]
    there = {name for name in table if hasattr(PLACES[place], name)}
    assert there <= {"parallel", "tape", "testing", "training"}  # imported by the tests
    for name in table.keys() - there:
        with pytest.raises(AttributeError) as caught:
            getattr(PLACES[place], name)
        here = table[name].replace("`", "")
        assert str(caught.value) in (f"{place} has no {name!r}: write {here}.", f"{place} has no {name!r}: {here}.")


def a_script(t):
    """Return the variables for the code in the tables, with the tensor `t` and a new optimizer."""
    rng, layer, numbers = np.random.default_rng(0), tg.nn.Linear(3, 3), t.numpy()
    np.savez("path.npz", **layer.state_dict())
    layer.save("path")
    np.save("rows.npy", np.eye(3))
    layer.register_buffer("mean", 0.0, persistent=False)
    return {
        **vars(np.random), "tg": tg, "np": np, "nn": tg.nn, "optim": tg.optim, "schedules": tg.optim.schedules,
        "data": tg.data, "tinygrad_edu": tg, "rng": rng, "model": layer, "layer": layer, "p": t, "w": t, "bias": t,
        "t": t, "x": t, "y": t, "other": t, "vector": t, "values": numbers, "array": numbers, "more": numbers,
        "tensors": [t, t], "samples": [t, t], "part": numbers, "mask": numbers > 0, "value": 2.0, "dtype": np.float32,
        "index": np.zeros(t.shape, int), "indices": [0], "k": 0, "n": 3, "m": 3, "low": 0, "high": 2, "start": 0,
        "length": 1, "axis": -1, "axes": range(t.ndim)[::-1], "source": 0, "destination": -1, "pieces": 2,
        "places": [1],
        "name": {2: "weight", 0: "mean", 3: ""}[t.ndim], "module": layer, "path": "path", "shape": (2, 3),
        "paths": ["rows.npy"], "seed": 0, "std": 0.1,
        "bound": 0.1, "size": 2, "batch_size": 2, "count": 1,
        "counts": [1] * t.shape[-1] if t.ndim else 1, "output_size": 1, "inputs": [np.ones((1, 3))],
        "parameters": layer.parameters(), "max_norm": 1.0, "clip_value": 1.0, "lr": 0.1, "step": 3, "step_size": 2,
        "parametrization": tg.nn.WeightNorm(), "hook": print,
        "gamma": 0.5, "milestones": [2], "steps": 10, "eta_min": 0.0, "period": 5, "max_lr": 0.1, "total_steps": 10,
        "start_factor": 0.1, "factor": 0.5, "total_iters": 5, "power": 2, "milestone": 2, "function": math.exp,
        "logits": t, "weights": [1 / len(numbers)] * len(numbers) if t.ndim else [], "f": tg.sum,
        "schedule": tg.optim.schedules.constant(0.1), "first": math.exp, "second": math.exp,
        "optimizer": tg.optim.SGD(layer.parameters()), **vars(tg.distributions),
        "dist": tg.distributions.Normal(0.0, 1.0), "loc": 0.0, "scale": 1.0, "q": 0.5,
        "log_weights": np.log([0.5, 0.5]),
    }  # fmt: skip


@pytest.mark.parametrize("place", tables.NAMES)
def test_what_is_named_instead_runs(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tried = (Tensor(np.eye(3) / 2), Tensor(0.5, requires_grad=True), tg.zeros((2, 3)), tg.zeros((2, 3, 4)))
    pieces = {part for here in tables.NAMES[place].values() for part in re.findall(r"`([^`]*)`", here)}
    for code in pieces - {"dtype=", "rng=rng"}:
        errors = []
        for t in tried:
            try:
                with np.errstate(all="ignore"):
                    exec(code.replace("np.load(path", "np.load('path.npz'"), a_script(t))
                break
            except Exception as error:
                errors.append(error)
        assert len(errors) < len(tried), (code, errors)


@pytest.mark.thorough
def test_an_answer_for_a_name_elsewhere_names_what_is_here():
    places = {**PLACES, "tg.linalg": tg.linalg}
    for place, libraries in elsewhere.NAMES_BY_LIBRARY.items():
        for name in (name for listed in libraries.values() for name in listed.split() if name[0] != "_"):
            with pytest.raises(AttributeError, match=f"has no '{name}': ") as caught:
                getattr(places[place], name)
            text = str(caught.value).partition(": ")[2]
            if "not offered" in text:
                continue
            for root, path in re.findall(r"\b(tg|nn|np|t)\.(\w+(?:\.\w+)*)", text):
                value = {"tg": tg, "nn": tg.nn, "np": np, "t": Tensor([1.0])}[root]
                for part in path.split("."):
                    value = getattr(value, part)


@pytest.mark.parametrize(("place", "name", "library"), [
    (tg, "stft", "PyTorch"), (tg, "roots", "jax.numpy"), (tg.nn, "GaussianNoise", "Keras"),
    (tg.linalg, "eig", "PyTorch"), (Tensor([1.0]), "storage", "PyTorch"),
])  # fmt: skip
def test_other_names_of_other_libraries_are_not_offered(place, name, library):
    with pytest.raises(AttributeError, match=f"has no '{name}': not offered; it is a name of {re.escape(library)}"):
        getattr(place, name)
    assert name not in dir(place)


def test_a_name_of_numpy_is_here_or_has_an_answer():
    for name in (name for name in dir(np) if not name.startswith("_") and not hasattr(tg, name)):
        with pytest.raises(AttributeError, match=f"has no '{name}': (write|not offered|import|leave|t|rng)") as caught:
            getattr(tg, name)
        assert "did you mean" not in str(caught.value)


@pytest.mark.peers
def test_the_files_have_all_names_of_other_libraries():
    pytest.importorskip("torch")
    assert main_of_names_elsewhere(["--check"]) == 0


def of_pytorch():
    """Return PyTorch's public names for each object, without those that do not apply here."""
    torch = pytest.importorskip("torch")
    from torch.optim import lr_scheduler

    initial = [name for name in vars(torch.nn.init) if name.endswith("_") and not name.startswith("_")]
    return {
        "tg.nn": {*torch.nn.modules.__all__, "Parameter", "Buffer", "DataParallel", "functional", "utils"},
        "tg.nn.init": {"calculate_gain", *initial},
        "tg.optim": {*torch.optim.__all__} - {"swap_in_optimizer_params_and_state"},
        "tg.optim.schedules": {*lr_scheduler.__all__},
    }


@pytest.mark.peers
def test_every_name_of_pytorch_is_here_or_has_an_answer():
    missing = {
        place: [name for name in theirs if not hasattr(PLACES[place], name) and name not in tables.NAMES[place]]
        for place, theirs in of_pytorch().items()
    }
    assert not any(missing.values()), missing


@pytest.mark.peers
def test_constructors_take_what_pytorchs_take_in_their_order():
    torch = pytest.importorskip("torch")
    pairs = [
        (getattr(torch.optim, name), getattr(tg.optim, name))
        for name in ("SGD", "Adagrad", "Adam", "AdamW", "Adamax", "LBFGS", "RMSprop", "NAdam", "RAdam")
    ]
    for name in torch.nn.modules.__all__:
        ours = getattr(tg.nn, re.sub(r"(\d)d$", r"\1D", name), None)
        pairs += [(getattr(torch.nn, name), ours)] if ours else []
    compared = 0
    for theirs, ours in pairs:
        wanted, taken = ([*inspect.signature(kind).parameters.values()] for kind in (theirs, ours))
        if not any(each.kind is each.VAR_POSITIONAL for each in wanted):
            taken = [each.name for each in taken if each.name not in ("rng", "dtype", "rotary")]
            wanted = [each.name for each in wanted if each.name not in {*tables.UNSUPPORTED, "dtype"}]
            here = {name: tables.KEYWORDS.get(name) for name in wanted}
            wanted = [here[name] if here[name] in taken else name for name in wanted if not name.startswith("_")]
            assert list(dict.fromkeys(wanted)) == taken, ours.__name__
            compared += 1
    assert compared > 90


@pytest.mark.peers
def test_both_sides_of_the_page_run_and_give_the_same_numbers():
    torch = pytest.importorskip("torch")
    theirs, ours = {}, {}
    for diff in re.findall(r"```diff\n(.*?)```", names_page.PAGE.read_text(), re.DOTALL):
        exec(names_page.side("-", diff), theirs)
        exec(names_page.side("+", diff), ours)
        assert list(ours["model"].state_dict()) == list(theirs["model"].state_dict())
        ours["model"].load_state_dict(theirs["model"].state_dict())
        with torch.no_grad(), tg.no_grad():
            expected, out = theirs["model"](theirs["inputs"]), ours["model"](theirs["inputs"].numpy())
        np.testing.assert_allclose(out.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)


def test_what_is_written_line_by_line_does_what_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for there, here in names_page.LINES.items():
        known = a_script(tg.zeros((4, 2, 3))) | {"images": np.ones((4, 3)), "labels": np.zeros(4, int)}
        exec(here, known)
        with pytest.raises((AttributeError, TypeError, NameError)):
            exec(there, known)


def test_the_page_has_these_tables():
    page = names_page.PAGE.read_text()
    assert names_page.filled(page) == page, "run python -m tools.names_page to update it"


def test_a_near_miss_names_the_nearest():
    for place, near, meant in ((tg, "summ", "sum"), (tg.nn, "Linearr", "Linear"), (tg.optim, "SGDD", "SGD")):
        with pytest.raises(AttributeError, match=f"has no '{near}'; did you mean '{meant}'"):
            getattr(place, near)
    for place in (tg, tg.nn, Tensor([1.0])):
        with pytest.raises(AttributeError, match=r"has no|no attribute"):
            _ = place.nothing_like_that
        assert not hasattr(place, "__wrapped__")


def test_an_attribute_of_a_module_is_its_own_and_its_errors_are():
    class Own(tg.nn.Module):
        def __init__(self):
            self.type, self.device = "encoder", "a word"

        def half(self):
            return 0.5

        @property
        def wrong(self):
            return self.nothing

    own = Own()
    assert (own.type, own.device, own.half(), hasattr(own, "cuda")) == ("encoder", "a word", 0.5, False)
    with pytest.raises(AttributeError, match=r"^'Own' object has no attribute 'nothing'$"):
        _ = own.wrong
    assert not {"cuda", "to"} & set(dir(own))
    assert pickle.loads(pickle.dumps(tg.nn.Identity())).training


def test_what_is_missing_is_no_part_of_a_tensor():
    t = Tensor([[1.0]], requires_grad=True)
    assert {"sum", "shape", "grad"} < set(dir(t))
    assert not set(dir(t)) & set(tables.NAMES["Tensor"])
    assert pickle.loads(pickle.dumps(t)).item() == copy.copy(t).item() == copy.deepcopy(t).item() == 1
    with pytest.raises(AttributeError):
        t.view = 1
    assert "view" not in vars(Tensor)
    assert "__getattr__" not in dir(Tensor)  # it would slow down every op
    assert inspect.getmembers(t, inspect.isbuiltin) is not None


# --- Keywords ---


@with_each(
    ("call", "said"),
    [
        (lambda t: tg.sum(t, dim=0), "sum() got an unexpected keyword argument 'dim': dim of PyTorch is axis here."),
        (lambda t: t.mean(0, keepdim=True), "keepdim of PyTorch is keepdims here."),
        (lambda t: tg.softmax(t, dim=0), "dim of PyTorch is axis here."),
        (lambda t: tg.flip(t, dims=(0,)), "dims of PyTorch is axis here."),
        (lambda t: tg.std(t, dim=0), "std() got an unexpected keyword argument 'dim': dim of PyTorch is axis here."),
        (lambda t: t.std(correction=1), "correction of PyTorch is ddof here."),
        (lambda t: t.var(0, unbiased=False), "unbiased of PyTorch is ddof here."),
        (lambda t: tg.stack([t, t], dim=1), "dim of PyTorch is axis here."),
        (lambda t: tg.diagonal(t, dim1=0), "dim1 of PyTorch is axis1 here."),
        (lambda t: tg.argmax(t, keepdim=True), "keepdim of PyTorch is keepdims here."),
        (lambda t: tg.max(t, dim=0), "axis here. It returns the values alone; PyTorch's indices are tg.argmax(x, axis"),
        (lambda t: tg.median(t, dim=0), "PyTorch's indices are in tg.kthvalue(x, (n + 1) // 2, axis=axis), for n ele"),
        (
            lambda t: tg.expand_dims(t, dim=0),
            "expand_dims() got an unexpected keyword argument 'dim': dim of PyTorch i",
        ),
        (lambda t: tg.norm(t, dim=0), "norm() got an unexpected keyword argument 'dim': dim of PyTorch is axis here."),
        (lambda t: tg.tensordot(t, t, dims=1), "dims of PyTorch is axes here."),
        (lambda t: tg.linspace(0, 1, steps=5), "steps of PyTorch is num here."),
        (lambda t: tg.linalg.solve_triangular(t, t, lower=True), "write upper=False for a lower triangle"),
        (lambda t: tg.vmap(tg.exp, in_dims=0), "in_dims of PyTorch is in_axes here."),
        (lambda t: tg.vmap(tg.exp, out_dims=0), "out_dims of PyTorch is out_axes here."),
        (lambda t: tg.vmap(tg.exp, chunk_size=3), "leave it out: one call computes all samples."),
        (lambda t: tg.checkpoint(tg.exp, use_reentrant=False), "leave it out: tg.checkpoint(f)(x) calls f again"),
        (lambda t: tg.vmap(lambda x: tg.sort(x, dim=0))(t), "sort() got an unexpected keyword argument 'dim'"),
        (
            lambda t: tg.sum(t, nothing=0),
            "unexpected keyword argument 'nothing': expected axis, keepdims, dtype, initial, where.",
        ),
        (
            lambda t: tg.sum(t, keepdims=True, axes=0),
            "unexpected keyword argument 'axes': expected axis, keepdims, dtype, initial, where.",
        ),
    ],
)
def test_a_keyword_that_is_another_answers_with_the_one_here(call, said):
    for t in (Tensor([[1.0]]), Tensor([[1.0]], requires_grad=True), np.ones((1, 1))):
        if isinstance(t, Tensor) or call.__code__.co_names[0] == "tg":
            with pytest.raises(TypeError, match=re.escape(said)):
                call(t)


def renamed_parameters():
    """Yield each public callable that has a parameter with another name in PyTorch, with both names."""
    places = [tg, tg.linalg, tg.nn, tg.nn.init, tg.optim, tg.optim.schedules, tg.data, tg.distributions]
    places += [training, transforms]
    found = [getattr(place, name) for place in places for name in place.__all__ if name != "Function"]  # a type
    t = Tensor(np.eye(3))
    found += [getattr(t, name) for name in dir(t) if not name.startswith("_")]
    for each in found:
        if callable(each) and (not isinstance(each, type) or issubclass(each, hints.KeywordHints)):
            taken = inspect.signature(each).parameters
            for there, here in tables.KEYWORDS.items():
                for name in {*here.split()} & taken.keys() - {there}:
                    if there not in taken and taken[name].kind is not taken[name].VAR_POSITIONAL:
                        yield each, there, name


def test_every_callable_knows_the_keywords_of_pytorch():
    count = 0
    for call, there, here in renamed_parameters():
        taken = [p for p in inspect.signature(call).parameters.values() if p.default is p.empty and p.name != here]
        args = [Tensor(np.eye(3)) for p in taken if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        if call.__name__ in ("transpose", "rot90"):  # their calls are too fast to know other keywords
            continue
        with pytest.raises(TypeError, match=rf"{there} of PyTorch is {here} here"):
            call(*args, **{there: 0})
        count += 1
    assert count > 350


@dataclass(eq=False, repr=False)
class Scaled(tg.nn.Module):
    factor: float = 1.0


class Block(tg.nn.Module):
    def __init__(self, width, *, depth=1):
        self.width, self.depth = width, depth


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: tg.nn.Softmax(dim=1), "Softmax() got an unexpected keyword argument 'dim': dim of PyTorch is axis"),
        (lambda: tg.nn.Flatten(start_dim=0), "start_dim of PyTorch is start_axis here."),
        (lambda: tg.nn.ReLU(inplace=True), "ReLU() got an unexpected keyword argument 'inplace': leave it out: no l"),
        (lambda: tg.nn.ReLU(True), "ReLU() takes no positional arguments, got 1; if True is PyTorch's inplace, le"),
        (lambda: tg.nn.Linear(3, 2, device="cpu"), "leave it out: there is one device, the CPU."),
        (lambda: Scaled(factory=2.0), "Scaled() got an unexpected keyword argument 'factory': expected factor."),
        (lambda: tg.nn.MSELoss(size_average=False), 'write reduction="mean", "sum" or "none".'),
        (lambda: tg.optim.SGD([], foreach=True), "SGD() got an unexpected keyword argument 'foreach': leave it out"),
        (lambda: tg.data.DataLoader([1, 2], num_workers=4), "'num_workers': num_workers of PyTorch is workers here."),
        (lambda: tg.data.DataLoader([1, 2], pin_memory=True), "'pin_memory': leave it out: workers are threads, wh"),
        (lambda: tg.data.DataLoader([1, 2], batch_sampler=[]), "write sampler= and batch_size=."),
        (lambda: Block(3, dept=2), "Block() got an unexpected keyword argument 'dept': expected width, depth."),
        (lambda: Block(3, 2), "Block() takes the positional arguments width, got 2; keyword-only: depth."),
    ],
)  # fmt: skip
def test_making_a_layer_or_an_optimizer_with_other_arguments_says_what_to_write(make, said):
    with pytest.raises(TypeError, match=re.escape(said)):
        make()


def test_a_constructor_that_answers_looks_as_it_is_written():
    kinds = [getattr(place, name) for place in (tg.nn, tg.optim) for name in place.__all__]
    kinds = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, hints.KeywordHints)]
    assert len(kinds) > 25
    for kind in kinds:
        shown, written = inspect.signature(kind), inspect.signature(inspect.unwrap(kind.__init__))
        assert list(shown.parameters) == list(written.parameters)[1:]
        if not any(each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD) for each in shown.parameters.values()):
            with pytest.raises(
                TypeError, match=rf"^{kind.__name__}\(\) got an unexpected keyword argument 'nothing': expected"
            ):
                kind(nothing=1)


# --- The same name with another meaning ---

TWO, THREE = Tensor(np.zeros((2, 3))), Tensor(np.zeros((2, 3, 4)))
TRAPS = {
    "transpose of three": (
        lambda: THREE.transpose(0, 1),
        ShapeError,
        r"the order of all 3 axes.* use swapaxes\(0, 1\)\.",
    ),
    "transpose in place": (lambda: TWO.transpose(0, 1), ShapeError, r"swapaxes\(0, 1\); to keep both in place, use tr"),
    "transpose from the end": (lambda: TWO.transpose(-2, -1), ShapeError, r"use swapaxes\(-2, -1\)"),
    "Tensor": (lambda: Tensor(2, 3), DTypeError, r"got 3: .* zeros\(\(2, 3\)\)"),
    "zeros": (lambda: tg.zeros(2, 3), DTypeError, r"zeros: 3 is not a dtype; pass the shape as one argument"),
    "ones": (lambda: tg.ones(2, 3), DTypeError, r"ones: 3 is not a dtype; pass the shape as one argument"),
    "grad": (lambda: tg.grad(TWO, THREE), DTypeError, r"y\.backward\(\) stores the gradient in x\.grad"),
    "value_and_grad": (lambda: tg.value_and_grad(TWO), DTypeError, r"f must be a function"),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_where_two_meanings_could_be_confused_it_raises(trap):
    act, error, message = TRAPS[trap]
    with pytest.raises(error, match=message):
        act()


def test_an_order_of_the_axes_is_numpys():
    a = np.arange(24.0).reshape(2, 3, 4)
    t = Tensor(a)
    for order in ((1, 0, 2), (0, 1, 2), (-1, 0, 1)):
        np.testing.assert_array_equal(t.transpose(*order), a.transpose(*order))
        np.testing.assert_array_equal(t.transpose(order), a.transpose(order))
    np.testing.assert_array_equal(t[0].transpose(1, 0), a[0].transpose(1, 0))
    np.testing.assert_array_equal(t[0].transpose((0, 1)), a[0])
    np.testing.assert_array_equal(t[0].transpose([1, 0]), a[0].T)
    assert t.transpose().shape == t.T.shape == (4, 3, 2)


# Calls that PyTorch understands in another way, on a tensor t of shape (2, 3), with the call in the warning.
HABITS = {
    **{f"t.{name}({arguments})": rf"{name}\(axis=1\).*{indices}" for name, arguments, indices in (
        ("max", "1", r"tg\.argmax\(x, axis=1\)"), ("max", "1, keepdims=True", "argmax"),
        ("max", "np.int64(1)", "argmax"),
        ("min", "1", "argmin"), ("sort", "1", "argsort"), ("sort", "1, True", "argsort"), ("median", "1", "kthvalue"),
        ("cummax", "1", "not offered"), ("cummin", "1", "not offered"),
    )},
    **{f"tg.{name}({x}, 1)": r"axis=1" for x in ("t", "A")
       for name in ("max", "min", "sort", "median", "nanmedian", "cummax", "cummin")},
    **{f"{call}": r"indices_or_sections=positions.*np\.cumsum\(lengths\)" for call in (
        "tg.split(t, [1, 2], 1)", "t.split([1, 2], axis=1)", "t.split((1, 1))", "tg.split(A, [2])",
    )},
    "tg.grad(lambda x: x.max(1).sum())(A)": r"max\(axis=1\)", "tg.vmap(lambda x: tg.max(x, 0))(A)": r"max\(axis=0\)",
    "tg.checkpoint(lambda x: x.sort(0).sum())(t)": r"sort\(axis=0\)",
}  # fmt: skip
OF_NUMPY = """
    t.max(axis=1); t.max(); t.max(None); t.max((0, 1)); t.max(axis=1, keepdims=True); tg.max(t, axis=1); tg.max(A)
    t.min(axis=-1); t.sort(axis=0); t.sort(); t.median(axis=1); tg.nanmedian(t, axis=1); t.cummax(axis=0); t.cummin()
    np.max(t, 1); np.amin(t, 1); np.sort(t, 0); np.median(t, 1); np.nanmedian(t, 1); np.maximum.reduce(t, 1)
    np.split(t, [1, 2], 1); t.amax(1); tg.amin(t, 1); tg.ptp(t, 1); tg.quantile(t, 0.5, 1); t.argmax(1)
    t.split(2); t.split([1]); tg.split(t, [1, 3], 1); t.split(indices_or_sections=[1, 1]); tg.array_split(t, [1, 1])
    tg.split(t, np.array([1, 1])); t.split([-1, 3]); tg.vsplit(t, [1, 1]); tg.hsplit(t, [1, 2]); t.norm(2, 1)
    tg.normalize(t, 2, 1); t.kthvalue(1, 1); t.topk(1, 1); t.max(1, initial=0); tg.min(t, 1, where=A > 2, initial=9)
    tg.vmap(lambda x: x.max(axis=0))(A); tg.vmap(tg.max)(A); tg.hessian(lambda x: x.max(axis=1).sum())(A)
""".replace("\n", ";").split(";")
A = np.array([[1.0, 3.0, 2.0], [4.0, 6.0, 5.0]])


@with_each("call", HABITS)
def test_a_call_that_pytorch_understands_otherwise_warns_once_at_its_place(call):
    code = compile(f"for _ in range(3): {call}", "habit.py", "exec")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        exec(code, {"tg": tg, "np": np, "A": A, "t": Tensor(A, requires_grad=True)})
    (warning,) = caught
    assert (warning.category, warning.filename, warning.lineno) == (HabitWarning, "habit.py", 1)
    assert re.search(HABITS[call], str(warning.message))


@with_each("call", [call.strip() for call in OF_NUMPY if call.strip()])
def test_a_call_with_one_meaning_is_quiet(call):
    assert eval(call, {"tg": tg, "np": np, "A": A, "t": Tensor(A, requires_grad=True)}) is not None


@pytest.mark.parametrize("name", ["max", "min", "sort", "median", "cummax", "cummin"])
def test_the_rows_of_a_result_unpack(name):
    first, second = getattr(Tensor(A), name)(axis=1)
    np.testing.assert_array_equal(second.numpy() - first.numpy(), 3)


def test_a_pair_of_widths_by_itself_is_for_one_axis():
    t = tg.Tensor(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"write \{-1: \(1, 2\)\}"):
        tg.pad(t, (1, 2))
    assert np.pad(t, (1, 2)).shape == tg.pad(t, ((1, 2),)).shape == (5, 6)
    assert tg.pad(t[0], (1, 2)).shape == (6,)


def test_the_page_of_functions_is_what_there_is():
    assert functions_page.PAGE.read_text() == functions_page.page()


def test_the_page_of_differences_is_the_ledger():
    assert differences_page.PAGE.read_text() == differences_page.page()
