"""Headless Chromium for screenshots, with the extra `browser`."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from models.shared.groups import missing_group


@contextmanager
def chromium() -> Iterator[Any]:
    """Yield a browser of playwright."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise missing_group("screenshots require playwright", "browser") from error
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()
