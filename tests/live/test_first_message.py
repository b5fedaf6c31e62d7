"""The product's promise in one sitting: a message comes in by each way, and is in Drop."""

from pathlib import Path

import pytest

from tests.live.running import running, until


@pytest.mark.parametrize("workers", [1, 2])
def test_a_message_by_smtp_is_in_drop(tmp_path: Path, workers: int) -> None:
    with running(tmp_path, workers=workers) as service:
        service.send()
        (path,) = until(service.dropped, "the message in Drop")
        lines = path.read_bytes().split(b"\r\n")
    assert lines[:2] == [b"x-sender: sender@local.test", b"x-receiver: ann@local.test"]
    assert lines[-2] == b"Hello."


def test_a_message_by_pickup_is_in_drop(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        (service.home / "Pickup" / "first.txt").write_bytes(
            b"x-sender: a@local.test\r\nx-receiver: b@local.test\r\nSubject: x\r\n\r\nFrom a file.\r\n"
        )
        (path,) = until(service.dropped, "the message in Drop")
        assert b"From a file." in path.read_bytes()
        until(lambda: not list((service.home / "Pickup").iterdir()), "an empty Pickup folder")


def test_a_large_message_streams_through_files(tmp_path: Path) -> None:
    body = "Subject: large\r\n\r\n" + ("x" * 70 + "\r\n") * 14_000
    with running(tmp_path) as service:
        service.send(body=body)
        (path,) = until(service.dropped, "the message in Drop")
        assert path.read_bytes().endswith(body.partition("\r\n\r\n")[2].encode())
        until(lambda: not list((service.home / "Queue").glob("*/*.msg")), "the content's file to go")


def test_the_service_ends_in_good_order_and_starts_again(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        service.send()
        assert service.stop() == 0
        service.start()
        service.send()
        until(lambda: len(service.dropped()) == 2, "both messages")
    assert [event["event"] for event in service.events("service_stopped")]
