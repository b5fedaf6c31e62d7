"""Property sheets, wizards, and what is on record, in a real browser before a service that runs."""

import grp
import os
import smtplib

import pytest
from playwright.sync_api import Error, expect

from tests.admin.pages.console import PASSWORD, faults_of_access, sign_in
from tests.live.running import free_port, until

# A browser on a busy machine; the pages are many.
pytestmark = pytest.mark.timeout(900)

SHEET = "/servers/default/properties"


def value(console, key: str) -> str:
    return console.service.run("get", key).stdout.strip()


def box(page, key: str):
    return page.locator(f"[name='{key}']")


def review(page) -> None:
    page.click("text=Review changes")
    expect(page.locator("h1")).to_contain_text("what changes")


def save(page) -> None:
    page.click("button[value=save]")
    expect(page.locator("[role=status].good")).to_contain_text("Saved as revision")


def test_options_on_two_tabs_are_changed_together_seen_before_and_undone_after(console):
    with console.visit(bypass_csp=True) as page:
        page.goto(SHEET)
        page.click("role=tab[name='Messages']")
        box(page, "servers.default.messages.recipient_limit").fill("77")
        page.keyboard.press("Shift+Tab")
        page.focus("role=tab[name='Messages']")
        page.keyboard.press("ArrowRight")
        box(page, "servers.default.delivery.expiration").fill("3")
        review(page)
        assert faults_of_access(page) == []
        expect(page.locator("tbody tr")).to_have_count(2)
        expect(page.locator("tbody")).to_contain_text("3 days")
        assert value(console, "servers.default.messages.recipient_limit") == "100"
        save(page)
        assert value(console, "servers.default.messages.recipient_limit") == "77"
        assert value(console, "servers.default.delivery.expiration").strip('"') == "3d"
        page.goto("/changes")
        assert faults_of_access(page) == []
        # Before the first one that is kept was nothing that could come back.
        expect(page.locator("tbody tr").last.locator("button")).to_have_count(0)
        first = page.locator("tbody tr").first
        expect(first).to_contain_text("admin")
        expect(first).to_contain_text("servers.default.messages.recipient_limit")
        first.locator("a").click()
        expect(page.locator("main")).to_contain_text("77")
        page.go_back()
        first.locator("button").click()
        page.click("#ask-yes")
        expect(page.locator("[role=status].good")).to_contain_text("as it was before")
        assert value(console, "servers.default.messages.recipient_limit") == "100"


def test_all_that_is_wrong_stands_beside_its_field_and_in_the_summary(console):
    with console.visit(bypass_csp=True) as page:
        page.goto(SHEET)
        page.click("role=tab[name='Delivery']")
        box(page, "servers.default.delivery.port").fill("70000")
        page.click("role=tab[name='General']")
        box(page, "servers.default.general.bindings").fill("nonsense")
        page.click("text=Review changes")
        expect(page.locator("#problems")).to_be_focused()
        expect(page.locator("#problems li")).to_have_count(2)
        assert faults_of_access(page) == []
        page.click("#problems a >> text=TCP port")
        expect(box(page, "servers.default.delivery.port")).to_be_focused()
        expect(box(page, "servers.default.delivery.port")).to_have_value("70000")
        expect(page.locator(".field.wrong:visible")).to_contain_text("a number from 1 to 65535 is wanted")
        assert value(console, "servers.default.delivery.port") == "25"


def test_what_only_the_service_finds_wrong_stands_beside_its_field_too(console):
    with console.visit() as page:
        page.goto(SHEET)
        page.click("role=tab[name='Delivery']")
        box(page, "servers.default.delivery.smart_host").fill("127.0.0.1:99999")
        page.click("text=Review changes")
        expect(page.locator(".field.wrong")).to_have_count(1)
        box(page, "servers.default.delivery.smart_host").fill("")
        page.click("role=tab[name='Access']")
        box(page, "servers.default.access.certificate").fill("nowhere.pem")
        page.click("text=Review changes")
        page.click("button[value=save]")
        expect(page.locator("#problems")).to_be_visible()
        expect(page.locator(".field.wrong")).not_to_have_count(0)
        assert value(console, "servers.default.access.certificate").strip('"') == ""


