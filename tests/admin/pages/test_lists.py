"""Sessions, queue, Badmail and Drop in a real browser, live, with what strangers wrote in them."""

import contextlib
import re
import smtplib
import socket
from email.message import EmailMessage

import pytest
from playwright.sync_api import expect

from tests.admin.pages.console import faults_of_access
from tests.live.running import until

# A browser on a busy machine; the pages are many.
pytestmark = pytest.mark.timeout(900)

MARKUP = "<img src=x onerror=document.title='taken'>"


def send(console, recipient: str, subject: str = "A subject") -> None:
    message = EmailMessage()
    message["From"] = f'"{MARKUP}" <app@local.test>'
    message["To"], message["Subject"] = recipient, subject
    message.set_content(f"Text with {MARKUP} in it.\n")
    message.add_alternative(f"<p>HTML with {MARKUP}</p><script>document.title='taken'</script>", subtype="html")
    message.add_attachment(b"x", maintype="application", subtype="octet-stream", filename=f"{MARKUP}.txt")
    with console.service.connect() as client:
        client.sendmail("app@local.test", [recipient], message.as_bytes())


def waiting(console) -> list[dict]:
    return console.service.ask("queue", "list", "--server", "default")


@pytest.fixture(scope="module")
def filled(console):
    """The console of a service in whose queue three recipients wait, and in whose Drop folder there is a message."""
    for name in ("ann", "bob", "eve"):
        send(console, f"{name}@remote.test", MARKUP)
    send(console, "ann@local.test", MARKUP)
    until(console.service.dropped, "a message in Drop")
    until(lambda: len([row for row in waiting(console) if row["attempts"]]) == 3, "three failed attempts")
    return console


def row(page, text: str):
    return page.locator("tbody tr", has_text=text)


def client(console, clients: contextlib.ExitStack) -> smtplib.SMTP:
    """A client that has not ended its session by itself when the block ends."""
    made = console.service.connect()
    clients.callback(made.close)
    return made


def test_sessions_come_and_go_by_themselves_and_what_was_chosen_stays(console):
    with console.visit() as page, contextlib.ExitStack() as clients:
        page.goto("/servers/default/sessions")
        expect(page.locator("#no-sessions")).to_contain_text("Nobody is connected")
        first = client(console, clients)
        first.ehlo("first.example")
        expect(row(page, "first.example")).to_be_visible()
        box = row(page, "first.example").locator("input")
        box.check()
        client(console, clients).ehlo("second.example")
        expect(row(page, "second.example")).to_be_visible()
        assert box.is_checked()
        expect(box).to_be_focused()
        page.click("text=Terminate >> nth=0")
        page.click("#ask-yes")
        expect(page.locator("[role=status].good")).to_contain_text("1 session ended")
        expect(row(page, "first.example")).to_have_count(0)
        expect(row(page, "second.example")).to_be_visible()
        page.click("text=Terminate all")
        page.click("#ask-yes")
        expect(row(page, "second.example")).to_have_count(0)
        with pytest.raises((smtplib.SMTPException, OSError)):
            first.noop()
            first.noop()


def test_what_waits_is_searched_frozen_thawed_and_tried(filled):
    with filled.visit(bypass_csp=True) as page:
        page.goto("/servers/default/queue")
        expect(page.locator("tbody tr")).to_have_count(3)
        assert faults_of_access(page) == []
        page.fill("input[name=text]", "bob@")
        page.keyboard.press("Enter")
        expect(page.locator("tbody tr")).to_have_count(1)
        page.check("tbody input")
        page.click("text=Freeze")
        expect(page.locator("[role=status].good")).to_contain_text("1 recipient frozen")
        expect(row(page, "bob@remote.test")).to_contain_text("held")
        page.check("tbody input")
        page.click("text=Thaw")
        expect(page.locator("[role=status].good")).to_contain_text("thawed")
        expect(row(page, "bob@remote.test")).not_to_contain_text("held:")
        page.click("text=Show all")
        page.check("#every")
        page.click("text=Retry now")
        expect(page.locator("[role=status].good")).to_contain_text("3 recipients tried now")


def test_what_waits_is_seen_by_destination(filled):
    with filled.visit(bypass_csp=True) as page:
        page.goto("/servers/default/queue?by=destination")
        expect(page.locator("tbody tr").first).to_be_visible()
        assert faults_of_access(page) == []


def test_all_that_waits_for_a_destination_is_chosen_frozen_and_opened(filled):
    with filled.visit(bypass_csp=True) as page:
        page.goto("/servers/default/queue?by=destination")
        expect(page.locator("#every")).to_have_count(0)
        (known,) = until(lambda: filled.service.ask("queue", "destinations", "default"), "a destination")
        name = known["destination"]
        page.check(f"tbody tr[data-key='{name}'] input")
        page.click("text=Freeze")
        expect(page.locator("[role=status].good")).to_contain_text("3 recipients frozen")
        assert "by=destination" in page.url
        page.check(f"tbody tr[data-key='{name}'] input")
        page.click("text=Thaw")
        expect(page.locator("[role=status].good")).to_contain_text("3 recipients thawed")
        page.locator(f"tbody tr[data-key='{name}'] a").click()
        expect(page.locator("h1")).to_contain_text("Queue")
        expect(page.locator("tbody tr")).to_have_count(3)
        assert page.locator("input[name=destination]").input_value() == name
        page.goto("/servers/default/queue?destination=nowhere.test")
        expect(page.locator("tbody tr")).to_have_count(0)


