"""A clock that does not decide how much a mismatch is explained."""

from collections.abc import Iterator

import pytest

from tinygrad_edu.testing.report import probes


@pytest.fixture(autouse=True, scope="package")
def every_function_is_fast() -> Iterator[None]:
    """Let the diagnosis measure one time for all functions, because it makes fewer calls on a loaded machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probes.Prober, "_time", lambda prober, f: 1e-5)
        yield
