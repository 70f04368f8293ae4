"""Modules: registration of tensors and modules under PyTorch's names, hooks, dtypes, state dicts and copies."""

import ast
import contextlib
import copy
import itertools
import operator
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tests.effort import with_each
from tinygrad_edu import Tensor, from_numpy
from tinygrad_edu.errors import DataError, DTypeError, LostGradientWarning, StaleValueError, StateDictError
from tinygrad_edu.nn import Conv2D, Dropout, Flatten, Linear, Module, Sequential, Tanh, WeightNorm, parametrize
from tinygrad_edu.optim import SGD
from tinygrad_edu.testing import check_module
from tools.campaign import interruptions

# A model of torch 2.13: Sequential(Conv2d(2, 2, (1, 2), groups=2), Tanh(), Flatten(), Linear(4, 2)). Its state dict,
# with rounded values, and its output for one image.
TORCH_STATE = {
    "0.weight": np.array([-0.01, 0.38, -0.58, -0.52], np.float32).reshape(2, 1, 1, 2),
    "0.bias": np.array([-0.27, 0.19], np.float32),
    "3.weight": np.array([[-0.01, 0.4, -0.04, 0.13], [-0.15, -0.1, -0.48, -0.33]], np.float32),
    "3.bias": np.array([-0.21, 0.02], np.float32),
}
TORCH_IMAGE = np.array([1, -1, 0.5, 2, 0, -2], np.float32).reshape(1, 2, 1, 3)
TORCH_OUT = [[-0.092687, 0.195070]]


def torch_twin():
    return Sequential(Conv2D(2, 2, (1, 2), groups=2), Tanh(), Flatten(), Linear(4, 2))


def weight(*shape):
    return Tensor(np.ones(shape), requires_grad=True)


class Holder(Module):
    """A module with the given attributes."""

    def __init__(self, **attributes):
        vars(self).update(attributes)


def names(module):
    return [name for name, _ in module.named_parameters()]


# --- parameters, buffers and modules ---


def test_names_are_pytorchs_in_nested_containers():
    # The names are those of torch 2.13 for the same model of Parameters, ModuleList and ModuleDict.
    block = Holder(
        scale=weight(1),
        blocks=[Linear(1, 1), Sequential(Linear(1, 1, bias=False))],
        heads={"a": Linear(1, 1, bias=False)},
    )
    block.again = block.blocks[0]
    first = ["scale", "blocks.0.weight", "blocks.0.bias", "blocks.1.0.weight", "heads.a.weight"]
    assert names(block) == first
    assert list(block.state_dict()) == [*first, "again.weight", "again.bias"]


