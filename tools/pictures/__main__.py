"""Make the pictures and tables of the documentation, or check them: ``python -m tools.pictures``."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from models.shared.console import complain
from tinygrad_edu.shared.display.command_line import Parser
from tools.pictures import content
from tools.pictures.catalog import PICTURES, Picture, place
from tools.pictures.compare import differences
from tools.pictures.numbers import FOLDER, ROOT
from tools.pictures.sources import measure
from tools.pictures.tables import TABLES, filled

NAME = "tools.pictures"


def make(picture: Picture, path: Path) -> None:
    """Draw a picture, and attach its content to a PNG."""
    with content.recording() as recorded:
        text = picture.draw(path)
    if path.suffix == ".png" and (recorded or text):
        content.attach(path, [*recorded, *content.of_text(text or "")])


def changes(name: str) -> Iterator[str]:
    """Yield the differences between a picture or a table and a new one, as lines for a report."""
    if name in TABLES:
        table = TABLES[name]
        text = (ROOT / table.page).read_text(encoding="utf-8")
        if filled(name, text, table.render()) != text:
            yield f"the table in {table.page} is not the table of its numbers"
        return
    with TemporaryDirectory() as folder:
        new = Path(folder, name)
        make(PICTURES[name], new)
        yield from differences(place(name), new, PICTURES[name].tolerance)


def remake(name: str) -> None:
    """Replace a picture or a table by a new one."""
    if name in TABLES:
        page = ROOT / TABLES[name].page
        page.write_text(filled(name, page.read_text(encoding="utf-8"), TABLES[name].render()), encoding="utf-8")
    else:
        make(PICTURES[name], place(name))


def chosen(names: Sequence[str], browser: bool) -> list[str]:
    """Return the pictures and tables of these names, which may lack the suffix, or of no names: all of the kind.

    Raises
    ------
    ValueError
        A name is unknown.
    """
    if not names:
        pictures = [name for name, row in PICTURES.items() if row.browser == browser]
        return pictures if browser else [*pictures, *TABLES]
    found = {name: [each for each in (*PICTURES, *TABLES) if name in (each, Path(each).stem)] for name in names}
    for name, matches in found.items():
        if not matches:
            raise ValueError(f"{name} is no picture or table; --list prints their names.")
    return list(dict.fromkeys(each for matches in found.values() for each in matches))


def main(arguments: list[str] | None = None) -> int:
    """Run the command, and return its exit code: 1 if a picture or table differs."""
    parser = Parser(f"python -m {NAME}", description=__doc__)
    add = parser.add_argument
    add("names", nargs="*", metavar="name", help="pictures and tables (default: all that need no browser)")
    add("--check", action="store_true", help="compare with new ones instead of replacing them")
    add("--measure", action="store_true", help="first repeat the measurements or trainings of their numbers")
    add("--browser", action="store_true", help="without names: the screenshots, which need the group browser")
    add("--list", action="store_true", help="print the names and their numbers")
    options = parser.parse_args(arguments)
    try:
        names = chosen(options.names, options.browser)
    except ValueError as error:
        parser.error(str(error))
    numbers = {name: (PICTURES.get(name) or TABLES[name]).numbers for name in names}
    if options.list:
        print("\n".join(" ".join((name, *files)) for name, files in numbers.items()))
        return 0
    if options.measure:
        measure(dict.fromkeys(file for files in numbers.values() for file in files))
    missing = [file for files in numbers.values() for file in files if not (FOLDER / file).exists()]
    if missing:
        parser.error(f"docs/numbers/{missing[0]} does not exist; add --measure.")
    return check(names) if options.check else _remake(names)


def check(names: Sequence[str]) -> int:
    """Report the pictures and tables that differ from new ones; return 1 if there are any."""
    differing = 0
    for name in names:
        found = list(changes(name))
        differing += bool(found)
        for line in found:
            complain(NAME, f"{name}: {line}.")
    if differing:
        complain(NAME, "run python -m tools.pictures with these names, look at the pictures, and commit them.")
    return int(differing > 0)


def _remake(names: Sequence[str]) -> int:
    for name in names:
        remake(name)
        print(name, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