def test_nobodys_newer_change_is_overwritten_and_other_options_do_not_meet(console):
    with console.visit() as page:
        page.goto(SHEET)
        page.click("role=tab[name='Delivery']")
        box(page, "servers.default.delivery.hop_count").fill("20")
        console.service.run("set", "servers.default.delivery.hop_count", "18")
        review(page)
        page.click("button[value=save]")
        expect(page.locator("[role=alert]")).to_contain_text("nothing was overwritten")
        expect(box(page, "servers.default.delivery.hop_count")).to_have_value("20")
        assert value(console, "servers.default.delivery.hop_count") == "18"
        page.click("text=Read the values that count now")
        expect(box(page, "servers.default.delivery.hop_count")).to_have_value("18")
        page.click("role=tab[name='General']")
        box(page, "servers.default.general.error_limit").fill("30")
        console.service.run("set", "servers.default.delivery.hop_count", "19")
        review(page)
        save(page)
        assert value(console, "servers.default.delivery.hop_count") == "19"


def test_a_secret_is_written_and_never_shown(console):
    key = "servers.default.delivery.security"
    with console.visit() as page:
        page.goto(SHEET)
        page.click("role=tab[name='Delivery']")
        page.locator(f"[name='{key}.authentication']").select_option("basic")
        box(page, f"{key}.username").fill("relay")
        box(page, f"{key}.tls").select_option("verify")
        box(page, f"{key}.password").fill("hidden-from-pages")
        review(page)
        expect(page.locator("table")).not_to_contain_text("hidden-from-pages")
        save(page)
        page.goto(SHEET)
        assert "hidden-from-pages" not in page.content()
        page.click("role=tab[name='Delivery']")
        expect(box(page, f"{key}.password")).to_have_attribute("placeholder", "set; leave empty to keep it")
        box(page, f"{key}.username").fill("relay2")
        review(page)
        expect(page.locator("tbody tr")).to_have_count(1)
        save(page)
        assert "hidden-from-pages" in console.service.file.read_text()
        page.goto("/changes")
        assert "hidden-from-pages" not in page.content()
        page.goto("/audit")
        assert "hidden-from-pages" not in page.content()


def test_who_may_only_look_reads_a_sheet_and_changes_nothing(console):
    with console.visit("looker") as page:
        page.goto(SHEET)
        expect(box(page, "servers.default.messages.recipient_limit")).to_be_disabled()
        assert page.locator("text=Review changes").count() == 0


# -- wizards


def answer(page, name: str, text: str) -> None:
    page.fill(f"[name='{name}']", text)
    page.keyboard.press("Enter")


def test_a_virtual_server_is_made_by_its_wizard_renamed_and_deleted(console):
    port = free_port()
    with console.visit(bypass_csp=True) as page:
        page.goto("/")
        page.click("text=New virtual server")
        expect(page.locator("h1")).to_have_text("New virtual server")
        assert faults_of_access(page) == []
        page.click("button.main")
        expect(page.locator("#problems")).to_contain_text("a name is wanted")
        answer(page, "name", "Printers")
        answer(page, "bindings", "not an address")
        expect(page.locator(".wrong-text")).to_be_visible()
        answer(page, "bindings", f"127.0.0.1:{console.service.port}")
        expect(page.locator("#problems")).to_contain_text("the server default listens on")
        answer(page, "bindings", f"127.0.0.1:{port}")
        answer(page, "home", "Printers")
        answer(page, "domain", "printers.test")
        expect(page.locator("main")).to_contain_text("This is made when you press Finish")
        page.click("button.main")
        expect(page.locator("[role=status].good")).to_contain_text("Printers is made")
        expect(page.locator("#tree")).to_contain_text("Printers")
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            assert client.noop()[0] == 250
        page.click("#server-rows a:has-text('Printers')")
        page.click("text=Rename...")
        answer(page, "name", "Scanners")
        expect(page.locator("h1")).to_have_text("Scanners")
        page.click("text=Delete...")
        expect(page.locator("h1")).to_have_text("Delete Scanners")
        assert faults_of_access(page) == []
        answer(page, "answer", "default")
        expect(page.locator("#problems")).to_contain_text("not its short name")
        answer(page, "answer", "printers")
        expect(page.locator("[role=status].good")).to_contain_text("Scanners is deleted")
        expect(page.locator("#server-rows")).not_to_contain_text("Scanners")
        assert (console.service.folder / "Printers").is_dir()