# A plan of a module: a new weight, the shared weight, a number, or nested containers of plans.
plans = st.recursive(
    st.sampled_from(["weight", "shared", "number"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        st.dictionaries(st.sampled_from("pqr"), inner, max_size=3).map(lambda parts: ("module", parts)),
    ),
    max_leaves=12,
)


def build(plan, name, shared, expected):
    """Build a module from a plan. Append the name and tensor of each weight to `expected`."""
    if plan == "number":
        return 3.0
    if isinstance(plan, str):
        made = shared if plan == "shared" else weight()
        expected.append((name, made))
        return made
    if isinstance(plan, tuple) and plan[:1] == ("module",):
        return Holder(**{key: build(part, f"{name}.{key}", shared, expected) for key, part in plan[1].items()})
    if isinstance(plan, dict):
        return {key: build(part, f"{name}.{key}", shared, expected) for key, part in plan.items()}
    return type(plan)([build(part, f"{name}.{k}", shared, expected) for k, part in enumerate(plan)])


@given(plans)
def test_the_walk_finds_everything_in_the_order_of_definition_and_shared_ones_once(plan):
    shared, expected = weight(), []
    module = Holder(root=build(plan, "root", shared, expected))
    assert list(module.state_dict()) == [name for name, _ in expected]
    first = {}
    for name, made in expected:
        first.setdefault(id(made), name)
    assert names(module) == list(first.values())
    assert len({id(parameter) for parameter in module.parameters()}) == len(module.parameters()) == len(first)


def test_cycles_end():
    child = Holder(weight=weight(1))
    parent = Holder(children=[child], bias=weight(2))
    child.parent = parent
    parent.children.append(parent.children)
    assert names(parent) == ["children.0.weight", "bias"]
    assert names(child) == ["weight", "parent.bias"]
    assert parent.modules() == [parent, child]
    assert repr(parent) == "Holder(\n  (children.0): Holder(\n    (parent): ...\n  )\n)"
    parent.eval()
    assert not child.training


def test_named_modules_begin_with_the_module_itself():
    model = Sequential(Tanh(), Sequential(Linear(1, 1)))
    assert [name for name, _ in model.named_modules()] == ["", "0", "1", "1.0"]
    assert model.modules() == [model, model[0], model[1], model[1][0]]


def test_what_requires_no_gradient_is_state_but_no_parameter():
    model = Linear(2, 1)
    model.weight.requires_grad = False
    model.scale = Tensor([2.0])
    model.computed = model.bias * 2
    assert names(model) == ["weight", "bias"]
    assert list(model.state_dict()) == ["weight", "bias", "scale"]


# Tensors created from values are state, as are their copies and detached tensors.
MADE_OF_VALUES = {
    "Tensor": lambda w: Tensor([1.0, 2.0]),
    "a Tensor of a computed one": lambda w: Tensor((w * 2).detach()),
    "from_numpy": lambda w: from_numpy(np.ones(2)),
    "zeros": lambda w: tg.zeros(2),
    "zeros_like": lambda w: np.zeros_like(w),
    "normal": lambda w: tg.normal(size=2, rng=np.random.default_rng(0)),
    "a detached parameter": lambda w: w.detach(),
    "a copy": lambda w: copy.copy(Tensor([1.0, 2.0])),
    "a copy of a copy": lambda w: pickle.loads(pickle.dumps(copy.deepcopy(Tensor([1.0, 2.0])))),
    "a computed leaf": lambda w: computed_leaf(w),
}
# Tensors computed by ops are not state: they are caches or activations.
COMPUTED = {
    "a product": lambda w: w * 2,
    "a slice": lambda w: w[:1],
    "another dtype": lambda w: w.astype(np.float64),
    "joined": lambda w: tg.concatenate([w, w]),
    "detached": lambda w: (w * 2).detach(),
    "a detached view": lambda w: w[:1].detach(),
    "a copy": lambda w: copy.copy((w * 2).detach()),
    "a pickle": lambda w: pickle.loads(pickle.dumps(w * 2)),
    "in place": lambda w: operator.iadd((w * 2).detach(), 1.0),
    "of integers": lambda w: tg.einsum("i->", tg.ones(2, int)),
    "a gradient": lambda w: tg.grad(lambda x: (x * x).sum())(w),
}


def computed_leaf(w):
    leaf = (w * 2).detach()
    leaf.requires_grad = True
    return leaf


@pytest.mark.parametrize("mode", [tg.no_grad, tg.enable_grad])
@pytest.mark.parametrize(("table", "state"), [(MADE_OF_VALUES, ["w", "made"]), (COMPUTED, ["w"])])
def test_what_is_made_of_values_is_state_and_what_an_op_computed_is_not(table, state, mode):
    for way, make in table.items():
        model = Holder(w=weight(2))
        with mode():
            model.made = make(model.w)
        assert list(model.state_dict()) == state, way
        model.inside = [{"made": model.made}]
        assert len(model.state_dict()) == 2 * len(state) - 1, way
        for twin in (copy.deepcopy(model) if model.made.is_leaf else model, pickle.loads(pickle.dumps(model))):
            assert list(twin.state_dict()) == list(model.state_dict()), way


class Encoder(Module):
    """A layer with attributes that a function sets, in ``__init__`` and in each forward."""

    def __init__(self, made=lambda self: None, kept=lambda self, y: None):
        self.linear, self.kept, self.last = Linear(3, 3), kept, None
        self.reset_parameters(made)

    def reset_parameters(self, made):
        made(self)

    def encode(self, x):
        self.result = self.linear(x)
        return self.result

    def forward(self, x):
        y = self.encode(x)
        self.kept(self, y)
        return y


# Results of an op of a tensor that is not in the model, and the names in the warning.
MADE_BY_OPS = {
    "scaled": (lambda self: setattr(self, "pos", weight(3) * 0.02), "0.pos"),
    "reshaped and shifted": (lambda self: setattr(self, "pos", weight(4).reshape(2, 2) + 1), "0.pos"),
    "of another dtype": (lambda self: setattr(self, "pos", weight(3).astype(np.float64)), "0.pos"),
    "stacked": (lambda self: setattr(self, "pos", tg.stack([weight(3), weight(3)])), "0.pos"),
    "a part": (lambda self: setattr(self, "pos", weight(3)[:2]), "0.pos"),
    "in a list": (lambda self: setattr(self, "pos", [weight(3) * k for k in (1.0, 2.0)]), "0.pos.0, 0.pos.1"),
    "appended": (lambda self: [setattr(self, "pos", []), self.pos.append(weight(3) * 2)], "0.pos.0"),
    "in a tuple in a dict": (lambda self: setattr(self, "pos", {"a": (0, weight(3) * 2)}), "0.pos.a.1"),
    "under two names": (lambda self: [setattr(self, "b", x) for x in [weight(3) * 2] if not setattr(self, "a", x)],
                        "0.a"),
    "of a parameter": (lambda self: setattr(self, "decoder", self.linear.weight.T), "0.decoder"),
}  # fmt: skip
LISTERS = {
    "parameters": lambda model: SGD(model.parameters(), lr=0.1),
    "named parameters": lambda model: SGD([{"params": model.named_parameters()}], lr=0.1),
    "summary": lambda model: tg.nn.summary(model, (3,)),
    "check_module": lambda model: check_module(model, np.ones((2, 3))),
}


@pytest.mark.parametrize("act", LISTERS.values(), ids=LISTERS)
@pytest.mark.parametrize("make", MADE_BY_OPS)
def test_a_parameter_that_an_op_changed_where_it_was_made_is_named(make, act):
    made, names = MADE_BY_OPS[make]
    model = Sequential(Encoder(made))
    for _ in range(2):
        with pytest.warns(LostGradientWarning, match=rf" {names} of Sequential .*Tensor\(values, requires_grad=True\)"):
            act(model)
        model(np.ones((2, 3))).sum().backward()


KEPT = {
    "an attribute": lambda self, y: setattr(self, "last", y),
    "a list": lambda self, y: setattr(self, "results", [y]),
    "in a list": lambda self, y: vars(self).setdefault("results", []).append(y),
    "in another module": lambda self, y: setattr(self.linear, "result", y),
    "of a module that is made": lambda self, y: setattr(self, "part", Encoder().encode(y)),
}


def test_a_copy_of_a_called_module_has_not_been_called():
    model = Linear(3, 2)
    model(np.ones((2, 3)))
    assert model._first_call > 0
    for twin in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert not hasattr(twin, "_first_call")
        assert vars(twin).keys() == vars(model).keys()


@pytest.mark.parametrize("act", LISTERS.values(), ids=LISTERS)
@pytest.mark.parametrize("kept", KEPT.values(), ids=KEPT)
def test_a_result_that_a_forward_keeps_is_not_named(kept, act):
    model = Encoder(lambda self: setattr(self, "mean", Tensor([1.0]) * 2), kept)
    parametrize(model.linear, "weight", WeightNorm())
    model.register_forward_hook(lambda module, inputs, out: setattr(module, "out", out))
    model(np.ones((2, 3)))
    model.encode(np.ones((2, 3)))
    act(model)


class Caching(Module):
    """Stores activations, creates a weight at its first call, and updates buffers with `update`."""

    def __init__(self, update=lambda self, mean: None):
        self.update, self.scale, self.mean = update, tg.ones(3, requires_grad=True), tg.zeros(3)
        self.listed, self.named, self.weight = [tg.zeros(3)], {"mean": tg.zeros(3)}, None

    def forward(self, x):
        if self.weight is None:
            self.weight = tg.ones(3, requires_grad=True)
            self.calls = Tensor(0.0)
        self.attention = x * self.scale
        self.maps = [self.attention, (self.attention * 2).detach()]
        if self.training:
            self.update(self, x.mean(axis=0))
        return self.attention * self.weight


def replace(self, mean):
    with tg.no_grad():
        self.mean = 0.5 * self.mean + 0.5 * mean


def add_in_place(self, mean):
    with tg.no_grad():
        self.mean *= 0.5
        self.mean += 0.5 * mean


def assigned(buffer, mean):
    buffer.assign(0.5 * buffer.numpy() + 0.5 * mean.numpy())


UPDATES = [
    ("mean", replace),
    ("mean", add_in_place),
    ("mean", lambda self, mean: assigned(self.mean, mean)),
    ("mean", lambda self, mean: setattr(self, "mean", Tensor(0.5 * self.mean.numpy() + 0.5 * mean.numpy()))),
    ("mean", lambda self, mean: setattr(self, "mean", (0.5 * self.mean + 0.5 * mean).detach())),
    ("mean", lambda self, mean: self.register_buffer("mean", (0.5 * self.mean + 0.5 * mean).detach())),
    ("listed.0", lambda self, mean: assigned(self.listed[0], mean)),
    ("named.mean", lambda self, mean: assigned(self.named["mean"], mean)),
]


@pytest.mark.parametrize(("name", "update"), UPDATES)
def test_a_buffer_stays_state_however_it_is_updated_and_a_cache_is_none(name, update, tmp_path):
    model, x = Caching(update), Tensor([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]])
    with tg.no_grad():
        model.eval()(x)
    names = ["scale", "mean", "listed.0", "named.mean", "weight", "calls"]
    for k in range(1, 4):
        model.train()(x).sum().backward()
        state = model.state_dict()
        assert sorted(state) == sorted(names)
        np.testing.assert_allclose(state[name], np.array([2.0, 3.0, 4.0]) * (1 - 0.5**k))
        assert roles(model)["parameters"] == ["scale", "weight"]
    model.save(tmp_path / "model.safetensors")
    twin = Caching(update)
    twin(x)
    twin.load(tmp_path / "model.safetensors")
    assert all(np.array_equal(twin.state_dict()[each], state[each]) for each in names)


