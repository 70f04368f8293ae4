"""Declarations of `couples_samples`, the warning about a missing one, and the forward of a shard."""

import contextlib
import threading
import warnings

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.errors import WholeBatchWarning
from tinygrad_edu.nn.sample_independence import children_couple_samples, couples_samples, declaration, warn_undeclared
from tinygrad_edu.nn.sharding import WholeBatchNeeded, is_shared_with_shards, needs_whole_batch, shard_forward

X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


class Base(nn.Module):
    couples_samples = False

    def forward(self, x):
        return x


class Inherits(Base):
    pass


class OtherForward(Base):
    def forward(self, x):
        return x - x.mean(axis=0)


class OtherCall(Base):
    def __call__(self, x):
        return x - x.mean(axis=0)


class DeclaresAgain(OtherForward):
    couples_samples = False


class DeclaresWithoutForward(OtherForward):
    couples_samples = True


class Mixin:
    def forward(self, x):
        return x - x.mean(axis=0)


class Mixed(Mixin, Base):
    pass


class MixedIn(Base, Mixin):
    pass


class Undeclared(nn.Module):
    def forward(self, x):
        return x


class Coupled(nn.Module):
    couples_samples = True

    def forward(self, x):
        return x - x.mean(axis=0)


class BySetting(nn.Module):
    def __init__(self, answer):
        self.answer = answer

    @property
    def couples_samples(self):
        return self.answer

    def forward(self, x):
        return x


class ByProperty(BySetting):
    def forward(self, x):
        return x - x.mean(axis=0)


class InInit(nn.Module):
    def __init__(self, answer=False):
        self.couples_samples = answer

    def forward(self, x):
        return x


class AfterInit(InInit):
    def __init__(self):
        super().__init__()

    def forward(self, x):
        return x - x.mean(axis=0)


class InOwnInit(AfterInit):
    def __init__(self):
        super().__init__()
        self.couples_samples = False


class InMethod(InInit):
    def declare(self):
        self.couples_samples = False


class OverMethod(InMethod):
    def forward(self, x):
        return x - x.mean(axis=0)


class Whole(nn.Module):
    """A module that contains others, and declares False for all."""

    couples_samples = False

    def __init__(self, *parts):
        self.parts = list(parts)

    def forward(self, x):
        for part in self.parts:
            x = part(x)
        return x


class Parts(Whole):
    couples_samples = children_couple_samples


class PartsAndMore(Parts):
    def forward(self, x):
        return super().forward(x) - x.mean(axis=0)


class Skips(nn.Sequential):
    def forward(self, x):
        return x - x.mean(axis=0)


def run_hooks(module, kind="register_forward_hook"):
    getattr(module, kind)(lambda *called: None)
    return module


def unhooked(module):
    module.register_forward_hook(lambda *called: None).remove()
    return module


def patched(module):
    module.forward = lambda x: x - x.mean(axis=0)
    return module


def declared(module, answer=False):
    module.couples_samples = answer
    return module


