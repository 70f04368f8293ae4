"""check_torch: correct functions and modules pass, wrong vjps are named, and modules do not change."""

import dataclasses
import sys

import numpy as np
import pytest

from tinygrad_edu.errors import DTypeError, MissingExtraError, VJPDefinitionError
from tinygrad_edu.testing import GradientMismatch, LawBroken, check_module, check_torch, run_check


def test_what_is_missing_is_named_with_a_line_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match="check_torch requires torch: run pip install torch"):
        check_torch(None, np.ones(3))


@pytest.fixture(scope="module")
def torch():
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    return torch


def sine(torch, factor=1.0, only=None, once=False):
    """Return a sine with a wrong first or second derivative, which accepts only one dtype if one is given."""

    def forward(ctx, x):
        if only is not None and x.dtype != only:
            raise TypeError(f"only {only}")
        ctx.save_for_backward(x)
        return x.sin()

    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return factor * g * (x.detach() if once else x).cos()

    return with_rules(torch, backward, forward)


def network(torch):
    nn = torch.nn
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(4, 2))


def tied(torch):
    nn = torch.nn
    net = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    net[2].weight = net[0].weight
    return net


def model(torch, factor=1.0):
    """Return a Module with nested inputs and results, a frozen part, and a vjp that is wrong by a factor."""

    @dataclasses.dataclass
    class Out:
        loss: object
        more: object

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer1 = torch.nn.Linear(3, 2)
            self.frozen = torch.nn.Linear(2, 2).requires_grad_(False)

        def forward(self, batch, scale, name=None):
            h = self.frozen(sine(torch, factor)(self.layer1(batch["x"]))) * scale
            return Out((h**2).sum(), {"h": [h, 3], "labels": batch["labels"]})

    return Model()


def outside(net):
    return lambda x: net(x).tanh()


# Functions of (torch, x, labels) that return a function or Module, its inputs, and the order.
RIGHT = {
    "linear": lambda torch, x, k: (torch.nn.Linear(3, 2), [x], 2),
    "to the third order": lambda torch, x, k: (torch.tanh, [x[0]], 3),
    "network": lambda torch, x, k: (network(torch), [x], 1),
    "network in evaluation": lambda torch, x, k: (network(torch).eval(), [x], 1),
    "shared parameter": lambda torch, x, k: (tied(torch), [x], 1),
    "nested": lambda torch, x, k: (model(torch), [{"x": x, "labels": k}, 2.0], 1),
    "recurrent": lambda torch, x, k: (torch.nn.LSTM(3, 2), [x[:, None]], 1),
    "embedding": lambda torch, x, k: (torch.nn.Embedding(5, 3), [k], 1),
    "labels": lambda torch, x, k: (torch.nn.functional.cross_entropy, [x, k], 2),
    "arrays": lambda torch, x, k: (torch.nn.functional.cross_entropy, [x.numpy()[::-1], k.numpy()], 1),
    "a vjp": lambda torch, x, k: (sine(torch), [x], 2),
    "right once": lambda torch, x, k: (sine(torch, once=True), [x], 1),
    "only float32": lambda torch, x, k: (sine(torch, only=torch.float32), [x], 1),
    "bfloat16": lambda torch, x, k: (torch.nn.Linear(3, 2).bfloat16(), [x.bfloat16()], 1),
    "parameters from outside": lambda torch, x, k: (outside(torch.nn.Linear(3, 2)), [x], 1),
    "identity": lambda torch, x, k: (lambda x: x, [x], 2),
    "sparse": lambda torch, x, k: (torch.nn.EmbeddingBag(5, 3, sparse=True), [k[None]], 1),
    "constant": lambda torch, x, k: (lambda x: torch.ones(3), [x], 1),
}
WRONG = {
    "a vjp": lambda torch, x, k: (sine(torch, 1.001), [x], 1, "^Sine.apply: the gradient of x0 is wrong: it is 1.001"),
    "in a module": lambda torch, x, k: (model(torch, 1.01), [{"x": x, "labels": k}, 2.0], 1,
                                        "^module Model: the gradient of layer1.weight is wrong: it is 1.01 times"),
    "of an input": lambda torch, x, k: (lambda p: p["x"] * p["x"].detach(), [{"x": x}], 1,
                                        r"gradient of p\['x'\] is wrong: it is half"),
    "detached": lambda torch, x, k: (torch.detach, [x], 1, "it is zero"),
    "only float32": lambda torch, x, k: (sine(torch, 1.01, torch.float32), [x], 1, r"it is 1.01|it is 1.00999"),
    "second order": lambda torch, x, k: (sine(torch, once=True), [x], 2, "derivative 2: .* is wrong: it is zero"),
}  # fmt: skip


