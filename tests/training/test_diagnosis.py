"""The diagnosis names the fault of a broken program first, and finds none in its right twin."""

import importlib
import random
from copy import deepcopy
from itertools import islice

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.training.broken_programs import PROGRAMS, batched, points, sgd
from tinygrad_edu import data, nn, optim
from tinygrad_edu.training import diagnose
from tinygrad_edu.training.diagnosis.checks import FAULTS


def diagnosed(name, is_broken, seed=0):
    rng = np.random.default_rng(seed)
    model, loss, batches, optimizer, settings = PROGRAMS[name][1](rng, is_broken)
    return diagnose(model, loss, batches, optimizer, rng=rng, **settings)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_fault_is_named_first_and_the_twin_has_none(name):
    assert [each.name for each in diagnosed(name, True).findings][:1] == [PROGRAMS[name][0]]
    assert [str(each) for each in diagnosed(name, False).findings] == []


def test_every_check_has_a_program_and_a_place_in_the_report():
    assert {fault for fault, _ in PROGRAMS.values()} == set(FAULTS)
    for name in PROGRAMS:
        report = diagnosed(name, True)
        found = [each.name for each in report.findings]
        assert sorted(found + report.in_order + [*report.not_checked]) == sorted(FAULTS)


# --- The models of models/ ---


def captured(monkeypatch, name, module, options):
    """Return the arguments of the call of `fit` in a program, with small batches and the first rate of its schedule."""
    program, calls = importlib.import_module(f"models.{name}"), []
    target = importlib.import_module(f"models.{module or name}")
    monkeypatch.setattr(target, "fit", lambda *args, **settings: calls.append((args, settings)) or iter(()))

    class NoCheckpoints:
        def with_parts(self, **parts):
            return self

    program.prepare(program.parse(options)).start(checkpoints=NoCheckpoints())
    ((model, optimizer, loss, batches, *_), settings) = calls[0]
    if "schedule" in settings:
        optimizer.apply_schedule(settings["schedule"], 0)
    return model, loss, [tuple(part[:16] for part in batch) for batch in islice(batches, 3)], optimizer


@pytest.mark.parametrize(
    ("name", "module", "options"),
    [
        ("mnist_conv", None, []), ("mnist_conv", None, ["--recipe", "tuned"]),
        ("mnist_conv", None, ["--recipe", "original"]), ("mnist_lenet", None, []),
        ("resnet_digits", "mnist_lenet", []), ("vit", None, []), ("char_gpt", None, []), ("char_lstm", None, []),
        ("spirals", None, []), ("siamese", None, []), ("mnist_vae", None, []), ("pinn", None, []),
    ],
)  # fmt: skip
def test_the_models_have_no_finding(monkeypatch, name, module, options):
    model, loss, batches, optimizer = captured(monkeypatch, name, module, options)
    report = diagnose(model, loss, batches, optimizer, rng=np.random.default_rng(0), steps=3)
    assert [str(each) for each in report.findings] == []


# --- Nothing changes ---


def noisy(rng):
    """Return a program with a buffer, an optimizer with state, and generators in the model, the loss and the loader."""
    model = nn.Sequential(nn.Linear(4, 16, rng=rng), nn.BatchNorm1D(16), nn.Dropout(0.5), nn.Linear(16, 3, rng=rng))
    loss_rng, (x, y) = np.random.default_rng(8), points(rng)

    def loss(out, target):
        return nn.cross_entropy(out + 0.01 * loss_rng.normal(size=out.shape).astype(np.float32), target)

    loader = data.DataLoader(x, y, batch_size=32, rng=np.random.default_rng(7))
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    loss(model(x), y).backward()
    optimizer.step()
    model[2].eval()
    return model, loss, loader, optimizer, loss_rng


def state_of(model, loader, optimizer, *generators):
    states = [rng.bit_generator.state for rng in (loader.rng, model[2].rng, *generators)]
    grads = [parameter.grad for parameter in model.parameters()]
    modes = [part.training for part in model.modules()]
    hidden = [np.random.get_state()[1], random.getstate()]  # noqa: NPY002
    return deepcopy([model.state_dict(), optimizer.state_dict(), grads, modes, states, hidden, model.has_hooks])


@pytest.mark.parametrize("is_broken", [False, True])
def test_weights_state_generators_and_modes_keep_their_bits(is_broken):
    rng = np.random.default_rng(0)
    model, loss, loader, optimizer, loss_rng = noisy(rng)

    def broken(out, target):
        loss(out, target).backward()
        np.random.normal()  # noqa: NPY002
        raise KeyError("a mistake in the loss")

    before = state_of(model, loader, optimizer, loss_rng, rng)
    if is_broken:
        with pytest.raises(KeyError, match="a mistake"):
            diagnose(model, broken, loader, optimizer, rng=rng)
    else:
        diagnose(model, loss, loader, optimizer, rng=rng, overfit_steps=2)
    np.testing.assert_equal(state_of(model, loader, optimizer, loss_rng, rng), before)


def test_the_report_is_the_same_each_time():
    rng = np.random.default_rng(0)
    model, loss, loader, optimizer, _ = noisy(rng)
    first, second = (diagnose(model, loss, loader, optimizer, rng=rng) for _ in range(2))
    assert first == second


# --- Checks that are not possible ---