DECLARED = {
    "its class": (Base, False),
    "a subclass that keeps the forward": (Inherits, False),
    "a subclass with another forward": (OtherForward, None),
    "a subclass with another call": (OtherCall, None),
    "which declares again": (DeclaresAgain, False),
    "True is inherited": (DeclaresWithoutForward, True),
    "a mixin with another forward in front": (Mixed, None),
    "a mixin behind, which super() may call": (MixedIn, None),
    "nothing": (Undeclared, None),
    "couples": (Coupled, True),
    "a property: False": (lambda: BySetting(False), False),
    "a property: True": (lambda: BySetting(True), True),
    "a property: None": (lambda: BySetting(None), None),
    "an inherited property: False": (lambda: ByProperty(False), None),
    "an inherited property: True": (lambda: ByProperty(True), True),
    "__init__": (InInit, False),
    "__init__: True": (lambda: InInit(True), True),
    "__init__ of a base with another forward": (AfterInit, None),
    "its own __init__": (InOwnInit, False),
    "a method": (lambda: (lambda part: part.declare() or part)(InMethod(None)), False),
    "a method of a base with another forward": (lambda: (lambda part: part.declare() or part)(OverMethod(None)), None),
    "an object from outside": (lambda: declared(Undeclared()), False),
    "an object from outside, whose class has another forward": (lambda: declared(OtherForward()), False),
    "an object from outside: True": (lambda: declared(Base(), True), True),
    "an object from outside: None": (lambda: declared(Base(), None), None),
    "a hook": (lambda: run_hooks(Base()), None),
    "a hook before": (lambda: run_hooks(Base(), "register_forward_pre_hook"), None),
    "a hook that was removed": (lambda: unhooked(Base()), False),
    "a hook, and True": (lambda: run_hooks(Coupled()), True),
    "a patched forward": (lambda: patched(Base()), None),
    "a patched forward that is declared": (lambda: declared(patched(Base())), False),
    "Sequential": (lambda: nn.Sequential(nn.Tanh(), Base()), False),
    "Sequential with a function": (lambda: nn.Sequential(nn.Tanh(), lambda x: x), None),
    "Sequential of nothing": (nn.Sequential, False),
    "a subclass of Sequential with another forward": (lambda: Skips(nn.Tanh()), None),
    "as its parts": (lambda: Parts(Base(), nn.Sequential(Base())), False),
    "as its parts, one undeclared": (lambda: Parts(Base(), Undeclared()), None),
    "as its parts, with another forward": (lambda: PartsAndMore(Base()), None),
    "as its parts, which couple, with another forward": (lambda: PartsAndMore(Coupled()), True),
}  # fmt: skip
MODELS = {
    "an undeclared part in False": (lambda: Whole(Undeclared(), lambda x: x), False),
    "an undeclared part in Sequential": (lambda: nn.Sequential(Undeclared()), None),
    "one that couples in False": (lambda: Whole(nn.Sequential(Coupled())), True),
    "one that couples in False in False": (lambda: Whole(Whole(Coupled())), True),
    "one that couples after an undeclared one": (lambda: nn.Sequential(Undeclared(), Coupled()), True),
    "a hook anywhere": (lambda: Whole(nn.Sequential(run_hooks(nn.Tanh()))), None),
    "a hook, and one that couples": (lambda: Whole(run_hooks(nn.Tanh()), Coupled()), True),
    "a patched forward anywhere": (lambda: Whole(nn.Sequential(patched(nn.Tanh()))), None),
    "batch normalization in training": (lambda: nn.Sequential(nn.BatchNorm1D(3)), True),
    "batch normalization in evaluation": (lambda: nn.Sequential(nn.BatchNorm1D(3)).eval(), False),
    "a recurrent layer in False": (lambda: Whole(nn.GRU(3, 3)), False),
    "a recurrent layer": (lambda: nn.Sequential(nn.GRU(3, 3)), None),
    "modules in a list": (lambda: nn.Sequential(Whole(nn.ModuleList([nn.Tanh(), Coupled()]))), True),
    "a deep nest": (lambda: nested(12), False),
}  # fmt: skip


def nested(depth):
    return nn.Sequential(nested(depth - 1), nn.Tanh()) if depth else nn.Tanh()


@pytest.mark.parametrize(("make", "answer"), DECLARED.values(), ids=DECLARED)
def test_a_module_declares(make, answer):
    assert declaration(make()) is answer


@pytest.mark.parametrize(("make", "answer"), [*MODELS.values(), *DECLARED.values()], ids=[*MODELS, *DECLARED])
def test_a_model_couples_samples(make, answer):
    assert couples_samples(make()) is answer


def test_a_class_may_change_its_mind():
    part = Undeclared()
    assert declaration(part) is None
    Undeclared.couples_samples = False
    try:
        assert declaration(part) is False
    finally:
        del Undeclared.couples_samples
    assert declaration(part) is None


def test_a_forward_that_is_replaced_in_a_subclass_later():
    class Late(Base):
        pass

    part = Late()
    assert declaration(part) is False
    Late.forward = lambda self, x: x - x.mean(axis=0)
    assert declaration(part) is None


# --- The warning about a missing declaration ---


def warned(model):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_undeclared(model)
    assert all(issubclass(each.category, WholeBatchWarning) for each in caught)
    return [str(each.message) for each in caught]


def fresh(name, base=nn.Module, **members):
    """Return a new class of modules, without a warning so far."""
    return type(name, (base,), {"forward": lambda self, x: x, **members})


def test_it_warns_once_for_each_class():
    one, other = fresh("One"), fresh("Other")
    messages = warned(nn.Sequential(one(), one(), nn.Residual(other())))
    assert [message.split()[0] for message in messages] == ["One", "Other"]
    assert "set couples_samples = False in the class" in messages[0]
    assert "set couples_samples = True" in messages[0]
    assert warned(nn.Sequential(one(), other())) == []


