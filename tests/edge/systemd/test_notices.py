"""What systemd is told, heard at the other end."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailroot.edge.systemd.notices import Notices


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind(str(tmp_path / "notify"))
        one.settimeout(60)
        yield one


def told(systemd: socket.socket) -> list[str]:
    return systemd.recv(4096).decode().split("\n")


def test_each_state_is_one_message(systemd: socket.socket) -> None:
    notices = Notices(systemd.getsockname())
    notices.ready("2 workers")
    assert told(systemd) == ["READY=1", "STATUS=2 workers"]
    notices.reloading()
    state, moment = told(systemd)
    assert state == "RELOADING=1"
    assert moment.removeprefix("MONOTONIC_USEC=").isdigit()
    notices.stopping()
    assert told(systemd)[0] == "STOPPING=1"


def test_an_abstract_address_is_spoken_to_as_well() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.settimeout(60)
        one.bind(f"\0mailroot-test-{os.getpid()}")
        Notices(f"@mailroot-test-{os.getpid()}").ready("x")
        assert told(one)[0] == "READY=1"


async def test_it_says_that_it_is_alive_three_times_within_the_watchdogs_patience(systemd: socket.socket) -> None:
    saying = asyncio.create_task(Notices(systemd.getsockname(), patience=0.03).keep_alive())
    for _ in range(3):
        assert await asyncio.to_thread(told, systemd) == ["WATCHDOG=1"]
    saying.cancel()


async def test_without_a_watchdog_nothing_is_said() -> None:
    await Notices("@nobody").keep_alive()


def test_nobody_there_is_no_fault(tmp_path: Path) -> None:
    for address in ("", str(tmp_path / "nobody"), "@mailroot-nobody"):
        Notices(address).ready("x")


def test_the_environment_is_taken_and_children_are_not_led_astray() -> None:
    environment = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid()), "A": "b"}
    assert Notices.taken(environment) == Notices("/run/x", 60.0)
    assert environment == {"A": "b"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Notices()),
        ({"NOTIFY_SOCKET": "vsock:2:1234"}, Notices()),
        ({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "soon"}, Notices("@x")),
        ({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}, Notices("@x")),
        ({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "1000000"}, Notices("@x", 1.0)),
    ],
)
def test_what_is_not_meant_for_us_is_left_alone(environment: dict[str, str], expected: Notices) -> None:
    assert Notices.taken(environment) == expected