def test_a_buffer_that_is_added_to_in_a_graph_stays_state():
    model = Holder(w=weight(2), total=tg.zeros(()))
    model.total += model.w.sum()
    assert list(model.state_dict()) == ["w", "total"]
    assert (names(model), model.state_dict()["total"]) == (["w"], 2)
    model.total = Tensor(0.0)
    assert model.state_dict()["total"] == 0


def test_a_buffer_is_not_replaced_by_what_belongs_to_a_graph():
    model = Holder(w=weight(2), mean=tg.zeros(2))
    with pytest.raises(DTypeError, match=r"a computed tensor to Holder\.mean, a parameter or buffer: .* not be saved"):
        model.mean = 0.5 * model.mean + model.w
    assert model.mean.numpy().tolist() == [0, 0]


def test_what_is_computed_takes_the_role_of_the_frozen_parameter_that_it_replaces():
    model = Holder(w=weight(2)).requires_grad_(False)
    model.w = model.w * 2
    assert roles(model) == {"parameters": ["w"], "buffers": [], "frozen": ["w"]}
    del model.w
    model.w = weight(2).detach() * 2
    assert list(model.state_dict()) == []


def test_register_buffer_makes_state_of_what_an_op_computed():
    model = Holder(w=weight(2))
    model.last = (model.w * 2).detach()
    model.register_buffer("table", tg.sin(tg.ones(2)))
    model.register_buffer("last", model.last)
    assert roles(model) == {"parameters": ["w"], "buffers": ["last", "table"], "frozen": []}
    with pytest.raises(DTypeError, match="is a parameter"):
        model.register_buffer("other", model.w * 2)


