"""A service that nobody administers yet: its first administrator is made in the browser."""

import pytest
from playwright.sync_api import expect

from tests.admin.pages.console import faults_of_access, sign_in, started
from tests.live.running import until

# A browser on a busy machine; the pages are many.
pytestmark = pytest.mark.timeout(900)


def test_the_first_administrator_is_made_in_the_browser_by_the_code_on_the_machine(tmp_path, program_anywhere):
    with started(tmp_path, program_anywhere, ()) as bare, bare.visit("", bypass_csp=True) as page:
        until((tmp_path / "Operators.setup").exists, "the set-up code, before a browser has asked for anything")
        page.goto("/")
        assert faults_of_access(page) == []
        expect(page.locator("h1")).to_have_text("Make the first administrator")
        page.fill("#code", "a wrong one")
        sign_in_is_refused(page)
        page.fill("#code", (tmp_path / "Operators.setup").read_text().strip())
        sign_in(page, "first")
        expect(page.locator("h1")).to_have_text("This computer")


def sign_in_is_refused(page) -> None:
    page.fill("#name", "first")
    page.fill("#password", "correct horse battery")
    page.click("button.main")
    expect(page.locator("[role=alert]")).to_be_visible()