def test_reasons_for_what_is_not_checked():
    rng = np.random.default_rng(0)
    model = nn.Linear(4, 1, rng=rng)
    x = rng.normal(size=(160, 4)).astype(np.float32)
    report = diagnose(model, nn.mse_loss, batched(x, x[:, :1]), rng=rng)
    without = {name for name, reason in report.not_checked.items() if reason == "no optimizer was given"}
    assert without == {"not_optimized", "rate_too_high", "rate_too_low", "cannot_overfit"}
    assert {"bad_labels", "one_class", "sorted_labels", "initial_loss", "dead_units"} <= report.not_checked.keys()
    assert report.in_order == ["unscaled_inputs", "no_gradient", "evaluation_mode"]


def test_a_function_that_uses_the_parameters_of_the_caller():
    rng = np.random.default_rng(0)
    model = nn.Linear(4, 3, rng=rng)

    def loss(out, target):
        return nn.cross_entropy(out, target) + 1e-3 * (model.weight * model.weight).sum()

    report = diagnose(model, loss, batched(*points(rng)), sgd(model), rng=rng)
    assert report.findings == []
    assert "parameters of the caller" in report.not_checked["rate_too_high"]
    assert model.weight.grad is None


def test_a_slow_fit_is_not_a_finding():
    rng = np.random.default_rng(0)
    model = nn.Linear(4, 3, rng=rng)
    report = diagnose(model, nn.cross_entropy, batched(*points(rng)), sgd(model, 0.02), rng=rng, overfit_steps=20)
    assert report.not_checked["cannot_overfit"].startswith("the loss still falls after 20 steps")


def test_parts_that_are_frozen_on_purpose():
    rng = np.random.default_rng(0)
    body = nn.Sequential(nn.Linear(4, 16, rng=rng), nn.BatchNorm1D(16), nn.ReLU(), nn.Dropout(0.2))
    model = nn.Sequential(body.requires_grad_(False).eval(), nn.Linear(16, 3, rng=rng))
    report = diagnose(model, nn.cross_entropy, batched(*points(rng)), sgd(model[1]), rng=rng)
    assert report.findings == []


def test_two_heads_after_a_layer_as_wide_as_the_batch():
    class Net(nn.Module):
        def __init__(self, rng):
            self.body, self.kind, self.size = (nn.Linear(n, m, rng=rng) for n, m in [(4, 32), (32, 3), (32, 1)])

        def forward(self, x):
            h = tg.tanh(self.body(x))
            return {"kind": self.kind(h), "size": tg.sigmoid(self.size(h))}

    def loss(out, target):
        return nn.cross_entropy(out["kind"], target["kind"]) + nn.mse_loss(out["size"], target["size"])

    rng = np.random.default_rng(0)
    x, y = points(rng)
    batches = [(a, {"kind": b, "size": np.float32(b[:, None]) / 3}) for a, b in batched(x, y)]
    report = diagnose(net := Net(rng), loss, batches, sgd(net), rng=rng)
    assert report.findings == []
    assert "saturated_units" in report.in_order


def test_gates_of_cells_and_passes_inside_the_model():
    class Net(nn.Module):
        def __init__(self, rng):
            self.cell, self.head = nn.LSTMCell(4, 16, rng=rng), nn.Linear(16, 3, rng=rng)

        def forward(self, x):
            slope = tg.grad(lambda z: (z**3).sum())(x)
            return self.head(self.cell(slope, self.cell(x))[0])

    rng = np.random.default_rng(0)
    report = diagnose(net := Net(rng), nn.cross_entropy, batched(*points(rng)), sgd(net), rng=rng)
    assert report.findings == []
    assert "between layers" in report.not_checked["saturated_units"]
    assert [*report.gradients] == ["cell: LSTMCell", "head: Linear"]


def test_tokens_of_bytes_are_not_pixels():
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Embedding(256, 8, rng=rng), nn.Flatten(), nn.Linear(80, 3, rng=rng))
    batches = batched(rng.integers(0, 256, (160, 10)).astype(np.uint8), rng.integers(0, 3, 160))
    assert diagnose(model, nn.cross_entropy, batches, sgd(model), rng=rng).findings == []


def test_bad_arguments():
    rng = np.random.default_rng(0)
    model, batches = nn.Linear(4, 3, rng=rng), batched(*points(rng))
    for arguments, match in [
        ({"batches": []}, "at least 1 batch"), ({"batches": iter(batches)}, "only once"), ({"steps": 0}, "steps"),
        ({"optimizer": "SGD"}, "optimizer"), ({"overfit_steps": -1}, "overfit_steps"), ({"rng": 0}, "Generator"),
    ]:  # fmt: skip
        given = {"batches": batches, "rng": rng} | arguments
        with pytest.raises((tg.errors.DTypeError, ValueError), match=match):
            diagnose(model, nn.cross_entropy, **given)


# --- The report ---


def test_the_page_has_the_findings_and_a_bar_for_each_layer(tmp_path):
    report = diagnosed("ten_layers_of_sigmoids", True)
    report.page(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert page.count("<meter") == len(report.gradients) + len(report.updates) + len(report.losses)
    assert len(report.gradients) == 11
    for finding in report.findings:
        assert finding.source in page
        assert str(finding) in repr(report)
