"""The sections of docs/found.md: their parts, and whether their code prints what the page says."""

import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[3] / "docs" / "found.md"
SECTION = re.compile(
    r"(?P<title>.+)\n\n- Library: (?P<library>\S+) (?P<version>\S+)\n- Found by: `(?P<command>.+)`\n\n"
    r"To file:\n\n(?P<text>.+?)\n\n```py\n(?P<code>.+?)```\n\nGives: `(?P<gives>.+)`\n\n"
    r"True: `(?P<true>.+?)`, (?P<how>.+?):\n\n```py\n(?P<proof>.+?)```\s*",
    re.DOTALL,
)


class Finding(NamedTuple):
    """A section of the page: the code of the report prints `gives`, and the code of the proof prints `true`."""

    title: str
    library: str
    version: str
    command: str
    text: str
    code: str
    gives: str
    true: str
    how: str
    proof: str


def findings() -> list[Finding]:
    """Return the sections of the page."""
    found = []
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        parts = SECTION.fullmatch(section)
        if parts is None:
            raise ValueError(f"the section {section.partition(chr(10))[0]!r} of {PAGE.name} lacks a part.")
        found.append(Finding(**parts.groupdict()))
    return found


def printed(code: str) -> str:
    """Return what a program prints, or the last line of its error."""
    environment = {**os.environ, "JAX_TRACEBACK_FILTERING": "off"}  # else JAX adds a line after the error
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, env=environment)
    return (done.stderr if done.returncode else done.stdout).strip().rpartition("\n")[2]


def main() -> int:
    """Run the code of all sections, and print whether it prints what the page says."""
    wrong = 0
    for finding in findings():
        gives, true, version = printed(finding.code), printed(finding.proof), metadata.version(finding.library)
        as_said = (gives, true) == (finding.gives, finding.true)
        wrong += not as_said
        print(f"{'as on the page' if as_said else 'DIFFERENT':<16}{finding.library} {version}: {finding.title}")
        if not as_said:
            print(f"                gives {gives!r} for {finding.gives!r}, true {true!r} for {finding.true!r}")
    return int(wrong > 0)
