"""A service with its console, and a real Chromium before it: what tests of pages stand on."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.live.running import SETTINGS, Service, free_port, service

HERE = Path(__file__).parent
PASSWORD = "correct horse battery"
SCHEMES = ("light", "dark")
WIDTHS = (390, 1920)
_PATIENCE = 30_000.0  # milliseconds that a page may take on a busy machine
expect.set_options(timeout=_PATIENCE)

MORE = """
[servers.default.domains."remote.test"]
type = "remote"
route = "[127.0.0.1]:{closed}"

[servers.other]
name = "Other"
home = "Other"
general.bindings = ["127.0.0.1:{second}"]
delivery.fqdn = "other.local.test"
"""


@dataclass
class Console:
    """A service that runs, and a browser."""

    service: Service
    port: int
    browser: Browser

    @property
    def address(self) -> str:
        """Where the console is."""
        return f"http://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def visit(self, name: str = "admin", **options: Any) -> Iterator[Page]:
        """A page of somebody who is signed in, "" for nobody. What the page complains of fails the test."""
        context = self.browser.new_context(base_url=self.address, **options)
        context.set_default_timeout(_PATIENCE)
        complaints: list[str] = []
        page = context.new_page()
        page.on("pageerror", lambda fault: complaints.append(str(fault)))
        page.on("console", lambda word: complaints.append(word.text) if "Content Security" in word.text else None)
        try:
            if name:
                page.goto("/")
                sign_in(page, name)
            yield page
        finally:
            context.close()
        assert complaints == []


def sign_in(page: Page, name: str = "admin", password: str = PASSWORD) -> None:
    """Sign in at the door."""
    page.fill("#name", name)
    page.fill("#password", password)
    page.click("button.main")
    page.wait_for_selector(f"text={name}")


@contextlib.contextmanager
def started(folder: Path, find: Callable[[str], str], operators: tuple[str, ...] = ("admin",)) -> Iterator[Console]:
    """A service with these operators, whose roles follow their names behind a colon, and a browser."""
    chromium, port = find("chromium"), free_port()
    more = MORE.format(closed=free_port(), second=free_port())
    made = service(folder, more, settings=SETTINGS.replace('listen = ""', f'listen = "127.0.0.1:{port}"'))
    try:
        made.start()
        for operator in operators:
            name, _, role = operator.partition(":")
            made.run("operator", "add", name, "--role", role or "administrator", typed=f"{PASSWORD}\n")
        with sync_playwright() as playwright:
            root = ["--no-sandbox"] if os.geteuid() == 0 else []
            browser = playwright.chromium.launch(executable_path=chromium, args=root, timeout=120_000)
            yield Console(made, port, browser)
            browser.close()
    finally:
        if made.process is not None:
            made.stop()


def faults_of_access(page: Page) -> list[str]:
    """What axe-core's rules find on a page."""
    # The page's own policy lets no script in; a test comes in from outside.
    page.evaluate((HERE / "axe" / "axe.min.js").read_text())
    found = page.evaluate("axe.run()")["violations"]
    return [f"{page.url}: {one['id']}: {one['nodes'][0]['html'][:120]}" for one in found]


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return max(int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")), 0)