def test_an_input_that_a_module_keeps_is_not_state():
    class Keeps(Linear):
        def forward(self, x):
            self.seen = x
            return super().forward(x)

    model = Keeps(2, 1)
    model(np.ones((4, 2), np.float32))
    assert model.seen.shape == (4, 2)
    assert list(model.state_dict()) == ["weight", "bias"]


class Norm(Module):
    """A module with the parameters and buffers of PyTorch's BatchNorm1d."""

    def __init__(self, features):
        self.weight = Tensor(np.ones(features, np.float32), requires_grad=True)
        self.bias = Tensor(np.zeros(features, np.float32), requires_grad=True)
        self.running_mean = Tensor(np.zeros(features, np.float32))
        self.running_var = Tensor(np.ones(features, np.float32))
        self.register_buffer("num_batches_tracked", np.array(0))
        self.register_buffer("last_mean", np.zeros(features), persistent=False)

    def forward(self, x):
        mean, var = self.running_mean, self.running_var
        if self.training:
            mean, var = x.mean(axis=0), x.var(axis=0)
            self.last_mean.assign(mean)
            self.running_mean.assign(0.9 * self.running_mean.data + 0.1 * mean.numpy())
            self.running_var.assign(0.9 * self.running_var.data + 0.1 * var.numpy() * len(x) / (len(x) - 1))
            self.num_batches_tracked.assign(self.num_batches_tracked.data + 1)
        return (x - mean) / (var + 1e-5) ** 0.5 * self.weight + self.bias


# The names, dtypes and shapes in the state dict of torch 2.13: Sequential(Linear(2, 3), BatchNorm1d(3)).
TORCH_NORM = {
    "0.weight": ("float32", (3, 2)), "0.bias": ("float32", (3,)),
    "1.weight": ("float32", (3,)), "1.bias": ("float32", (3,)),
    "1.running_mean": ("float32", (3,)), "1.running_var": ("float32", (3,)), "1.num_batches_tracked": ("int64", ()),
}  # fmt: skip


def trained_norm():
    model = Sequential(Linear(2, 3), Norm(3))
    model(Tensor(np.random.default_rng(0).standard_normal((4, 2)).astype(np.float32))).sum().backward()
    model[0].bias.requires_grad = False
    return model


