"""Write the tables of ``docs/from_pytorch.md`` anew from `tinygrad_edu.names`: ``python -m tools.names_page``."""

from pathlib import Path

from tinygrad_edu.names import KEYWORDS, NAMES, NEEDLESS

PAGE = Path(__file__).parent.parent / "docs" / "from_pytorch.md"
BEGIN, END = "<!-- begin: python -m tools.names_page -->\n", "<!-- end -->\n"
HEADINGS = {
    "Tensor": "### Attributes and methods of a Tensor",
    "tg": "### Functions: `tg` is `import tinygrad_edu as tg`",
    "tg.nn": "### In `tg.nn`",
    "tg.nn.init": "### In `tg.nn.init`",
    "tg.optim": "### In `tg.optim`",
}


def table(place: str) -> str:
    """Return what is written at a place, and what here; names with one answer share a line."""
    rows: dict[str, list[str]] = {}
    for name, here in NAMES[place].items():
        rows.setdefault(here, []).append(f"`{name}`")
    lines = [f"| {', '.join(names)} | {here} |" for here, names in rows.items()]
    return "\n".join([HEADINGS[place], "", "| there | here |", "|---|---|", *lines, ""])


def tables() -> str:
    """Return all tables, and the keywords."""
    words = ["### Keywords", "", "| there | here |", "|---|---|"]
    words += [f"| `{there}=` | `{here}=` |" for there, here in KEYWORDS.items()]
    words += [f"| `{there}=` | {here} |" for there, here in NEEDLESS.items()]
    return "\n".join([*map(table, NAMES), *words, ""])


def filled(page: str) -> str:
    """Return the page with the tables as they are now."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + "\n" + tables() + "\n" + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
