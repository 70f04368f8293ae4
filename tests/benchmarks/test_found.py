"""docs/found.md: each section has all parts, and the README counts the sections."""

from pathlib import Path

import pytest

from benchmarks.checkers.real.found import Finding, findings

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.parametrize("finding", findings(), ids=lambda finding: finding.title)
def test_a_section_has_a_short_program_and_two_results(finding: Finding) -> None:
    """Regression: a report that cannot be filed as it is."""
    assert "print(" in finding.code
    assert "print(" in finding.proof
    assert len(finding.code.splitlines()) <= 7
    assert finding.gives != finding.true
    compile(finding.code + finding.proof, finding.title, "exec")


def test_the_readme_counts_the_sections() -> None:
    assert f"[found {len(findings())} errors](docs/found.md)" in README.read_text(encoding="utf-8")