ASKED = {
    "the model, for its undeclared parts": (lambda: fresh("Model")(), "Model does not declare"),
    "a part in containers": (lambda: nn.Sequential(nn.Residual(fresh("Part")())), "Part does not declare"),
    "a subclass with another forward": (
        lambda: fresh("Sub", nn.Linear)(3, 3),
        "Sub does not declare whether it couples the samples",
    ),
    "a container with another forward": (lambda: fresh("Chain", nn.Sequential)(nn.Tanh()), "Chain does not declare"),
    "hooks": (lambda: Whole(run_hooks(fresh("Hooked", nn.Tanh)())), "Hooked has forward hooks or an instance"),
    "a setting": (
        lambda: type("Set", (BySetting,), {"forward": lambda self, x: x, "couples_samples": REASON})(None),
        "Set has couples_samples = None with these options: .* The option answer is None. Call it in a Module whose",
    ),
}  # fmt: skip
REASON = property(lambda self: None, doc="The option answer is None.")


@pytest.mark.parametrize(("make", "said"), ASKED.values(), ids=ASKED)
def test_the_class_that_has_to_declare_is_named(make, said):
    with pytest.warns(WholeBatchWarning, match=said):
        warn_undeclared(make())


def test_a_plain_function_cannot_declare():
    model = nn.Sequential(type("Lambda", (nn.Lambda,), {})(np.tanh))
    with pytest.warns(WholeBatchWarning, match=r"Lambda\(tanh\), a function, cannot declare"):
        warn_undeclared(model)


@pytest.mark.parametrize("model", [Base(), Whole(Undeclared()), nn.Sequential(nn.Tanh())])
def test_who_declares_is_not_asked(model):
    assert warned(model) == []


# --- The forward of a shard ---


def in_shard():
    return is_shared_with_shards("an object made outside")


def test_only_in_a_shard_it_needs_the_whole_batch():
    needs_whole_batch("outside")
    assert not in_shard()
    with shard_forward():
        assert in_shard()
    with pytest.raises(WholeBatchNeeded, match="inside"), shard_forward():
        needs_whole_batch("inside")
    assert not in_shard()


def test_code_that_catches_everything_does_not_hide_it():
    with pytest.raises(WholeBatchNeeded, match="caught"), shard_forward(), contextlib.suppress(BaseException):
        needs_whole_batch("caught")


def test_other_threads_are_in_no_shard():
    found = []
    with shard_forward():
        thread = threading.Thread(target=lambda: found.append(in_shard()))
        thread.start()
        thread.join()
    assert found == [False]


def test_a_forward_that_sets_an_attribute_needs_the_whole_batch():
    def forward(self, x):
        self.last = x
        return x

    part = fresh("Keeps", forward=forward)()
    part(X)
    with pytest.raises(WholeBatchNeeded, match="Keeps: its forward sets the attribute last"), shard_forward():
        part(2 * X)
    assert part.last is X


def test_a_forward_that_deletes_an_attribute_needs_the_whole_batch():
    def forward(self, x):
        del self.last
        return x

    part = fresh("Drops", forward=forward)()
    part.last = X
    with pytest.raises(WholeBatchNeeded, match="Drops: its forward deletes the attribute last"), shard_forward():
        part(X)
    assert part.last is X


def test_a_forward_may_make_modules():
    def forward(self, x):
        return nn.Dropout(0.5, rng=np.random.default_rng(0))(nn.Linear(3, 2)(x))

    with shard_forward():
        assert fresh("Makes", forward=forward)()(X).shape == (4, 2)
    lstm = nn.LSTM(3, 2, num_layers=2, dropout=0.5, batch_first=True)
    with shard_forward():
        lstm(X[None])


def test_a_forward_that_exchanges_parameters_needs_the_whole_batch():
    line = nn.Linear(3, 2)
    with pytest.raises(WholeBatchNeeded, match="functional_call: it changes the parameters of Linear"), shard_forward():
        nn.functional_call(line, {"bias": np.zeros(2, np.float32)}, X)
    assert tg.nn.functional_call(line, {"bias": np.zeros(2, np.float32)}, X).shape == (4, 2)


@pytest.mark.parametrize("answer", [True, False, None])
def test_one_module_of_a_class_that_declares_by_its_settings_can_be_declared_from_outside(answer):
    model = nn.Sequential(nn.BatchNorm1D(3).eval(), lambda x: x)
    assert couples_samples(model) is None
    model.couples_samples = answer
    assert model.couples_samples is answer
    assert couples_samples(model) is answer
    assert couples_samples(nn.Sequential(lambda x: x)) is None