def roles(module):
    named = {"parameters": module.named_parameters(), "buffers": module.named_buffers()}
    found = {kind: [name for name, _ in tensors] for kind, tensors in named.items()}
    return found | {"frozen": [name for name, tensor in module._tensors().items() if tensor.frozen]}


BUFFERS = ["1.running_mean", "1.running_var", "1.num_batches_tracked", "1.last_mean"]


def test_parameters_frozen_parameters_and_buffers_are_told_apart():
    model = trained_norm()
    trainable = ["0.weight", "0.bias", "1.weight", "1.bias"]
    found = {"parameters": trainable, "buffers": BUFFERS, "frozen": ["0.bias"]}
    assert roles(model) == found
    assert [len(model.parameters()), len(model.buffers())] == [4, 4]
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert roles(twin) == found
    assert model.requires_grad_(False) is model
    assert roles(model) == {"parameters": trainable, "buffers": BUFFERS, "frozen": trainable}
    assert roles(model.requires_grad_()) == {"parameters": trainable, "buffers": BUFFERS, "frozen": []}


def test_the_state_has_pytorchs_names_and_a_file_brings_it_back(tmp_path):
    model, twin = trained_norm(), Sequential(Linear(2, 3), Norm(3))
    state = model.state_dict()
    assert {name: (str(a.dtype), a.shape) for name, a in state.items()} == TORCH_NORM
    assert state["1.num_batches_tracked"] == 1
    model.save(tmp_path / "norm.safetensors")
    assert twin.load(str(tmp_path / "norm.safetensors")) == ([], [])
    x = np.ones((3, 2))
    np.testing.assert_array_equal(twin.eval()(x).numpy(), model.eval()(x).numpy())


def test_a_module_with_running_statistics_passes_the_check():
    model = trained_norm()
    before = model.state_dict()
    check_module(model, np.random.default_rng(0).standard_normal((4, 2)))
    assert all(np.array_equal(before[name], a) for name, a in model.state_dict().items())


def test_a_buffer_is_not_replaced_by_what_would_not_be_saved():
    model = Norm(2)
    with pytest.raises(DTypeError, match=r"a ndarray to Norm.running_mean, .*would not be saved"):
        model.running_mean = np.ones(2)
    model.register_buffer("running_mean", None)
    model.register_buffer("running_mean", [1.0, 2.0], persistent=False)
    assert "running_mean" not in model.state_dict()
    model.running_mean = weight(2)  # a parameter, which is saved
    assert "running_mean" in model.state_dict()


def test_a_module_needs_no_super_init_and_no_registration():
    class Double(Module):
        def forward(self, x, times=2):
            return x * times

    assert float(Double()(Tensor(2.0))) == 4
    assert float(Double()(Tensor(2.0), times=5)) == 10
    assert vars(Double()) == {}


def test_repr_is_nested():
    model = Sequential(Conv2D(1, 2, 3, padding=1, bias=False), Sequential(Tanh(), Flatten()), np.tanh)
    assert repr(model) == (
        "Sequential(\n"
        "  (0): Conv2D(1, 2, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)\n"
        "  (1): Sequential(\n"
        "    (0): Tanh()\n"
        "    (1): Flatten()\n"
        "  )\n"
        "  (2): Lambda(tanh)\n"
        ")"
    )


# --- hooks ---


def test_a_hook_may_be_removed_while_it_runs_and_a_copy_has_hooks_of_its_own():
    model, seen = Tanh(), []
    handle = model.register_forward_hook(lambda module, inputs, out: (seen.append(module), handle.remove())[2:])
    twin = copy.deepcopy(model)
    model(1.0), model(1.0), twin(1.0)
    assert seen == [model, twin]


# --- another dtype ---


def test_astype_keeps_the_tensors_their_gradients_and_what_is_shared():
    model = trained_norm()
    model.tied, tensors = model[0].weight, [*model.parameters(), *model.buffers()]
    before, grad = model.state_dict(), model[0].weight.grad
    kept = model.astype(np.float32)[0].weight.data
    assert model.astype(np.float32)[0].weight.data is kept
    assert model.astype(np.float64) is model
    assert all(a is b for a, b in zip(tensors, [*model.parameters(), *model.buffers()], strict=True))
    assert {a.dtype.name for name, a in model.state_dict().items() if "num" not in name} == {"float64"}
    assert (model[1].num_batches_tracked.dtype, model[0].weight.grad.dtype) == (np.int64, np.float64)
    assert roles(model)["frozen"] == ["0.bias"]
    np.testing.assert_array_equal(model.tied.grad, grad)
    assert all(np.array_equal(before[name], a) for name, a in model.state_dict().items())


