"""Write ``docs/differences.md``, the table of intended differences: ``python -m tools.differences_page``."""

from pathlib import Path

from tools.campaign.numbers.ledger import LEDGER, Entry

PAGE = Path(__file__).parent.parent / "docs" / "differences.md"
BEGIN = """# Where results differ from NumPy's and PyTorch's

Functions follow NumPy, and layers and gradients follow PyTorch. This table lists the exceptions. Each has a reason and
a test. `python -m tools.campaign numbers` compares random calls with both libraries, and reports every difference that
is not in this table. [How the engine works](engine.md#conventions-for-derivatives) lists the derivatives
at kinks, and [Coming from PyTorch](from_pytorch.md) lists names and defaults.

| function | when | here | there | reason | test |
|---|---|---|---|---|---|
"""


def row(entry: Entry) -> str:
    """Return the table row of an entry."""
    functions = ", ".join(f"`{name}`" for name in entry.functions) or "any"
    file, _, name = entry.test.partition("::")
    test = f"[{name}](../{file})"
    return f"| {functions} | {entry.when} | {entry.ours} | {entry.theirs} | {entry.reason} | {test} |"


def page() -> str:
    """Return the whole page."""
    return BEGIN + "\n".join(map(row, LEDGER)) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
