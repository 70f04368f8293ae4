"""Compute the expected results of containers and saved models with PyTorch.

``python -m tools.torch_modules`` runs the installed PyTorch, and writes to ``tests/nn/torch``, so that the tests need
no PyTorch: ``containers.json``, with the effect of each line of ``containers.txt``; the state dict of each of the
`MODELS` as a safetensors file, in float32 and in bfloat16; and ``models.json``, with an input, the result and the
gradients of each model in float64, and its result in evaluation mode afterwards.
"""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from tools.torch_table import write_rows

FOLDER = Path(__file__).parents[1] / "tests" / "nn" / "torch"

# Expressions of models, and the shapes of their inputs. The names are ours: PyTorch's, with D instead of d.
MODELS = {
    "images": (
        "Sequential(OrderedDict(conv=Conv2D(2, 4, (2, 3), padding=1, groups=2), body=Sequential(Tanh(), MaxPool2D(2)),"
        " flat=Flatten(), head=Sequential(Linear(24, 5), Sigmoid(), Linear(5, 3, bias=False))))",
        (3, 2, 5, 4),
    ),
    "normalized": (
        "Sequential(Conv2D(2, 3, 3, bias=False), BatchNorm2D(3), PReLU(3), Conv2D(3, 4, 3, bias=False), BatchNorm2D(4),"
        " ELU(0.5), Flatten(), Linear(16, 6), LayerNorm(6), Tanh(), Linear(6, 3))",
        (6, 2, 6, 6),
    ),
    "axes": ("Sequential(Unflatten(1, (2, 3)), Linear(3, 2), Flatten(0, 1), Identity(7), Softmax(1))", (4, 6)),
    "blocks": (
        "Sequential(Conv2D(3, 4, 3, padding=1, bias=False), BatchNorm2D(4), ReLU(), Residual(Conv2D(4, 4, 3, padding=1,"
        " bias=False), BatchNorm2D(4), ReLU(), Conv2D(4, 4, 3, padding=1, bias=False), BatchNorm2D(4)), ReLU(),"
        " AvgPool2D((5, 6)), Flatten(), Linear(4, 3))",
        (4, 3, 5, 6),
    ),
    "sequences": (
        "Sequential(LSTM(3, 4, 2, bidirectional=True), Lambda(lambda found: found[0][-1]), Linear(8, 3))",
        (5, 2, 3),
    ),
    "attention": (
        "Sequential(Linear(3, 4), TransformerEncoder(TransformerEncoderLayer(4, 2, 6, 0.0, 'gelu', batch_first=True,"
        " norm_first=True), 2, LayerNorm(4), False), Lambda(lambda x: x[:, 0]), Linear(4, 3))",
        (2, 5, 3),
    ),
}


def lines() -> list[str]:
    """Return the lines of ``containers.txt`` without comments."""
    return [line for line in (FOLDER / "containers.txt").read_text().splitlines() if not line.startswith("#")]


def left_by(line: str, space: dict[str, Any]) -> Any:
    """Run a line, and return ``names``, or the length of each parameter of m by name, or "raises" for an error."""
    space = {"L": lambda k: space["Linear"](1, k, bias=False), "OrderedDict": OrderedDict, **space}
    try:
        exec(line, space)
    except Exception:
        return "raises"
    return space.get("names", {name: len(parameter) for name, parameter in space["m"].named_parameters()})


def vocabulary() -> dict[str, Any]:
    """Return PyTorch's layers by our names, and replacements for layers that PyTorch does not have."""
    from torch import nn, tensor

    def applied(function: Any) -> Any:
        module = nn.Identity()
        module.forward = function
        return module

    def residual(*layers: Any) -> Any:
        module = nn.Sequential(*layers)
        within = module.forward
        module.forward = lambda x: x + within(x)
        return module

    ours = {f"{name[:-1]}D": layer for name, layer in vars(nn).items() if name.endswith(("1d", "2d"))}
    return {**vars(nn), **ours, "array": tensor, "Lambda": applied, "Residual": residual}


def _write_model(name: str, text: str, shape: tuple[int, ...]) -> dict[str, Any]:
    """Save a model, and return an input, its result and its gradients."""
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = eval(text, {"OrderedDict": OrderedDict, **vocabulary()})
    model(torch.randn(shape))  # so that running statistics differ from their initial values
    save_file(model.state_dict(), FOLDER / f"{name}.safetensors")
    save_file(model.bfloat16().state_dict(), FOLDER / f"{name}.bf16.safetensors")
    model.float().double().load_state_dict(_loaded(name))
    x: Any = torch.tensor(np.random.RandomState(0).standard_normal(shape), requires_grad=True)
    out = model(x)
    (out * torch.arange(out.numel()).reshape(out.shape)).sum().backward()
    gradients = {name: parameter.grad.tolist() for name, parameter in model.named_parameters()}
    evaluated = model.eval()(x).tolist()
    return {
        "x": x.tolist(), "out": out.tolist(), "gradients": gradients, "x.grad": x.grad.tolist(), "evaluated": evaluated
    }  # fmt: skip


def _loaded(name: str) -> Any:
    from safetensors.torch import load_file

    return load_file(FOLDER / f"{name}.safetensors")


def main() -> None:
    """Write all files."""
    write_rows(FOLDER / "containers.json", {line: left_by(line, vocabulary()) for line in lines()})
    write_rows(FOLDER / "models.json", {name: _write_model(name, *model) for name, model in MODELS.items()})


if __name__ == "__main__":
    main()
