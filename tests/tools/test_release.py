"""The notes of a release are the section of its tag."""

import pytest

from tools.project import version
from tools.release_notes import notes


def test_the_notes_are_the_section_of_the_tag():
    changelog = f"# Changelog\n\n## Unreleased\n\nNew.\n\n## {version()}\n\n### Added\n\n- One.\n\n## 0.0.1\n\nOld.\n"
    assert notes(f"v{version()}", changelog) == "### Added\n\n- One."
    with pytest.raises(ValueError, match=r"the tag v0\.0\.1 is not v"):
        notes("v0.0.1", changelog)
    with pytest.raises(ValueError, match=f"CHANGELOG.md has no section {version()}"):
        notes(f"v{version()}", "## Unreleased\n")