def inputs(torch):
    """Return a batch and labels, and seed PyTorch, so that new parameters are the same in every run."""
    torch.manual_seed(1)
    return torch.randn(4, 3), torch.tensor([0, 2, 1, 2])


@pytest.mark.peers
@pytest.mark.parametrize("name", RIGHT)
def test_what_pytorch_differentiates_rightly_passes(name, torch):
    f, point, order = RIGHT[name](torch, *inputs(torch))
    check_torch(f, *point, order=order)


@pytest.mark.peers
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_vjp_of_pytorch_is_named(name, torch):
    f, point, order, words = WRONG[name](torch, *inputs(torch))
    with pytest.raises(GradientMismatch, match=words):
        check_torch(f, *point, order=order)


# --- The laws ---


def with_rules(torch, backward, forward=None, *, setup=None, **rules):
    """Return a function with rules of its own: by default a sine that saves x."""

    def save(ctx, x):
        ctx.save_for_backward(x)
        return x.sin()

    rules |= {"forward": forward or save, "backward": backward} | ({"setup_context": setup} if setup else {})
    methods = {name: staticmethod(rule) for name, rule in rules.items()}
    return type("Sine", (torch.autograd.Function,), methods).apply


def slope_of(ctx):
    return ctx.saved_tensors[0].cos()


def keeps_slope(ctx, x):
    ctx.slope = x.cos()
    return x.sin()


def scaled_in(torch, dtype, factor):
    return with_rules(torch, lambda ctx, g: g * slope_of(ctx) * (factor if g.dtype == dtype else 1))


def of_two(torch, backward):
    """Return the product and the sum of two inputs, without zeros in place of missing cotangents."""

    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        ctx.set_materialize_grads(False)
        return x * y, x + y

    return with_rules(torch, backward, forward)


def right_rule_of_two(ctx, g, h):
    x, y = ctx.saved_tensors
    return (0 if g is None else g * y) + (0 if h is None else h), (0 if g is None else g * x) + (0 if h is None else h)


