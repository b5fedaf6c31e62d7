"""What operators see of the queue of a running service: in any order, by destination, page after page."""

from pathlib import Path
from typing import Any

from mailroot.edge.control import ask
from tests.live.running import Service, running, until
from tests.live.test_operations import WAITING, fill
from tests.live.test_queue_operations import SLOW, tried


def pages(service: Service, **arguments: Any) -> list[list[str]]:
    """The keys and recipients of all pages of a list, forwards."""
    found, after = [], ""
    while True:
        page = ask(service.file, "queue.list", {**arguments, "after": after})
        found.append([f"{row['key']} {row['recipient']}" for row in page["rows"]])
        after = page["next"]
        if not after:
            return found


def test_a_list_has_every_recipient_once_in_any_order_and_both_ways(tmp_path: Path) -> None:
    with running(tmp_path, WAITING + SLOW, workers=2) as service:
        fill(service, messages=2, recipients=5)
        rows = tried(service)
        everybody = sorted(f"{row['key']} {row['recipient']}" for row in rows)
        for sort in ("arrived", "due", "attempts"):
            for descending in (False, True):
                there = pages(service, sort=sort, descending=descending, limit=7)
                assert sorted(one for page in there for one in page) == everybody, (sort, descending)
                (whole,) = pages(service, sort=sort, descending=descending)
                assert [one for page in there for one in page] == whole
        dues = [row["due"] for row in service.ask("queue", "list", "--sort", "due")]
        assert dues == sorted(dues)
        first = ask(service.file, "queue.list", {"sort": "due", "limit": 7})
        second = ask(service.file, "queue.list", {"sort": "due", "limit": 7, "after": first["next"]})
        back = ask(service.file, "queue.list", {"sort": "due", "limit": 7, "before": second["previous"]})
        assert back["rows"] == first["rows"] and back["previous"] == "" and back["next"] == second["previous"]
        assert ask(service.file, "queue.list", {"limit": 3})["total"] == len(everybody)


def test_what_waits_is_told_by_destination(tmp_path: Path) -> None:
    with running(tmp_path, WAITING + SLOW, workers=2) as service:
        fill(service, messages=2, recipients=5)
        service.send("big@slow.test", "Subject: x\r\n\r\n" + "x" * 70 * 1000 + "\r\n")
        count = len(tried(service))

        def told() -> Any:
            rows = service.ask("queue", "destinations")
            return sum(row["recipients"] for row in rows) == count and all(row["last"] for row in rows) and rows

        rows = until(told, "the destinations")
        slow = next(row for row in rows if "[127.0.0.1]:1" in row["destination"])
        assert slow["messages"] >= 1 and slow["attempts"] >= 1 and slow["next"] and slow["oldest"]
        assert [row["recipients"] for row in rows] == sorted((row["recipients"] for row in rows), reverse=True)
        found = service.ask("queue", "destinations", "--text", "127.0.0.1]:1", "--sort", "destination")
        assert found[0]["destination"] == min(row["destination"] for row in rows if ":1" in row["destination"])
        page = ask(service.file, "queue.destinations", {"limit": 1})
        assert len(page["rows"]) == 1 and page["total"] == len(rows) and page["total_exact"] is True
        wrong = service.run("queue", "destinations", "--sort", "colour", check=False)
        assert wrong.returncode == 1 and "sort: one of recipients" in wrong.stderr


def test_text_is_found_wherever_it_stands(tmp_path: Path) -> None:
    with running(tmp_path, WAITING, workers=1) as service:
        fill(service, messages=2, recipients=3, sessions=1)
        tried(service)
        assert len(service.ask("queue", "list", "--text", "R0-0")) == len(
            service.ask("queue", "list", "--text", "r0-0")
        )
        assert service.ask("queue", "list", "--text", "nobody says this") == []
        assert service.ask("queue", "remove", "--text", "nobody says this", "--all")["recipients"] == 0
        lost = ask(service.file, "queue.list", {"text": "@", "limit": 2})
        assert len(lost["rows"]) == 2 and lost["total_exact"] is False
