"""The administration of a real service: REST, sign-ins, the record of changes, and that mail does not depend on it."""

import json
import os
import signal
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.live.administering import PASSWORD, Administered, administered, administering
from tests.live.running import children, service, until

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Administered]:
    with administering(tmp_path_factory.mktemp("administration")) as made:
        yield made


def post_form(site: Administered, path: str, **fields: str) -> tuple[int, str, str]:
    """Status, where to, and the cookie that was set."""
    connection = site.connection()
    try:
        connection.request("POST", path, urlencode(fields), FORM)
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    return answer.status, answer.headers.get("Location", ""), answer.headers.get("Set-Cookie", "").partition(";")[0]


def record(site: Administered) -> list[dict[str, object]]:
    (path,) = (site.service.folder / "Logs" / "audit").glob("audit-*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_service_says_where_the_console_is(site: Administered) -> None:
    assert f"console http://127.0.0.1:{site.port}/" in (site.service.folder / "out").read_text().splitlines()


def test_an_operation_is_done_and_recorded(site: Administered) -> None:
    status, result, _ = site.ask("POST", "/api/v1/server/pause", {"server": "default"})
    assert (status, result) == (200, {"server": "default", "state": "paused"})
    assert site.ask("GET", "/api/v1/server/list")[1][0]["state"] == "paused"
    assert site.ask("POST", "/api/v1/server/continue", {"server": "default"})[0] == 200
    last = record(site)[-1]
    assert (last["who"], last["face"], last["address"]) == ("token tests", "rest", "127.0.0.1")
    assert (last["operation"], last["outcome"]) == ("server.continue", "done")
    assert site.ask("GET", "/api/v1/audit/list?limit=1")[1]["rows"][0] == last
    until(
        lambda: [one for one in site.service.events("operation_done") if one["operation"] == "server.pause"],
        "the event",
    )


def test_what_could_not_be_done_is_recorded_with_the_reason(site: Administered) -> None:
    status, answer, _ = site.ask("POST", "/api/v1/server/pause", {"server": "nowhere"})
    assert status == 404
    assert "nowhere" in answer["detail"]
    assert record(site)[-1]["outcome"] == answer["detail"]


def test_what_only_reads_is_not_recorded(site: Administered) -> None:
    before = record(site)
    assert site.ask("GET", "/api/v1/status")[0] == 200
    assert site.ask("GET", "/api/v1/audit/list")[0] == 200
    assert record(site) == before


def test_the_record_is_private_comes_in_pages_and_shows_what_was_altered(tmp_path: Path) -> None:
    with administering(tmp_path) as site:
        for number in range(4):
            site.ask("POST", "/api/v1/token/create", {"name": f"t{number}", "role": "viewer"})
        seen, after = [], ""
        while True:
            page = site.ask("GET", f"/api/v1/audit/list?limit=2&after={after}")[1]
            seen += [row["arguments"]["name"] for row in page["rows"]]
            after = page["next"]
            if not after:
                break
        assert seen == ["t3", "t2", "t1", "t0", "tests"]
        assert site.service.ask("audit", "check") == {"sound": True, "broken": []}
        (path,) = (tmp_path / "Logs" / "audit").glob("audit-*.jsonl")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.write_text(path.read_text().replace('"t1"', '"t9"'))
        assert not site.service.ask("audit", "check")["sound"]


def test_no_secret_is_in_the_record_the_events_or_the_file(site: Administered) -> None:
    secret = site.ask("POST", "/api/v1/token/create", {"name": "seen", "role": "viewer", "expires": "1h"})[1]["token"]
    body = {"name": "sam", "role": "viewer", "password": PASSWORD}
    assert site.ask("POST", "/api/v1/operator/add", body)[0] == 200
    until(
        lambda: [one for one in site.service.events("operation_done") if one["operation"] == "operator.add"],
        "the event",
    )
    kept = site.service.folder / "Operators"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    for path in [kept, *site.service.folder.joinpath("Logs").rglob("*.jsonl"), site.service.folder / "err"]:
        text = path.read_text()
        assert secret not in text
        assert PASSWORD not in text
    assert site.service.errors() == ""


def test_an_operator_signs_in_and_a_new_password_ends_the_session(site: Administered) -> None:
    site.service.run("operator", "add", "bea", "--role", "administrator", typed=f"{PASSWORD}\n")
    status, place, cookie = post_form(site, "/login", name="bea", password=PASSWORD, next="/x")
    assert (status, place) == (303, "/x")
    assert (
        site.ask("GET", "/api/v1/status", headers={"Cookie": cookie}, token=" ")[0] == 401
    )  # a header that is wrong counts
    bare = Administered(site.service, site.port)
    assert bare.ask("GET", "/api/v1/status", headers={"Cookie": cookie})[0] == 200
    assert bare.ask("POST", "/api/v1/settings/reload", {}, headers={"Cookie": cookie})[0] == 403
    site.service.run("operator", "password", "bea", typed="another long password\n")
    assert bare.ask("GET", "/api/v1/status", headers={"Cookie": cookie})[0] == 401
    until(lambda: site.service.events("operator_signed_in"), "the event of the sign-in")


def test_a_token_that_is_revoked_counts_no_more(site: Administered) -> None:
    made = site.service.ask("token", "create", "brief", "--role", "viewer")
    assert site.ask("GET", "/api/v1/status", token=made["token"])[0] == 200
    assert site.ask("POST", "/api/v1/settings/reload", {}, token=made["token"])[0] == 403
    site.service.run("token", "revoke", "brief")
    assert site.ask("GET", "/api/v1/status", token=made["token"])[0] == 401


def test_the_last_administrator_stays(tmp_path: Path) -> None:
    with administering(tmp_path) as site:
        site.service.run("operator", "add", "ann", "--role", "administrator", typed=f"{PASSWORD}\n")
        assert site.ask("POST", "/api/v1/operator/remove", {"name": "ann"})[0] == 409
        assert site.ask("POST", "/api/v1/operator/role", {"name": "ann", "role": "viewer"})[0] == 409
        assert site.ask("POST", "/api/v1/operator/remove", {"name": "nobody"})[0] == 404
        assert (
            site.ask("POST", "/api/v1/operator/add", {"name": "ann", "role": "viewer", "password": PASSWORD})[0] == 409
        )
        assert site.ask("POST", "/api/v1/operator/add", {"name": "a", "role": "king", "password": PASSWORD})[0] == 422
        assert site.ask("POST", "/api/v1/operator/add", {"name": "a", "role": "viewer", "password": "short"})[0] == 422
        assert (
            site.ask("POST", "/api/v1/operator/add", {"name": "a b", "role": "viewer", "password": PASSWORD})[0] == 422
        )


def test_the_set_up_code_makes_the_first_administrator_once(tmp_path: Path) -> None:
    with administering(tmp_path) as site:
        file = tmp_path / "Operators.setup"
        until(file.exists, "the set-up code")
        code = file.read_text().strip()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert post_form(site, "/setup", code="wrong", name="ann", password=PASSWORD)[0] == 422
        assert post_form(site, "/setup", code=code, name="ann", password="short")[0] == 422
        status, place, cookie = post_form(site, "/setup", code=code, name="ann", password=PASSWORD)
        assert (status, place) == (303, "/")
        assert cookie
        assert not file.exists()
        assert post_form(site, "/setup", code=code, name="eve", password=PASSWORD)[0] == 422
        assert [row["name"] for row in site.service.ask("operator", "list")] == ["ann"]
        assert code not in (tmp_path / "out").read_text() + site.service.errors()
        added = [row for row in record(site) if row["operation"] == "operator.add"]
        assert [(row["who"], row["face"]) for row in added] == [("ann", "console")]


def test_mail_goes_on_where_the_port_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        made = administered(tmp_path)
        taken.bind(("127.0.0.1", made.port))
        taken.listen()
        try:
            made.service.start()
            made.service.send()
            until(made.service.dropped, "the message in Drop")
            (event,) = until(lambda: made.service.events("admin_failed"), "the event")
            assert str(made.port) in event["address"]
            assert "admin.listen" in made.service.errors()
            assert "console" not in (tmp_path / "out").read_text()
        finally:
            made.service.stop()


def test_the_administration_that_dies_is_replaced_and_mail_does_not_notice(tmp_path: Path) -> None:
    with administering(tmp_path) as site:
        assert site.service.process is not None
        workers = {row["pid"] for row in site.service.ask("status")["workers"]}
        (victim,) = set(children(site.service.process.pid)) - workers
        os.kill(victim, signal.SIGKILL)
        site.service.send()
        until(site.service.dropped, "the message in Drop")
        until(lambda: site.answers() and site.ask("GET", "/api/v1/status")[0] == 200, "its successor", 60)
        assert set(children(site.service.process.pid)) >= workers
        until(lambda: site.service.events("admin_failed"), "the event")


def test_a_certificate_makes_it_speak_tls(tmp_path: Path) -> None:
    plain = service(tmp_path)
    plain.file.write_text(plain.settings)
    plain.run("certificate", "new", "mail.local.test")
    pem = next((tmp_path / "Certificates").glob("*.pem"))
    with administering(tmp_path, admin=f'certificate = "{pem}"\n') as site:
        assert f"console https://127.0.0.1:{site.port}/" in (tmp_path / "out").read_text()
        status, _, headers = site.ask("GET", "/api/v1/status")
        assert status == 200
        assert "max-age" in headers["Strict-Transport-Security"]
        site.service.run("operator", "add", "ann", "--role", "administrator", typed=f"{PASSWORD}\n")
        assert post_form(site, "/login", name="ann", password=PASSWORD)[2].startswith("__Host-mailroot=")


def test_behind_a_proxy_people_sign_in_at_the_public_address(tmp_path: Path) -> None:
    with administering(tmp_path, admin='public_url = "https://console.example.com"\n') as site:
        site.service.run("operator", "add", "ann", "--role", "administrator", typed=f"{PASSWORD}\n")
        form = urlencode({"name": "ann", "password": PASSWORD})
        seen = {}
        for origin in ("https://console.example.com", f"http://127.0.0.1:{site.port}"):
            connection = site.connection()
            connection.request("POST", "/login", form, {**FORM, "Origin": origin, "Sec-Fetch-Site": "same-origin"})
            answer = connection.getresponse()
            seen[origin] = answer.status, answer.headers.get("Set-Cookie", "")[:16]
            connection.close()
        assert list(seen.values()) == [(303, "__Host-mailroot="), (403, "")]


def test_a_client_that_is_slow_is_let_go_and_others_are_served(site: Administered) -> None:
    slow = [socket.create_connection(("127.0.0.1", site.port)) for _ in range(20)]
    begun = time.monotonic()
    try:
        for number, one in enumerate(slow):
            one.sendall(
                b"POST /login HTTP/1.1\r\nHost: x\r\n" + (b"Content-Length: 99\r\n\r\nna" if number % 2 else b"X: ")
            )
        assert site.ask("GET", "/health")[0] == 200
        for one in slow:
            one.settimeout(120)
            while one.recv(4096):
                pass
        assert time.monotonic() - begun > 10  # they had some time
    finally:
        for one in slow:
            one.close()


def test_a_head_without_end_is_refused(site: Administered) -> None:
    with socket.create_connection(("127.0.0.1", site.port), timeout=60) as client:
        # One octet too many: all of it is read, so that nothing left unread costs us the answer.
        client.sendall(b"GET / HTTP/1.1\r\nX: ".ljust(320 * 1024 + 1, b"x"))
        assert client.recv(4096).startswith(b"HTTP/1.1 400")