def by_memory(torch, g):
    """Read a cotangent as if it were contiguous."""
    memory = g.detach().as_strided((g.untyped_storage().nbytes() // g.element_size(),), (1,), 0)
    return memory.repeat(g.numel())[: g.numel()].view(g.shape)


def stateful(torch):
    state = {}

    def forward(ctx, x):
        state["x"] = x.detach()
        return x.sin()

    return with_rules(torch, lambda ctx, g: g * state["x"].cos(), forward)


def with_transforms(torch, tangent=1.0, factor=1.0):
    def setup(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    return with_rules(
        torch, lambda ctx, g: g * slope_of(ctx), lambda x: x.sin(), setup=setup,
        jvp=lambda ctx, t: tangent * t * ctx.saved_tensors[0].cos(),
        vmap=lambda info, axes, x: (factor * x.sin(), axes[0]),
    )  # fmt: skip


# For each law, a function of (torch) that breaks this law only, with its number of inputs.
PLANTED = {
    "slope": (lambda torch: with_rules(torch, lambda ctx, g: 1.001 * g * slope_of(ctx)), 1),
    "linearity": (lambda torch: with_rules(
        torch, lambda ctx, g: (g + (abs(g) > 2) * (abs(g) < 50)) * slope_of(ctx)), 1),
    "no writes": (lambda torch: with_rules(torch, lambda ctx, g: ctx.slope.mul_(g), keeps_slope), 1),
    "unused results": (lambda torch: of_two(torch, lambda ctx, g, h: (
        (None, None) if g is None or h is None else right_rule_of_two(ctx, g, h))), 2),
    "layouts": (lambda torch: with_rules(torch, lambda ctx, g: by_memory(torch, g) * slope_of(ctx)), 1),
    "subsets of inputs": (lambda torch: of_two(torch, lambda ctx, g, h: (
        right_rule_of_two(ctx, g, h) if all(ctx.needs_input_grad) else right_rule_of_two(ctx, h, g))), 2),
    "later calls": (stateful, 1),
    "narrow dtypes": (lambda torch: scaled_in(torch, torch.bfloat16, 1.1), 1),
    "jvp equals vjp": (lambda torch: with_transforms(torch, tangent=0.99), 1),
    "batching": (lambda torch: with_transforms(torch, factor=0.99), 1),
}  # fmt: skip


@pytest.mark.peers
@pytest.mark.parametrize("law", PLANTED)
def test_each_law_finds_what_no_other_law_finds(law, torch):
    make, count = PLANTED[law]
    points = [torch.rand(3, 4, dtype=torch.float64) for _ in range(count)]
    with pytest.raises((LawBroken, GradientMismatch)) as caught:
        check_torch(make(torch), *points)
    assert caught.value.report.verdicts[0].law == law
    if law != "no writes":  # the other laws differentiate one graph several times
        assert check_torch(make(torch), *points, skip=[law]).status == "right"


@pytest.mark.peers
@pytest.mark.parametrize("part", ["input", "cotangent"])
def test_a_rule_that_ignores_the_offset_into_a_storage_is_wrong(part, torch):
    def at_start(x):
        return torch.as_strided(x, x.size(), x.stride(), 0)

    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return at_start(g) * x.cos() if part == "cotangent" else g * at_start(x).cos()

    with pytest.raises(LawBroken, match=f"sliced {part}s and contiguous ones"):
        check_torch(with_rules(torch, backward), torch.rand(3, 4, dtype=torch.float64))


@pytest.mark.peers
@pytest.mark.parametrize("factor", [1.0, 1.01])
def test_a_solver_is_checked_with_its_declared_accuracy(factor, torch):
    def forward(ctx, x):  # a sine with an error of at most 0.5e-6
        ctx.save_for_backward(x)
        return x.sin().round(decimals=6)

    solver = with_rules(torch, lambda ctx, g: factor * g * slope_of(ctx), forward)
    point = torch.rand(4, dtype=torch.float64)
    report = run_check(check_torch, solver, point, accuracy=1e-6, skip=["narrow dtypes", "layouts", "later calls"])
    assert report.status == ("right" if factor == 1 else "wrong"), report


def moved(x, axis, count):
    return x.expand(count, *x.shape) if axis is None else x.movedim(axis, 0)


def of_batches(torch, combine):
    """Return a product with a rule for batches: `combine` takes the batch size, the axes and both inputs."""

    def backward(ctx, g):
        x, y = ctx.saved_tensors
        return g * x.cos() * y, g * x.sin()

    return with_rules(
        torch, backward, lambda x, y: x.sin() * y,
        setup=lambda ctx, inputs, output: ctx.save_for_backward(*inputs),
        vmap=lambda info, axes, x, y: combine(info.batch_size, axes, x, y),
    )  # fmt: skip


def of_moved(n, axes, x, y):
    return moved(x, axes[0], n).sin() * moved(y, axes[1], n)


# Rules for batches, and whether each is right.
BATCHES = {
    "moved to the front": (lambda *call: (of_moved(*call), 0), True),
    "at the end": (lambda *call: (of_moved(*call).movedim(0, -1), -1), True),
    "summed": (lambda *call: (of_moved(*call).sum(0), None), False),
    "summed, of length 1": (lambda *call: (of_moved(*call).sum(0, keepdim=True), 0), False),
    "of axis 0 only": (lambda n, axes, x, y: (x.sin() * y, 0), False),
    "of the first axis only": (lambda n, axes, x, y: (x.sin() * y, axes[0]), False),
    "of equal axes only": (
        lambda n, axes, x, y: (x.sin() * y, axes[0]) if axes[0] == axes[1] else (of_moved(n, (0, 0), x, y), 0),
        False,
    ),
    "of inputs that are not shared": (
        lambda n, axes, x, y: (of_moved(n, axes, x, y) * (1.01 if None in axes else 1), 0),
        False,
    ),
    "with another axis of the result": (lambda *call: (of_moved(*call), -1), False),
}


@pytest.mark.peers
@pytest.mark.parametrize("name", BATCHES)
@pytest.mark.parametrize("shape", [(3,), (2, 3), (3, 3)])
def test_a_rule_for_batches_is_right_for_every_axis(name, shape, torch):
    rule, is_right = BATCHES[name]
    report = run_check(check_torch, of_batches(torch, rule), torch.rand(shape), torch.rand(shape))
    assert {v.law for v in report.verdicts if v.status == "wrong"} == (set() if is_right else {"batching"})
    assert all(v.status != "not checked" for v in report.verdicts if v.law == "batching")


@pytest.mark.peers
@pytest.mark.parametrize("fullgraph", [False, True])
def test_a_compiled_function_is_checked(fullgraph, torch):
    f = torch.compile(lambda x, y: (torch.tanh(x) * y).sum(), backend="eager", fullgraph=fullgraph)
    assert check_torch(f, torch.rand(3, 4), torch.rand(3, 4)).status == "right"
    wrong = torch.compile(lambda x: (x * x.detach()).sum(), backend="eager", fullgraph=fullgraph)
    assert run_check(check_torch, wrong, torch.rand(3)).status == "wrong"


@pytest.mark.peers
def test_a_rule_without_transforms_says_which_laws_cannot_be_checked(torch):
    report = check_torch(with_rules(torch, lambda ctx, g: g * slope_of(ctx)), torch.rand(3, 4))
    reasons = {verdict.law: verdict.reason for verdict in report.verdicts if verdict.status == "not checked"}
    assert "jvp" in reasons["jvp equals vjp"]
    assert "setup_context" in reasons["batching"]


@pytest.mark.peers
def test_a_backward_that_raises_breaks_a_law(torch):
    def backward(ctx, g):
        return (g.view(-1) * slope_of(ctx).reshape(-1)).view(3, 4)

    with pytest.raises(LawBroken, match=r"Sine.apply: the gradient cannot be computed for \w+ cotangents: Runtime"):
        check_torch(with_rules(torch, backward), torch.rand(3, 4))


@pytest.mark.peers
def test_writing_into_an_input_unnoticed_by_autograd(torch):
    def forward(ctx, x):
        x.mul_(2)
        ctx.save_for_backward(x)
        return x.sin()

    def marked(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)

    with pytest.raises(LawBroken, match=r"writes into its input x0 .* call ctx.mark_dirty"):
        check_torch(with_rules(torch, lambda ctx, g: 2 * g * slope_of(ctx), forward), torch.rand(3))
    check_torch(with_rules(torch, lambda ctx, g: 2 * g, marked), torch.rand(3))
    check_torch(torch.nn.ReLU(inplace=True), torch.randn(3))


@pytest.mark.peers
def test_complex_numbers_have_the_convention_of_pytorch(torch):
    z = torch.randn(4, dtype=torch.complex64)
    for f, inputs in ((torch.fft.rfft, [torch.randn(6)]), (torch.abs, [z]), (lambda z: z * z.conj() + 1j * z, [z])):
        check_torch(f, *inputs)

    def forward(ctx, z):
        ctx.save_for_backward(z)
        return z * z

    with pytest.raises(GradientMismatch, match="the gradient of x0 is wrong"):
        check_torch(with_rules(torch, lambda ctx, g: 2 * g * ctx.saved_tensors[0], forward), z)
    check_torch(with_rules(torch, lambda ctx, g: 2 * g * ctx.saved_tensors[0].conj(), forward), z, order=2)


@pytest.mark.peers
def test_a_module_is_left_as_it_was(torch):
    (x, _), net = inputs(torch), network(torch)
    memory = {name: (value, value.data_ptr(), value.clone()) for name, value in net.state_dict(keep_vars=True).items()}
    random = torch.random.get_rng_state()
    check_torch(net, x)
    failing = type("Failing", (torch.nn.Module,), {"forward": lambda self, x: 1 // 0})
    with pytest.raises(ZeroDivisionError):
        check_torch(torch.nn.Sequential(net, failing()), x)
    wrong = type("Wrong", (torch.nn.Module,), {"forward": lambda self, x: scaled_in(torch, torch.bfloat16, 1.2)(x)})
    with pytest.raises(LawBroken, match="wrong in bfloat16"):
        check_torch(torch.nn.Sequential(net, wrong()), x)
    for name, value in net.state_dict(keep_vars=True).items():
        same, address, before = memory[name]
        assert value is same
        assert value.data_ptr() == address
        assert value.dtype == before.dtype
        assert torch.equal(value, before)
    assert torch.equal(torch.random.get_rng_state(), random)
    assert net.training
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.peers
def test_what_cannot_be_checked_says_why(torch):
    x, labels = inputs(torch)
    with pytest.raises(VJPDefinitionError, match="there is no input to differentiate with respect to"):
        check_torch(lambda k: k, labels)
    with pytest.raises(DTypeError, match="must return a floating-point array"):
        check_torch(lambda x: x.sum().item(), x)
    with pytest.raises(DTypeError, match=r"check_module: expected a tinygrad_edu module, .* torch; use check_torch"):
        check_module(torch.nn.ReLU(), x)
