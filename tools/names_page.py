"""Write the tables in ``docs/from_pytorch.md`` from `errors.hints.tables`: ``python -m tools.names_page``."""

from pathlib import Path

from tinygrad_edu.errors.hints.tables import KEYWORDS, NAMES, UNSUPPORTED

PAGE = Path(__file__).parent.parent / "docs" / "from_pytorch.md"
BEGIN, END = "<!-- begin: python -m tools.names_page -->\n", "<!-- end -->\n"
HEADINGS = {
    "Tensor": "### Attributes and methods of a Tensor",
    "tg": "### Functions: `tg` is `import tinygrad_edu as tg`",
    "Module": "### Attributes and methods of a Module",
    "tg.nn": "### Layers and losses: `tg.nn` for `torch.nn`, `torch.nn.utils`",
    "tg.nn.init": "### `tg.nn.init` for `torch.nn.init`",
    "tg.optim": "### `tg.optim` for `torch.optim`",
    "tg.optim.schedules": "### `tg.optim.schedules` for `torch.optim.lr_scheduler`",
    "tg.data": "### `tg.data` for `torch.utils.data`",
    "tg.distributions": "### `tg.distributions` for `torch.distributions`",
    "Distribution": "### Methods of a distribution",
}

# The most common lines that differ: PyTorch's, and ours.
LINES = {
    "torch.manual_seed(0); nn.Linear(3, 2)": "nn.Linear(3, 2, rng=rng)",
    "nn.Linear(3, 2, device=device)": "nn.Linear(3, 2)",
    "nn.Linear(3, 2, dtype=torch.float64)": "nn.Linear(3, 2, dtype=np.float64)",
    "nn.Conv2d(1, 8, 3)": "nn.Conv2D(1, 8, 3)",
    "nn.ReLU(inplace=True)": "nn.ReLU()",
    "nn.Softmax(dim=1)": "nn.Softmax(axis=1)",
    "nn.Flatten(start_dim=0, end_dim=1)": "nn.Flatten(start_axis=0, end_axis=1)",
    "nn.MSELoss(size_average=False)": 'nn.MSELoss(reduction="sum")',
    "nn.Parameter(torch.zeros(3))": "tg.zeros(3, requires_grad=True)",
    "nn.init.kaiming_normal_(model.weight)": "model.weight = nn.init.kaiming_normal((2, 3), rng)",
    "F.relu(x)": "tg.relu(x)",
    "F.cross_entropy(model(images), labels)": "nn.cross_entropy(model(images), labels)",
    "F.dropout(x, 0.5, training=model.training)": "tg.dropout(x, 0.5, training=model.training, rng=rng)",
    "F.gumbel_softmax(logits, dim=1)": "tg.gumbel_softmax(logits, axis=1, rng=rng)",
    "torch.multinomial(weights, 2, generator=generator)": "tg.multinomial(weights, 2, rng=rng)",
    "torch.distributions.Normal(0.0, 1.0).sample((5,))": "tg.distributions.Normal(0.0, 1.0).sample((5,), rng=rng)",
    "model.to(device)": "model",
    "model.double()": "model.astype(np.float64)",
    "torch.optim.SGD(model.parameters(), lr=0.1, fused=True)": "optim.SGD(model.parameters(), lr=0.1)",
    "optimizer.zero_grad(set_to_none=True)": "optimizer.zero_grad()",
    "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)": "optim.clip_grad_norm(model.parameters(), 1.0)",
    "nn.utils.rnn.pack_padded_sequence(torch.zeros(3, 2, 4), [3, 1])": (
        "nn.pack_padded_sequence(tg.zeros((3, 2, 4)), [3, 1])"
    ),
    "torch.optim.lr_scheduler.StepLR(optimizer, 30)": "schedule = optim.schedules.step(0.1, 30)",
    "scheduler.step()": "optimizer.apply_schedule(schedule, step)",
    "DataLoader(TensorDataset(x, y), 32, shuffle=True)": "tg.data.DataLoader(x, y, batch_size=32, rng=rng)",
    "torch.save(model.state_dict(), path)": "model.save(path)",
    "model.load_state_dict(torch.load(path))": "model.load(path)",
    'torch.onnx.export(model, (x,), "model.onnx")': (
        'from tinygrad_edu.interop.onnx import export; export(model, x, "model.onnx")'
    ),
    "torch.load(path)": "nn.load_weights(path)",
    "with torch.autograd.detect_anomaly(): ...": "with tg.detect_anomaly(): ...",
    "torch.func.functional_call(model, parameters, (x,))": "nn.functional_call(model, {}, x)",
}


def lines() -> str:
    """Return `LINES` as a table."""
    rows = [f"| `{there}` | `{here}` |" for there, here in LINES.items()]
    return "\n".join(["### Lines", "", "| there | here |", "|---|---|", *rows, ""])


def table(place: str) -> str:
    """Return the table of a namespace: PyTorch's names and ours. Names with equal entries share a row."""
    rows: dict[str, list[str]] = {}
    for name, here in NAMES[place].items():
        capital = here == f"`nn.{name[:-1]}D`"
        rows.setdefault("the same with a capital D: `nn.Conv2D`" if capital else here, []).append(f"`{name}`")
    lines = [f"| {', '.join(names)} | {here} |" for here, names in rows.items()]
    return "\n".join([HEADINGS[place], "", "| there | here |", "|---|---|", *lines, ""])


def tables() -> str:
    """Return all tables, including the keywords."""
    words = ["### Keywords", "", "| there | here |", "|---|---|"]
    words += [f"| `{there}=` | `{here.replace(' ', '=` or `')}=` |" for there, here in KEYWORDS.items()]
    words += [f"| `{there}=` | {here} |" for there, here in UNSUPPORTED.items()]
    return "\n".join([lines(), *map(table, NAMES), *words, ""])


def side(sign: str, diff: str) -> str:
    """Return one side of a diff: the common lines and the lines with this sign. Other lines are empty."""
    return "\n".join(line[1:] if line[:1] in (" ", sign) else "" for line in diff.splitlines())


def filled(page: str) -> str:
    """Return the page with the current tables."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + "\n" + tables() + "\n" + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
