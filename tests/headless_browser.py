"""A headless Chromium for tests of pages; tests skip, naming what to install, if there is none."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

REQUIRED = "SAVINGS_GYM_REQUIRE_BROWSER"  # set by .ci/run: a missing browser then fails the test
BROWSERS, DRIVERS = (
    ("chromium", "chromium-browser", "google-chrome"),
    ("chromedriver", "chromium.chromedriver"),
)
ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip


def need_browser() -> tuple[str, str]:
    """Return the programs of browser and driver; skip the test without them."""
    programs = [next(filter(None, map(shutil.which, names)), None) for names in (BROWSERS, DRIVERS)]
    try:
        import selenium  # noqa: F401
    except ImportError:
        programs = [None, None]
    browser, driver = programs
    if browser is None or driver is None:
        reason = "no headless browser; on Debian install chromium chromium-driver, and pip install selenium"
        if os.environ.get(REQUIRED):
            pytest.fail(reason)
        pytest.skip(reason)
    return browser, driver


@contextmanager
def opened() -> Iterator[Any]:
    """Start a browser that cannot reach any network and records its console and its requests."""
    browser, driver = need_browser()
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield chrome
    finally:
        chrome.quit()


def show(chrome: Any, page: Path, width: int = 1280, height: int = 900, scheme: str = "light") -> None:
    """Open a page at a width in CSS pixels, in a colour scheme."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    emulate(chrome, scheme)
    chrome.get(page.resolve().as_uri())


def emulate(chrome: Any, scheme: str = "light", media: str = "") -> None:
    """Set the colour scheme, and the medium ("print" or "screen")."""
    features = [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},  # scrolls at once
    ]
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


def requests(chrome: Any) -> list[str]:
    """Return the addresses that were requested since the last call."""
    messages = (json.loads(entry["message"])["message"] for entry in chrome.get_log("performance"))
    return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
