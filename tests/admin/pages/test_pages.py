"""Every page in a real browser: it is there, it is accessible, it fits, and the keyboard alone is enough."""

import pytest
from playwright.sync_api import expect

from tests.admin.pages.console import SCHEMES, WIDTHS, faults_of_access, overflow, sign_in

# A browser on a busy machine; the pages are many.
pytestmark = pytest.mark.timeout(900)


def links_of_tree(page) -> list[str]:
    return page.eval_on_selector_all("[role=treeitem]", "items => items.map(item => item.getAttribute('href'))")


def toolbar_links(page) -> list[str]:
    found = page.eval_on_selector_all("main a[href^='/']", "links => links.map(link => link.getAttribute('href'))")
    return [link for link in found if not link.endswith("/raw")]


def every_page(page) -> list[str]:
    """All pages that can be reached by links, without their queries."""
    known, left = [], ["/"]
    while left:
        link = left.pop(0).partition("?")[0]
        if link in known:
            continue
        known.append(link)
        answer = page.goto(link)
        assert answer.status == 200, (link, answer.status, page.inner_text("body")[:300])
        left += [*links_of_tree(page), *toolbar_links(page)]
    return known


def test_every_page_that_a_link_leads_to_is_there_and_accessible(console):
    with console.visit(bypass_csp=True) as page:
        links = every_page(page)
        assert {"/servers/default/queue", "/servers/other/sessions", "/operators", "/audit"} <= set(links)
        faults = []
        for link in links:
            page.goto(link)
            faults += faults_of_access(page)
        assert faults == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_pages_fit_and_have_enough_contrast(console, scheme, width):
    window = {"width": width, "height": 900}
    with console.visit(bypass_csp=True, color_scheme=scheme, viewport=window) as page:
        servers = ("/servers/default", "/servers/default/queue", "/servers/default/sessions")
        for link in ("/", *servers, "/operators", "/password"):
            page.goto(link)
            assert overflow(page) == 0, link
            assert faults_of_access(page) == []


def test_a_wrong_password_is_said_and_the_page_that_was_wanted_follows(console):
    with console.visit("") as page:
        page.goto("/servers/default/queue")
        expect(page.locator("h1")).to_have_text("Sign in")
        page.fill("#name", "admin")
        page.fill("#password", "wrong")
        page.click("button.main")
        expect(page.locator("[role=alert]")).to_contain_text("wrong")
        sign_in(page)
        expect(page.locator("h1")).to_have_text("Queue")
        page.click("text=Sign out")
        expect(page.locator("h1")).to_have_text("Sign in")
        page.goto("/servers/default/queue")
        expect(page.locator("h1")).to_have_text("Sign in")


def test_words_that_a_link_brings_are_not_shown_at_the_door(console):
    with console.visit("") as page:
        page.goto("/?wrong=Call+this+number")
        assert "Call this number" not in page.content()


def test_Q05_after_the_sign_in_nobody_is_led_elsewhere(console):
    with console.visit("") as page:
        page.goto("/?next=//evil.example/")
        sign_in(page)
        assert page.url.startswith(console.address)


def test_an_address_without_a_page_is_told_in_a_page_and_to_programs_as_a_problem(console):
    with console.visit("") as page:
        answer = page.goto("/nothing/here")
        assert answer.status == 404
        expect(page.locator("h1")).to_have_text("Not there")
        expect(page.locator("[role=alert]")).to_have_text("There is no page at this address.")
        for path in ("/api/v1/nothing", "/nothing"):
            told = page.request.get(path, headers={"Accept": "application/json"})
            assert (told.status, told.headers["content-type"]) == (404, "application/problem+json")


def test_the_tree_is_gone_through_by_keys(console):
    with console.visit() as page:
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        page.focus("[role=treeitem][tabindex='0']")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        expect(page.locator(":focus")).not_to_have_attribute("aria-expanded", "true")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        expect(page.locator(":focus")).to_have_attribute("aria-expanded", "false")
        page.keyboard.press("ArrowDown")
        expect(page.locator(":focus")).to_contain_text("Other")
        page.keyboard.press("End")
        expect(page.locator(":focus")).to_have_text("Operators")
        page.keyboard.press("Home")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("c")
        expect(page.locator(":focus")).to_contain_text("Current Sessions")
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text("Current Sessions")
        assert page.locator("[role=treeitem][tabindex='0']").count() == 1


def test_a_virtual_server_is_paused_stopped_and_started_with_a_question_before_what_is_lost(console):
    with console.visit() as page:
        page.goto("/servers/other")
        page.click("main button:has-text('Pause')")
        expect(page.locator("#server-facts")).to_contain_text("paused")
        page.click("main button:has-text('Continue')")
        expect(page.locator("#server-facts")).to_contain_text("started")
        page.focus("main button:has-text('Stop')")
        page.keyboard.press("Enter")
        expect(page.locator("#ask")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("main button:has-text('Stop')")).to_be_focused()
        page.keyboard.press("Enter")
        page.click("#ask-yes")
        expect(page.locator("#server-facts")).to_contain_text("stopped")
        page.click("main button:has-text('Start')")
        expect(page.locator("#server-facts")).to_contain_text("started")


def test_who_may_only_look_finds_no_button_that_he_may_not_press(console):
    with console.visit("looker") as page:
        page.goto("/servers/other")
        assert page.locator("main button").count() == 0
        assert page.locator("text=Operators").count() == 0
        answer = page.goto("/operators")
        assert answer.status == 403
        expect(page.locator("h1")).to_have_text("Not allowed")


def test_Q02_a_form_without_its_token_changes_nothing(console):
    with console.visit() as page:
        page.goto("/servers/other")
        page.eval_on_selector_all("input[name=csrf]", "fields => fields.forEach(field => { field.value = 'x'; })")
        page.click("main button:has-text('Pause')")
        expect(page.locator("h1")).to_have_text("Not allowed")
        page.goto("/servers/other")
        expect(page.locator("#server-facts")).to_contain_text("started")


def test_colours_are_those_of_the_system_until_others_are_chosen(console):
    with console.visit(color_scheme="dark") as page:
        colour = "getComputedStyle(document.body).backgroundColor"
        dark = page.evaluate(colour)
        expect(page.locator("#theme")).to_have_text("Light")
        page.click("#theme")
        expect(page.locator("#theme")).to_have_text("Dark")
        light = page.evaluate(colour)
        assert light != dark
        page.reload()
        assert page.evaluate(colour) == light


def test_times_are_those_of_the_reader_with_the_time_of_the_world_beside(console):
    with console.visit(timezone_id="Asia/Tokyo") as page:
        page.goto("/")
        time = page.locator("#facts time")
        shown, world = time.inner_text(), time.get_attribute("title")
        assert world.endswith("UTC") and shown[11:13] != world[11:13]
        assert (int(shown[11:13]) - int(world[11:13])) % 24 == 9


def test_on_a_narrow_screen_the_tree_is_behind_a_button(console):
    with console.visit(viewport={"width": 390, "height": 800}) as page:
        expect(page.locator("#tree")).to_be_hidden()
        page.click("#menu")
        expect(page.locator("#tree")).to_be_visible()
        page.click("#tree >> text=Queue >> nth=0")
        expect(page.locator("h1")).to_have_text("Queue")
