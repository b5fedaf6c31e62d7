"""The service at a glance, and its past, as it keeps them by itself."""

from pathlib import Path
from typing import Any

from tests.live.running import running, until
from tests.live.test_operations import WAITING


def test_the_service_is_shown_at_a_glance(tmp_path: Path) -> None:
    with running(tmp_path, WAITING, workers=2) as service:
        service.send("ann@local.test")
        service.send("r@waiting.test")
        with service.connect() as client:
            client.ehlo("client.test")
            client.mail("a@local.test")
            assert client.rcpt("ann%elsewhere.test@local.test")[0] >= 500

            def shown() -> Any:
                found = service.ask("overview")
                (server,) = found["servers"]
                there = server["messages_delivered"] and server["queue_depth"] and found["destinations"]
                return there and found["latest_refusals"] and found

            found = until(shown, "the figures")
        (server,) = found["servers"]
        assert (server["server"], server["state"], server["messages_received"]) == ("default", "started", 2)
        assert server["inbound_connections_current"] == 1 and sum(server["refusals"].values()) == 1
        assert found["destinations"][0]["recipients"] == 1 and found["workers"] == 2
        assert found["latest_refusals"][0]["address"] == "127.0.0.1"


def test_figures_have_a_past_that_outlives_the_service(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        service.send("ann@local.test")

        def drawn(counter: str = "messages_received") -> list[float]:
            (line,) = service.ask("history", counter, "--from", "10m")["series"]
            return [value for value in line["values"] if value]

        assert sum(until(drawn, "the first figures")) > 0  # a second's share, however long the first cell is
        assert (tmp_path / "Logs" / "history" / "default.history").stat().st_mode & 0o777 == 0o600
        service.stop()
        service.start()
        assert until(drawn, "the figures of before")
        wrong = service.run("history", "nonsense", check=False)
        assert wrong.returncode == 1 and "counter: a counter, or one of throughput" in wrong.stderr
