"""The counters of a running service: by command, by HTTP, over its workers and their deaths."""

import os
import signal
import smtplib
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.live.running import SETTINGS, Service, free_port, running, until


class Counted:
    """A service of two workers whose figures can be scraped."""

    def __init__(self, service: Service, port: int) -> None:
        self.service = service
        self.url = f"http://127.0.0.1:{port}"

    def sample(self, metric: str, **labels: str) -> float:
        """One sample of the exposition."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=120) as answer:
            text = answer.read().decode()
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        (found,) = [one.value for one in samples if one.name == metric and labels.items() <= one.labels.items()]
        return found

    def workers(self) -> list[int]:
        """The process ids of the workers; the endpoint is a child of the supervisor too."""
        return [row["pid"] for row in self.service.ask("status")["workers"]]


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counted]:
    port = free_port()
    settings = SETTINGS.replace("workers = {workers}", f'workers = {{workers}}\nmetrics = "127.0.0.1:{port}"')
    with running(tmp_path_factory.mktemp("counted"), workers=2, settings=settings) as service:
        yield Counted(service, port)


def test_messages_and_refusals_are_counted(counted: Counted) -> None:
    service, before = counted.service, counted.sample("mailroot_messages_received_total")
    for _ in range(4):
        service.send()
    with service.connect() as client, pytest.raises(smtplib.SMTPRecipientsRefused):
        client.sendmail("a@local.test", "no mailbox <", "x")
    received = lambda: counted.sample("mailroot_messages_received_total") == before + 4  # noqa: E731
    until(received, "the messages in the counts")
    delivered = lambda: counted.sample("mailroot_messages_delivered_total") == before + 4  # noqa: E731
    until(delivered, "the deliveries in the counts")
    committed = lambda: counted.sample("mailroot_stage_seconds_count", stage="commit") == before + 4  # noqa: E731
    until(committed, "the commits in the counts")
    assert counted.sample("mailroot_workers") == 2
    assert counted.sample("mailroot_memory_bytes") > 1_000_000
    until(lambda: counted.sample("mailroot_bytes_received_total") > 4 * 100, "octets in the counts")


def by_server(counted: Counted) -> dict[tuple[str, str], Any]:
    """The values by server and counter, as the command shows them."""
    return {(row["server"], row["counter"]): row["value"] for row in counted.service.ask("counters")}


def test_the_command_shows_the_predecessors_names_and_the_total(counted: Counted) -> None:
    counted.service.send()
    ended = lambda: by_server(counted)["default", "Inbound Connections Current"] == 0  # noqa: E731
    until(ended, "the end of all connections")
    by = by_server(counted)
    assert by["default", "Messages Received Total"] == by["_Total", "Messages Received Total"] >= 1
    assert by["_Total", "workers"] == 2
    assert {row["server"] for row in counted.service.ask("counters", "default")} == {"default"}


def test_what_waits_is_told_by_destination(counted: Counted) -> None:
    counted.service.run("set", "servers.default.delivery.smart_host", "[127.0.0.1]:1")
    with counted.service.connect() as client:
        client.sendmail("a@local.test", ["b@elsewhere.example", "c@elsewhere.example"], "Subject: x\r\n\r\nx\r\n")
    waits = lambda: counted.sample("mailroot_remote_retry_queue_length") == 2  # noqa: E731
    until(waits, "two recipients that wait for a retry")
    depth = lambda: counted.sample("mailroot_destination_depth", destination="[127.0.0.1]:1")  # noqa: E731
    until(lambda: depth() == 2, "the depth of the destination")
    until(lambda: counted.sample("mailroot_queue_depth") == 2, "the depth of the queue")
    until(lambda: counted.sample("mailroot_outbound_connections_refused_total") >= 1, "the refusal in the counts")
    until(lambda: counted.sample("mailroot_deferrals_total", subject="network") == 2, "the deferrals in the counts")


def test_counts_survive_the_death_of_their_worker(counted: Counted) -> None:
    counted.service.send()
    before = counted.sample("mailroot_messages_received_total")
    victims = counted.workers()
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    until(lambda: counted.sample("mailroot_worker_deaths_total") == len(victims), "the count of the dead")
    until(lambda: not set(victims) & set(counted.workers()), "the successors")
    assert counted.sample("mailroot_messages_received_total") == before
    counted.service.send()
    until(lambda: counted.sample("mailroot_messages_received_total") == before + 1, "the message in the counts")


def test_the_endpoint_comes_again_when_it_ends(counted: Counted) -> None:
    assert counted.service.process is not None
    supervisor = counted.service.process.pid
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    (endpoint,) = {int(pid) for pid in children} - set(counted.workers())
    os.kill(endpoint, signal.SIGKILL)

    def answers() -> bool:
        try:
            return counted.sample("mailroot_workers") > 0
        except (urllib.error.URLError, OSError):
            return False

    until(lambda: not Path(f"/proc/{endpoint}").exists() and answers(), "the endpoint's successor")


def test_a_port_that_is_taken_is_told_by_the_options_name(counted: Counted, tmp_path: Path) -> None:
    port = counted.url.rpartition(":")[2]
    settings = SETTINGS.replace("workers = {workers}", f'workers = {{workers}}\nmetrics = "127.0.0.1:{port}"')
    other = Service(tmp_path, settings.format(port=free_port(), workers=1), 0)
    other.start(ready=False)
    assert other.process is not None
    assert other.process.wait(120) == 1
    assert f"service.metrics: cannot listen on 127.0.0.1:{port}" in other.errors()