def test_domains_are_made_by_their_wizard_and_have_properties(console):
    with console.visit(bypass_csp=True) as page:
        page.goto("/servers/other/domains")
        page.click("text=New domain")
        page.check("text=Remote")
        page.click("button.main")
        answer(page, "name", "no domain at all")
        expect(page.locator(".wrong-text")).to_be_visible()
        answer(page, "name", "*.partner.test")
        page.check("text=Forward all mail to smart host")
        page.click("button.main")
        expect(page.locator(".wrong-text")).to_contain_text("a smart host is wanted")
        page.check("text=Use DNS to route")
        answer(page, "route", "relay.partner.test:587")
        expect(page.locator(".wrong-text")).to_contain_text("would not be used")
        page.check("text=Forward all mail to smart host")
        page.check("text=Allow incoming mail")
        answer(page, "route", "relay.partner.test:587")
        expect(page.locator(".facts")).to_contain_text("relay.partner.test:587")
        page.click("button.main")
        expect(page.locator("tbody")).to_contain_text("relay.partner.test:587")
        page.click("a:has-text('*.partner.test')")
        expect(page.locator("h1")).to_have_text("Properties of *.partner.test")
        assert faults_of_access(page) == []
        expect(box(page, 'servers.other.domains."*.partner.test".relay')).to_be_checked()
        box(page, 'servers.other.domains."*.partner.test".use_helo').check()
        review(page)
        save(page)
        expect(page.locator("tbody")).to_contain_text("use_helo=true")
        page.click("a:has-text('*.partner.test')")
        page.click("main button:has-text('Remove')")
        page.click("#ask-yes")
        expect(page.locator("[role=status].good")).to_contain_text("is removed")
        expect(page.locator("tbody")).not_to_contain_text("partner.test")


def test_an_alias_is_renamed_and_becomes_the_default_domain(console):
    with console.visit() as page:
        page.goto("/servers/other/domains/new")
        page.check("text=Alias")
        page.click("button.main")
        answer(page, "name", "alias.test")
        page.click("button.main")
        page.click("a:has-text('alias.test')")
        page.click("text=Rename...")
        answer(page, "new", "second.test")
        page.click("a:has-text('second.test')")
        page.click("text=Make it the default domain")
        page.click("main button:has-text('Make it the default')")
        expect(page.locator("tbody tr", has_text="second.test")).to_contain_text("Local (Default)")


@pytest.mark.parametrize(("table", "name", "option", "typed"), [("pace", "*.slow.test", "connections", "2")])
def test_an_entry_of_a_table_is_made_changed_and_removed(console, table, name, option, typed):
    with console.visit(bypass_csp=True) as page:
        page.goto("/servers/other")
        page.click(f"a[href$='/{table}/new']")
        answer(page, "name", name)
        expect(page.locator("h1")).to_contain_text(name)
        assert faults_of_access(page) == []
        box(page, f'servers.other.{table}."{name}".{option}').fill(typed)
        review(page)
        save(page)
        page.click(f"a:has-text('{name}')")
        expect(box(page, f'servers.other.{table}."{name}".{option}')).to_have_value(typed)
        page.click("main button:has-text('Remove')")
        page.click("#ask-yes")
        expect(page.locator("[role=status].good")).to_be_visible()
        assert page.locator(f"a:has-text('{name}')").count() == 0


# -- operators