def test_a_graph_from_before_another_dtype_is_stale():
    model = Linear(2, 1)
    loss = model(tg.ones((1, 2), requires_grad=True)).sum()
    model.astype(np.float64)
    with pytest.raises(StaleValueError, match="changed in place"):
        loss.backward()


@pytest.mark.parametrize(
    ("spoil", "dtype", "message"),
    [
        (lambda m: m.b.assign([1e30]), "float16", "Holder.astype: b has the value .*30, which overflows in float16"),
        (lambda m: setattr(m.b, "grad", [1e30]), "float16", "b.grad has the value .*30, which overflows in float16"),
        (lambda m: None, int, "dtype must be float16, float32 or float64, got int64"),
    ],
)
def test_a_dtype_that_does_not_hold_everything_changes_nothing(spoil, dtype, message):
    model = Holder(a=weight(1), b=weight(1))
    spoil(model)
    with pytest.raises(DTypeError, match=message):
        model.astype(dtype)
    assert {p.dtype.name for p in model.parameters()} == {"float64"}


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("act", ["astype", "load_state_dict"])
def test_wherever_it_is_interrupted_all_tensors_have_changed_or_none(act):
    arguments = {"astype": np.float64, "load_state_dict": {"a": [2.0], "b": [2.0]}}[act]
    for place in itertools.count():
        model = Holder(a=Tensor([1.0]), b=Tensor([1.0]))
        with contextlib.suppress(interruptions.Interrupt):
            interruptions.at(place, lambda model=model: getattr(model, act)(arguments), interruptions.Interrupt)
            break
        assert len({(t.dtype, t.item()) for t in model.buffers()}) == 1
    assert place > 10


# --- state dicts ---


def test_a_pytorch_state_dict_loads_unchanged():
    model = torch_twin()
    assert [(name, array.shape) for name, array in model.state_dict().items()] == [
        (name, array.shape) for name, array in TORCH_STATE.items()
    ]
    model.load_state_dict(TORCH_STATE)
    np.testing.assert_allclose(model(TORCH_IMAGE).numpy(), TORCH_OUT, atol=1e-6)


def test_a_state_dict_is_a_copy():
    model = Linear(2, 2)
    state = model.state_dict()
    state["weight"][...] = 7
    assert not np.any(model.weight.numpy() == 7)
    model.weight.data += 1
    assert np.all(state["weight"] == 7)


def test_loading_writes_in_place_and_is_noticed():
    model = Linear(2, 1, bias=False)
    optimizer = SGD(model.parameters(), lr=1.0)
    parameter, memory = model.weight, model.weight.data
    needs_old_weight = model(tg.ones((1, 2), requires_grad=True)).sum()
    model.load_state_dict({"weight": Tensor([[1.0, 2.0]], requires_grad=True)})
    assert model.weight is parameter
    assert model.weight.data is memory
    np.testing.assert_array_equal(memory, [[1, 2]])
    with pytest.raises(StaleValueError, match="changed in place"):
        needs_old_weight.backward()
    model(np.ones((1, 2))).sum().backward()
    optimizer.step()
    np.testing.assert_array_equal(model.weight.numpy(), [[0, 1]])


def test_loading_names_every_fault_and_writes_nothing():
    model = torch_twin()
    before = model.state_dict()
    state = {
        "0.weight": np.ones((2, 1, 2, 1)),
        "0.bias": np.ones(2),
        "3.bias": np.ones(2, complex),
        "3.wieght": np.ones((2, 4)),
    }
    with pytest.raises(StateDictError) as caught:
        model.load_state_dict(state)
    assert str(caught.value).splitlines() == [
        "cannot load this state dict into Sequential (nothing was loaded):",
        "  missing: 3.weight, of shape (2, 4)",
        "  unexpected: 3.wieght, of shape (2, 4)",
        "  wrong: 0.weight has shape (2, 1, 2, 1), expected (2, 1, 1, 2)",
        "  wrong: 3.bias has dtype complex128, expected float32",
        "Build the module as the saved one was built, or rename, reshape or remove entries.",
    ]
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


class LikeTorch:
    """A stand-in for a PyTorch tensor. NumPy can read it after the methods in `hurdles` were called."""

    def __init__(self, values, *hurdles):
        self.values, self.hurdles = values, hurdles
        self.dtype = "torch.bfloat16" if "float" in hurdles else "torch.float32"

    def __array__(self, dtype=None, copy=None):
        assert not self.hurdles
        return np.array(self.values)

    def __getattr__(self, name):
        if name not in ("detach", "cpu", "float"):
            raise AttributeError(name)
        return lambda: LikeTorch(self.values, *(hurdle for hurdle in self.hurdles if hurdle != name))


