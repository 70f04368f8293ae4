"""Print the notes of a release, a section of CHANGELOG.md: ``python -m tools.release_notes v1.2.3``."""

import re
import sys

from tools.project import ROOT, version


def notes(tag: str, changelog: str) -> str:
    """Return the section of the version that a tag names.

    Raises
    ------
    ValueError
        The tag is not "v" and the version of the package, or the changelog has no such section.
    """
    if tag != f"v{version()}":
        raise ValueError(f"the tag {tag} is not v{version()}, the version in tinygrad_edu/__init__.py.")
    heading = rf"^## {re.escape(version())}\b[^\n]*\n"
    section = re.search(heading + r"(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if section is None:
        raise ValueError(f"CHANGELOG.md has no section {version()}.")
    return section[1].strip()


def main(arguments: list[str]) -> str | None:
    """Run the command. Return an error message, or None."""
    if len(arguments) != 1:
        return "usage: python -m tools.release_notes TAG"
    try:
        print(notes(arguments[0], (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")))
    except ValueError as error:
        return f"tools.release_notes: {error}"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