def test_operators_and_tokens_are_made_changed_and_removed(console):
    with console.visit(bypass_csp=True) as page:
        page.goto("/operators")
        page.fill("#add-name", "ann")
        page.fill("#add-password", "short")
        page.click("text=Add the operator")
        expect(page.locator("#problems")).to_contain_text("characters")
        assert faults_of_access(page) == []
        page.fill("#add-password", "a long password")
        page.locator("#add-role").select_option("operator")
        page.check("form[action='/operators/add'] >> text=Other")
        page.click("text=Add the operator")
        ann = page.locator("tbody tr", has_text="ann")
        expect(ann).to_contain_text("other")
        ann.locator("summary").click()
        ann.locator("select").select_option("viewer")
        ann.locator("text=Change the role").click()
        expect(ann).to_contain_text("viewer")
        ann.locator("summary").click()
        ann.locator("text=Remove ann").click()
        page.click("#ask-yes")
        expect(ann).to_have_count(0)
        group = grp.getgrgid(os.getgid()).gr_name
        page.fill("#add-name", group)
        page.check("#add-group")
        page.click("text=Add the operator")
        row = page.locator("tbody tr", has_text=group)
        expect(row).to_contain_text("group")
        assert faults_of_access(page) == []
        row.locator("summary").click()
        row.locator("select").select_option("operator")
        row.locator("text=Change the role").click()
        expect(row).to_contain_text("operator")
        row.locator("summary").click()
        row.locator(f"text=Remove {group}").click()
        page.click("#ask-yes")
        expect(row).to_have_count(0)
        page.fill("#token-name", "monitoring")
        page.click("text=Make the token")
        expect(page.locator("[role=status] pre")).to_contain_text("mailroot_")
        page.goto("/operators")
        assert "mailroot_" not in page.content()
        page.locator("tbody tr", has_text="monitoring").locator("button").click()
        page.click("#ask-yes")
        expect(page.locator("[role=status].good")).to_contain_text("counts no more")


def test_somebody_changes_his_password_and_is_signed_out_elsewhere(console):
    console.service.run("operator", "add", "vic", "--role", "viewer", typed=f"{PASSWORD}\n")
    with console.visit("vic") as elsewhere, console.visit("vic", bypass_csp=True) as page:
        page.click("a.who")
        assert faults_of_access(page) == []
        for present, wrong in (("not the one", "the present password is wrong"), (PASSWORD, "")):
            page.fill("#present", present)
            page.fill("#password", "a new long password")
            page.fill("#again", "a new long password")
            page.click("button.main")
            if wrong:
                expect(page.locator("#problems")).to_contain_text(wrong)
        expect(page.locator("[role=status].good")).to_contain_text("is changed")
        page.goto("/servers/default/queue")
        expect(page.locator("h1")).to_have_text("Queue")
        elsewhere.goto("/servers/default/queue")
        expect(elsewhere.locator("h1")).to_have_text("Sign in")
        sign_in(elsewhere, "vic", "a new long password")
    console.service.run("operator", "remove", "vic")


def test_pictures_are_drawn_from_the_services_own_history(console):
    with console.visit() as page:
        page.goto("/servers/default")
        with console.service.connect() as client:
            client.sendmail("app@local.test", ["ann@local.test"], "Subject: x\r\n\r\nHello.\r\n")
        until(console.service.dropped, "a message in Drop")
        page.goto("/pictures?span=1h")
        expect(page.locator("#picture-state")).to_have_text("live")
        expect(page.locator("[data-words=throughput]")).to_contain_text("at most", timeout=90_000)
        expect(page.locator("[data-words=throughput]")).to_contain_text("accepted: ")
        expect(page.locator("[data-picture=throughput] .u-legend")).to_contain_text("delivered into Drop")
        expect(page.locator("[data-picture=throughput] canvas")).to_be_visible()
        page.click("#theme")
        expect(page.locator("[data-picture=throughput] canvas")).to_be_visible()


def test_the_service_has_a_sheet_and_says_what_counts_later(console):
    with console.visit(bypass_csp=True) as page:
        page.goto("/service/properties")
        assert faults_of_access(page) == []
        page.click("role=tab[name='Administration']")
        box(page, "admin.idle").fill("45")
        review(page)
        expect(page.locator("tbody")).to_contain_text("after a restart of the service")
        save(page)
        expect(page.locator("[role=status].good")).to_contain_text("service: admin.idle")


def test_after_a_restart_the_console_is_there_under_its_new_settings(console):
    console.service.run("set", "admin.idle", "20m")
    process = console.service.process.pid
    with console.visit() as page:
        console.service.run("service", "restart")
        expect(page.locator("main")).to_contain_text("Workers")
        until(lambda: not signed_in(page, console), "the end of the sign-in with the old process")
        sign_in(page)
        expect(page.locator("h1")).to_have_text("This computer")
    assert console.service.process.pid == process


def signed_in(page, console) -> bool:
    """Whether one is, or nobody answers for the moment."""
    try:
        page.goto("/", timeout=5_000)
    except Error:
        return True
    return page.locator("#password").count() == 0
