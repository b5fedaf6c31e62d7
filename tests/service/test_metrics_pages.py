"""The endpoint's HTTP: GET and HEAD, bounded in all that a client can do."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from mailroot.service.measure import http
from mailroot.service.measure.http import Page, Pages, serve


async def figures() -> Page:
    return Page(200, b"figures 1\n", "text/plain; version=0.0.4")


@pytest.fixture
async def port() -> AsyncIterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    server = await serve(Pages({"/metrics": figures}), listener)
    yield listener.getsockname()[1]
    server.close()


async def said(port: int, request: bytes) -> bytes:
    """All that the server says to a request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await asyncio.wait_for(reader.read(), 60)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_a_page_comes_with_its_length_and_the_connection_ends(port: int) -> None:
    head, _, body = (await said(port, b"GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: 10\r\n" in head
    assert body == b"figures 1\n"


async def test_head_is_answered_without_the_body(port: int) -> None:
    answer = await said(port, b"HEAD /metrics HTTP/1.1\r\n\r\n")
    assert b"Content-Length: 10" in answer and answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("request_line", "code"),
    [
        (b"GET /other HTTP/1.1", b"404"),
        (b"POST /metrics HTTP/1.1", b"405"),
        (b"GET /\xff HTTP/1.1", b"404"),
        (b"HELO you", b"400"),
        (b"GET /metrics", b"400"),
        (b"", b"400"),
    ],
)
async def test_what_is_no_request_for_a_page_is_refused(port: int, request_line: bytes, code: bytes) -> None:
    assert (await said(port, request_line + b"\r\n\r\n")).startswith(b"HTTP/1.1 " + code)


async def test_a_request_without_end_is_cut(port: int) -> None:
    assert await said(port, b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 20_000) == b""


async def test_a_slow_client_is_cut(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_PATIENCE", 0.05)
    assert await said(port, b"GET /metrics") == b""


async def test_clients_are_bounded(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_MOST_CLIENTS", 0)
    assert (await said(port, b"GET /metrics HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 503")