def test_Q01_what_strangers_wrote_is_text(filled):
    with filled.visit() as page:
        page.goto("/servers/default/queue")
        page.locator("tbody a").first.click()
        expect(page.locator("h1")).to_contain_text("Message")
        page.click("text=Open the message")
        expect(page.locator("main")).to_contain_text(MARKUP)
        expect(page.locator("main")).to_contain_text(f"{MARKUP}.txt")
        page.goto("/servers/default/drop")
        page.locator("tbody a").first.click()
        expect(page.locator("main")).to_contain_text(MARKUP)
        assert page.locator("main img").count() == 0
        page.goto(f"/servers/default/queue?text={MARKUP}")
        page.goto(f"/servers/{MARKUP}/queue")
        expect(page.locator("h1")).to_have_text("Not there")
        assert page.locator("img").count() == 0
        assert page.title().startswith("Not there")


ACTIVE = """\
<meta http-equiv="refresh" content="0;url={elsewhere}/moved"><link rel="stylesheet" href="{elsewhere}/style">
<style>@import "{elsewhere}/more"; main {{ display: none }}</style>
<script>document.title = "taken"</script><script src="{elsewhere}/code"></script>
<img src="{elsewhere}/seen"><iframe src="{elsewhere}/frame"></iframe>
<form action="{elsewhere}/password"><input name="password" autofocus></form>
<a href="javascript:document.title='taken'">Here</a>
"""


def test_K08_html_is_shown_as_its_source_and_loads_nothing(console):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "app@local.test", "kim@local.test", "Of HTML alone"
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.setblocking(False)
        message.set_content(ACTIVE.format(elsewhere=f"http://127.0.0.1:{elsewhere.getsockname()[1]}"), subtype="html")
        before = set(console.service.dropped())
        with console.service.connect() as client:
            client.send_message(message)
        (dropped,) = until(lambda: set(console.service.dropped()) - before, "the message in Drop")
        with console.visit() as page:
            page.goto("/servers/default/drop")
            row(page, dropped.stem).locator("a").first.click()
            expect(page.locator("main")).to_contain_text("<script>document.title")
            expect(page.locator("main")).to_be_visible()
            expect(
                page.locator("main").locator("img, iframe, script, style, link, input[name=password]")
            ).to_have_count(0)
            assert page.locator("a[href^='javascript:']").count() == 0
            page.wait_for_load_state("networkidle")
            assert page.url.startswith(console.address) and "taken" not in page.title()
        with pytest.raises(BlockingIOError):
            elsewhere.accept()
    dropped.unlink()


def test_a_message_is_saved_as_it_is(filled):
    with filled.visit() as page:
        page.goto("/servers/default/queue")
        page.locator("tbody a").first.click()
        with page.expect_download() as download:
            page.click("text=Export as file")
        octets = download.value.path().read_bytes()
        assert b"\r\nSubject: " in octets or octets.startswith(b"Subject: ")
        assert octets.rstrip().endswith(b"--")
        assert re.fullmatch(r"[\w.-]+\.eml", download.value.suggested_filename)


def test_what_waits_is_removed_with_and_without_a_report(filled):
    with filled.visit() as page:
        page.goto("/servers/default/queue?recipient=ann%40remote.test")
        page.check("#choose-all")
        page.click("text=Remove without report")
        page.click("#ask-yes")
        expect(page.locator("[role=status].good")).to_contain_text("1 recipient removed")
        page.goto("/servers/default/queue?recipient=eve%40remote.test")
        page.check("#choose-all")
        page.click("text=Remove with report")
        page.click("#ask-yes")
        expect(page.locator("[role=status].good")).to_contain_text("1 recipient given up")
        until(lambda: len(filled.service.dropped()) == 2, "the report in Drop")
        page.goto("/servers/default/queue")
        expect(page.locator("tbody tr")).to_have_count(1)


def test_badmail_is_opened_sent_again_and_removed(console):
    folder = console.service.home / "Badmail"
    with console.service.connect() as client:
        client.sendmail("", ["nobody@remote.test"], f"Subject: {MARKUP}\r\n\r\nHello.\r\n")
    until(lambda: waiting(console), "a message that waits")
    console.service.run("queue", "bounce", "--recipient", "nobody@remote.test")
    until(lambda: list(folder.glob("*.BAD")), "a message in Badmail")
    with console.visit(bypass_csp=True) as page:
        page.goto("/servers/default/badmail")
        expect(page.locator("tbody tr")).to_have_count(1)
        assert faults_of_access(page) == []
        page.locator("tbody a").first.click()
        expect(page.locator("main")).to_contain_text(MARKUP)
        assert faults_of_access(page) == []
        page.click("button:has-text('Remove')")
        page.click("#ask-yes")
        expect(page.locator("[role=status].good")).to_contain_text("1 message removed")
        expect(page.locator("#no-files")).to_contain_text("Badmail is empty")
        assert not list(folder.glob("*.BAD"))


def test_a_list_that_is_held_still_stays_as_it_is_until_it_is_let_go(console):
    with console.visit() as page:
        page.goto("/servers/default/sessions")
        page.click("#pause")
        expect(page.locator("#live")).to_have_text("paused")
        with console.service.connect() as client:
            client.ehlo("late.example")
            expect(row(page, "late.example")).to_have_count(0)
            page.click("#pause")
            expect(row(page, "late.example")).to_be_visible()
