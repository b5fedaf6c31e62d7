"""What is done to all that waits for one destination, by whom it may be done, and to whom not."""

import smtplib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.live.administering import Administered, administering
from tests.live.running import Service, free_port, running, until
from tests.live.test_operations import WAITING, fill
from tests.live.test_queue_operations import tried

# Two ways on which nobody answers, and a domain that goes the first one under another name.
FIRST, SECOND = "[127.0.0.1]:1", "[127.0.0.1]:2"
WAYS = (
    WAITING
    + WAITING.replace("waiting.test", "also.test")
    + WAITING.replace("waiting.test", "second.test").replace(":1", ":2")
)


def recipients(service: Service, *words: str) -> set[str]:
    return {row["recipient"] for row in service.ask("queue", "list", *words)}


def send(service: Service, *names: str) -> None:
    with service.connect() as client:
        for name in names:
            client.sendmail("a@local.test", [name], "Subject: x\r\n\r\nx\r\n")


def destinations(service: Service) -> dict[str, int]:
    return {row["destination"]: row["recipients"] for row in service.ask("queue", "destinations")}


def test_a_destination_is_a_filter_of_lists_and_of_all_that_is_done(tmp_path: Path) -> None:
    with running(tmp_path, WAYS, workers=2) as service:
        fill(service, messages=1, recipients=3)
        send(service, "one@also.test", "two@second.test")
        everybody = {row["recipient"] for row in tried(service)}
        assert until(lambda: destinations(service) == {FIRST: 13, SECOND: 1} or None, "the destinations")
        assert recipients(service, "--destination", SECOND) == {"two@second.test"}
        assert recipients(service, "--destination", FIRST) == everybody - {"two@second.test"}
        assert recipients(service, "--destination", FIRST, "--domain", "also.test") == {"one@also.test"}
        assert recipients(service, "--destination", "waiting.test") == set()
        assert service.ask("queue", "freeze", "--destination", FIRST)["recipients"] == 13
        assert recipients(service, "--frozen") == everybody - {"two@second.test"}
        assert service.ask("queue", "thaw", "--destination", FIRST)["recipients"] == 13
        tried(service)
        assert service.ask("queue", "retry", "--destination", SECOND)["recipients"] == 1
        tried(service)
        assert service.ask("queue", "bounce", "--destination", SECOND)["recipients"] == 1
        until(service.dropped, "the report")
        assert service.ask("queue", "remove", "--destination", FIRST.lower())["recipients"] == 13
        assert service.ask("queue", "list") == []
        gone = service.run("queue", "remove", "--destination", FIRST, check=False)
        assert gone.returncode == 1 and "nobody of that selection waits" in gone.stderr


def test_who_was_sent_another_way_goes_there_and_not_where_others_of_the_domain_go(tmp_path: Path) -> None:
    with running(tmp_path, WAYS) as service:
        send(service, "one@waiting.test", "two@waiting.test")
        tried(service)
        service.ask("queue", "freeze", "--all")
        service.ask("queue", "reroute", "--recipient", "two@*", "--to", "Relay.test:26")
        assert recipients(service, "--destination", "relay.test:26") == {"two@waiting.test"}
        assert recipients(service, "--destination", FIRST) == {"one@waiting.test"}


def test_many_others_are_passed_over(tmp_path: Path) -> None:
    with running(tmp_path, WAYS, workers=1) as service:
        send(service, "first@second.test")
        fill(service, messages=4, recipients=90, sessions=6)
        send(service, "last@second.test")
        wanted = {"first@second.test", "last@second.test"}
        for words in ((), ("--descending",)):
            assert recipients(service, "--destination", SECOND, *words) == wanted
        tried(service)
        assert recipients(service, "--destination", SECOND, "--sort", "due") == wanted
        assert service.ask("queue", "remove", "--destination", SECOND)["recipients"] == 2
        assert len(service.ask("queue", "list")) == 2160


OTHER = """
[servers.other]
home = "Other"
general.bindings = ["127.0.0.1:{port}"]
access.relay.list = ["127.0.0.1"]
[servers.other.domains."other.test"]
type = "default"
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Administered]:
    port = free_port()
    more = WAYS + OTHER.format(port=port) + WAITING.replace("servers.default", "servers.other")
    with administering(tmp_path_factory.mktemp("destinations"), more) as made:
        send(made.service, "ann@waiting.test")
        with smtplib.SMTP("127.0.0.1", port, timeout=120) as client:
            client.sendmail("a@other.test", ["bob@waiting.test"], "Subject: x\r\n\r\nx\r\n")
        until(lambda: len(tried(made.service)) == 2, "both to wait")
        yield made


def operator(site: Administered, name: str, *servers: str) -> str:
    given = ("--server", ",".join(servers)) if servers else ()
    token: str = site.service.ask("token", "create", name, "--role", "operator", *given)["token"]
    return token


def seen(site: Administered, token: str, **wanted: str) -> set[str]:
    query = urlencode({"destination": FIRST, **wanted})
    status, page, _ = site.ask("GET", f"/api/v1/queue/list?{query}", token=token)
    assert status == 200, page
    return {row["recipient"] for row in page["rows"]}


def test_an_operator_of_one_virtual_server_acts_on_its_part_of_a_destination_alone(site: Administered) -> None:
    one, both = operator(site, "one", "other"), operator(site, "both", "default", "other")
    assert seen(site, one) == {"bob@waiting.test"}
    assert seen(site, both) == seen(site, site.token) == {"ann@waiting.test", "bob@waiting.test"}

    def freeze(token: str, **more: Any) -> tuple[int, Any]:
        status, said, _ = site.ask("POST", "/api/v1/queue/freeze", {"destination": FIRST, **more}, token=token)
        return status, said

    assert freeze(one, server="default")[0] == 403
    assert freeze(both)[0] == 403  # which of his is to be said
    assert freeze(one)[1]["recipients"] == 1
    assert recipients(site.service, "--frozen") == {"bob@waiting.test"}
    assert freeze(both, server="default")[1]["recipients"] == 1


def test_what_is_no_destination_is_refused(site: Administered) -> None:
    status, said, _ = site.ask("POST", "/api/v1/queue/remove", {"destination": "(others)"})
    assert status == 422 and "name one of them" in said["detail"]
    status, said, _ = site.ask("POST", "/api/v1/queue/remove", {"destination": ""})
    assert status == 422 and "give a key, a filter" in said["detail"]
    assert len(site.service.ask("queue", "list")) == 2