def test_loading_a_part_leaves_the_rest_and_still_refuses_what_does_not_fit():
    model = Linear(2, 1)
    before = model.state_dict()
    keys = model.load_state_dict({"bias": [5.0], "other": Unreadable()}, strict=False)
    assert (keys.missing_keys, keys.unexpected_keys) == (["weight"], ["other"])
    np.testing.assert_array_equal(model.weight.numpy(), before["weight"])
    with pytest.raises(StateDictError, match="wrong: weight has shape"):
        model.load_state_dict({"weight": [6.0], "bias": [6.0]}, strict=False)
    assert model.bias.item() == 5
    model.tied, model.again = model.bias, model.bias
    with pytest.raises(StateDictError, match="again and tied are the same tensor, but have different saved values"):
        model.load_state_dict({"tied": [1.0], "again": [2.0]}, strict=False)


class Unreadable:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("not here.")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int8])
@pytest.mark.parametrize("raises", [True, False])
def test_numbers_that_the_dtype_cannot_hold_are_named_before_anything_is_written(dtype, raises):
    model = Holder(a=weight(1), b=Tensor(np.zeros(2, dtype)), c=weight(1))
    large = np.array([1, 300]) if dtype is np.int8 else np.array([1, 1e300])
    with (
        np.errstate(all="raise" if raises else "warn"),
        pytest.raises(StateDictError, match=r"wrong: b has the value .*300, which"),
    ):
        model.load_state_dict({"a": [5.0], "b": large, "c": [5.0]})
    assert (model.a.item(), model.b.numpy().tolist(), model.c.item()) == (1, [0, 0], 1)
    held = [1, -2] if dtype is np.int8 else [1e-300, np.inf]
    with np.errstate(all="raise"):
        model.load_state_dict({"a": [5.0], "b": np.array(held), "c": [np.nan]})
    np.testing.assert_array_equal(model.b.numpy(), np.array(held, model.b.dtype))


def test_tensors_of_one_name_are_refused():
    model = Holder(parts={1: weight(1), "1": weight(1)})
    for act in (model.state_dict, model.named_parameters, lambda: model.load_state_dict({"parts.1": [2.0]})):
        with pytest.raises(StateDictError, match=r"two tensors of Holder have the name parts\.1"):
            act()


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (lambda w: w * 2, "computed tensor"),
        (lambda w: w.detach(), "Tensor that requires no gradient"),
        (lambda w: w.numpy() * 2, "ndarray"),
        (lambda w: 2.0, "float"),
    ],
)
def test_what_would_drop_a_tensor_out_of_the_state_is_refused(value, what):
    model = Holder(w=weight(2), inside=[weight(2)])
    message = "a parameter or buffer: the new value would not be trained"
    with pytest.raises(DTypeError, match=rf"a {what} to Holder\.w, {message}.* Tensor\(values, requires_grad=True\)"):
        model.w = value(model.w)
    model.w = Tensor([2.0, 2.0], requires_grad=True)
    assert model.state_dict()["w"].tolist() == [2, 2]
    model.w = None
    assert list(model.state_dict()) == ["inside.0"]
    model.w = weight(2)
    computed = value(model.w)
    del model.w
    model.w = computed
    assert names(model) == ["inside.0"]


def shared():
    model = Holder(a=weight(1))
    model.b = model.a
    return model


def locked():
    values = np.zeros(1)
    values.flags.writeable = False
    return Holder(a=weight(1), b=from_numpy(values))


# A module, a state dict that does not fit, and the message.
NOT_LOADED = [
    (lambda: Holder(a=weight(1), b=weight(1)), Unreadable(),
     r"cannot convert b \(Unreadable\) to an array: not here. Nothing was loaded."),
    (lambda: Holder(a=weight(1), b=weight(1)), np.array(["a"]), "wrong: b has dtype <U1, expected float64"),
    (lambda: Holder(a=weight(1), b=weight(1)), None, r"wrong: b has shape \(\), expected \(1,\)"),
    (lambda: Holder(a=weight(1), b=weight(1)), [None], "wrong: b has dtype object, expected float64"),
    (lambda: Holder(a=weight(1), b=Tensor(np.array([3]))), [7.5], "wrong: b has dtype float64, expected int64"),
    (locked, [6.0], "wrong: b belongs to a tensor with read-only storage"),
    (shared, [4.0], "wrong: b and a are the same tensor, but have different saved values"),
]  # fmt: skip


