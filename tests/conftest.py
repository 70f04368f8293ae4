"""Cleanup between test files, and a page in a real browser for tests marked `browser`."""

import gc
import os
import random
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING
from unittest.mock import patch
from zlib import crc32

import numpy as np
import pytest

from tinygrad_edu.nn import init, randomness

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(autouse=True, scope="module")
def free_what_jax_compiled() -> Iterator[None]:
    """Free the memory maps of programs that JAX compiled: Linux allows 65,530 for a process, and JAX crashes beyond.

    The tests of one file share the programs that are compiled for all of them, such as those that fill Keras layers.
    """
    yield
    if jax := sys.modules.get("jax"):
        jax.clear_caches()


@pytest.fixture(autouse=True, scope="module")
def little_to_collect() -> None:
    """Exclude the objects of earlier files from garbage collection, which some tests and Hypothesis run often."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def same_numbers_in_each_run(request: pytest.FixtureRequest) -> Iterator[None]:
    """Seed the generators of layers that a test creates without one, and the global generators."""
    number = crc32(request.node.nodeid.encode())
    rng = np.random.default_rng(number)
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002

    def seeded() -> np.random.Generator:
        found = randomness._stream.get() or rng
        return randomness.DefaultGenerator(np.random.PCG64(found.integers(2**63, size=4)))

    with patch.object(init, "new_generator", seeded):
        yield


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.fail(f"the tests in a browser need one of {', '.join(names)} on the PATH: apt-get install chromium")
    sandbox = [] if os.getuid() else ["--no-sandbox"]  # Chromium has no sandbox for root
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=sandbox)
        yield started
        started.close()


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    """Return an empty page. A console error, or a request to another machine, fails the test."""
    context = browser.new_context()
    opened = context.new_page()
    wrong: list[str] = []
    local = ("file:", "data:", "blob:", "about:", "http://127.0.0.1:", "http://localhost:")
    opened.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("request", lambda asked: None if asked.url.startswith(local) else wrong.append(f"asked {asked.url}"))
    yield opened
    context.close()
    assert not wrong
