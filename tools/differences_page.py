"""Write ``docs/differences.md``, the list of intended differences: ``python -m tools.differences_page``."""

from pathlib import Path

from tools.campaign.numbers.ledger import LEDGER, Entry
from tools.site.reference import link

PAGE = Path(__file__).parent.parent / "docs" / "differences.md"
BEGIN = """# Differences from NumPy and PyTorch

Functions follow NumPy; layers and gradients follow PyTorch. This table lists the exceptions, each with a test. A row
for a function also applies to its layer. `python -m tools.campaign numbers` compares random calls with both libraries
and reports every unlisted difference. See also [derivatives at kinks](engine.md#conventions-for-derivatives) and
[Coming from PyTorch](from_pytorch.md).

| function | case | tinygrad_edu | NumPy or PyTorch | reason | test |
|---|---|---|---|---|---|
"""


def names(entry: Entry) -> list[str]:
    """Return the functions of an entry, without a layer if its function is listed."""
    functions = {_key(name) for name in entry.functions if not _is_layer(name)}
    return [name for name in entry.functions if not (_is_layer(name) and _key(name) in functions)]


def _is_layer(name: str) -> bool:
    return name.startswith("nn.") and name[3].isupper()


def _key(name: str) -> str:
    """Return the same string for a function and its layer, such as `max_pool1d` and `nn.MaxPool1D`."""
    return name.removeprefix("nn.").replace("_", "").lower().removesuffix("loss")


def row(entry: Entry) -> str:
    """Return the table row of an entry."""
    functions = ", ".join(map(link, names(entry))) or "any"
    file, _, name = entry.test.partition("::")
    test = f"[{name}](../{file})"
    return f"| {functions} | {entry.when} | {entry.ours} | {entry.theirs} | {entry.reason} | {test} |"


def page() -> str:
    """Return the page."""
    return BEGIN + "\n".join(map(row, LEDGER)) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