@with_each(("make", "value", "message"), NOT_LOADED)
def test_a_value_that_does_not_fit_is_refused_before_anything_is_written(make, value, message):
    model = make()
    with pytest.raises(StateDictError, match=message):
        model.load_state_dict({"a": [5.0], "b": value})
    assert model.a.item() == 1


# A module, a state dict, and the values after loading it.
LOADED = [
    (Holder(a=weight(2), b=Tensor([0.0])),
     lambda m: {"a": LikeTorch([1.0, 2.0], "detach", "float"), "b": LikeTorch([3.0], "cpu")}.items(), [[1, 2], [3]]),
    (shared(), lambda m: {"a": [2.0], "b": [2.0]}, [[2], [2]]),
    (Holder(a=Tensor([1.0]), b=Tensor([2.0])), lambda m: {"a": m.b.data, "b": m.a.data}, [[2], [1]]),  # views
    (Holder(a=Tensor([1.0]), b=Tensor(np.array([3]))),
     lambda m: {"a": np.array([2]), "b": np.array([7], "i1")}, [[2], [7]]),
]  # fmt: skip


@with_each(("model", "state", "values"), LOADED)
def test_a_state_that_fits_is_loaded_in_the_dtypes_of_the_module(model, state, values):
    dtypes = [model.a.dtype, model.b.dtype]
    model.load_state_dict(state(model))
    assert [model.a.tolist(), model.b.tolist()] == values
    assert [model.a.dtype, model.b.dtype] == dtypes


def test_bfloat16_arrays_load():
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    model = Holder(a=weight(2))
    model.load_state_dict({"a": np.array([1.5, -3.0], bfloat16)})
    assert model.a.numpy().tolist() == [1.5, -3]


WRITTEN = r"cannot write the weights to .*: .*\. Nothing was changed"
REFUSED = [
    *((lambda name=name: Norm(1).register_buffer(name, [1.0]), ValueError, f"Norm cannot have a buffer named '{name}'")
      for name in ("forward", "weight", "a.b")),
    (lambda: Norm(1).register_buffer("mean", Tensor(1.0, requires_grad=True)), DTypeError, "mean is a parameter"),
    (lambda: Norm(1).register_buffer("mean", ["a"]), DTypeError, "real numbers or booleans"),
    (lambda: Linear(1, 1).wieght, AttributeError, "wieght"),
    (lambda: Holder()(1.0), NotImplementedError, r"Holder has no forward: define forward\(self, x\)"),
    (lambda: Tanh().register_forward_pre_hook(3), DTypeError, "a hook must be callable, got a int"),
    *((lambda state=state: Linear(1, 1).load_state_dict(state), DTypeError,
       r"expected a mapping.*To read a file, use load\(path\)") for state in ("net.safetensors", Path("net.sa"), 3)),
    *((lambda path=path: Linear(1, 1).save(path), DataError, WRITTEN) for path in ("no/such/folder", ".", "/dev/null")),
    *((lambda path=path: Linear(1, 1).load(path), DataError, r"cannot read the weights in .*: .*\. Expected a safe")
      for path in ("no/such/folder", ".", "/dev/null")),
    (lambda: Linear(1, 1).load(__file__), DataError,
     r"\.py: it is not in the safetensors format.* Expected a safetensors file"),
]  # fmt: skip


@with_each(("call", "error", "message"), REFUSED)
def test_what_cannot_be_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


# --- copies ---


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_copies_compute_the_same_share_no_memory_and_keep_what_is_shared(duplicate):
    rng = np.random.default_rng(0)
    shared = Linear(4, 4, rng=rng)
    model = Sequential(shared, Dropout(0.3, rng=rng), shared, Linear(4, 2, rng=rng))
    x = rng.standard_normal((3, 4)).astype(np.float32)
    model(x).sum().backward()
    twin = duplicate(model)
    assert twin[0] is twin[2]
    assert len(twin.parameters()) == 4
    for mine, other in zip(model.parameters(), twin.parameters(), strict=True):
        assert other.requires_grad
        assert not np.shares_memory(mine.data, other.data)
        np.testing.assert_array_equal(mine.grad, other.grad)
        assert not np.shares_memory(mine.grad, other.grad)
    np.testing.assert_array_equal(model(x).numpy(), twin(x).numpy())


# --- layers define no vjps ---


@pytest.mark.thorough
def test_no_derivative_is_written_in_nn():
    for path in Path(tg.nn.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text())
        attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        plain = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not {"vjps", "op", "Op", "Node", "_node"} & (attributes | plain), path.name
        assert not {"tinygrad_edu.recorder", "tinygrad_edu.transforms"} & imported, path.name
