"""``python -m models`` lists the programs, with one line for each."""

import ast
from pathlib import Path

from models.shared.console import program, say
from models.shared.options import Parser


def programs() -> dict[str, str]:
    """Return the first docstring line of each program by name, without importing the programs."""
    sources = {path.stem: path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("[!_]*.py"))}
    told = {name: ast.get_docstring(ast.parse(source)) or "" for name, source in sources.items()}
    return {
        name: told[name].partition("\n")[0] for name, source in sources.items() if '__name__ == "__main__"' in source
    }


def main(arguments: list[str] | None = None) -> None:
    """Print the list."""
    Parser("models", description=__doc__).parse_args(arguments)
    found = programs()
    width = max(map(len, found))
    for name, told in found.items():
        say(f"python -m models.{name:<{width}}  {told}")
    say(
        "Each program has --help. Programs that train share the options --epochs, --learning-rate, --seed, --output, "
        "--resume, --quiet and --tensorboard."
    )


if __name__ == "__main__":
    program("models", main)
