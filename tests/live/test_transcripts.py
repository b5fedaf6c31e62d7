"""The golden dialogues on real sockets of a real service; those that share settings share a service."""

import contextlib
import itertools
import socket
import ssl
from pathlib import Path
from typing import IO

import pytest

from tests.dialogue import Script, matches, scripts
from tests.live.running import PATIENCE, Service, running

SETTINGS = """\
[service]
workers = {{workers}}

[servers.default]
home = "Mailroot"

[servers.default.general]
bindings = ["127.0.0.1:{{port}}"]
error_limit = {error_limit}

[servers.default.messages]
size_limit = "{size_limit}B"
session_limit = "{session_limit}B"
recipient_limit = {recipient_limit}
bare_newline = "{bare_newline}"

[servers.default.access]
tls = "{tls}"

[servers.default.access.relay]
mode = "{relay}"
list = []

[servers.default.delivery]
fqdn = "mail.example.test"

[servers.default.domains."local.test"]
type = "default"
"""
CLIENT_TLS = ssl._create_unverified_context()  # the certificate is the server's own
_DEFAULTS = {"error_limit": 20, "size_limit": 0, "session_limit": 0, "recipient_limit": 0}


def _settings(script: Script) -> str:
    values = _DEFAULTS | {name: value for name, value in script.settings.items() if name in _DEFAULTS}
    reject = script.settings.get("reject_bare_newline", False)
    relay = "all-except" if script.policy == "all" else "only"
    tls = "require" if script.settings.get("tls_required") else "offer" if script.settings.get("starttls") else "off"
    return SETTINGS.format(relay=relay, tls=tls, bare_newline="reject" if reject else "normalize", **values)


def _on_sockets() -> list[Script]:
    """All but those that need what no setting gives, or that are about a moment before the greeting."""
    needless = {"strict_pipelining", "mechanisms", "auth_needs_tls", "holds", "turns"}
    return [one for one in scripts() if not one.turns[0].send and needless.isdisjoint(one.settings)]


GROUPS = [list(group) for _, group in itertools.groupby(sorted(_on_sockets(), key=_settings), _settings)]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: "-".join(one.name for one in group))
def test_dialogues_go_as_written_on_a_socket(group: list[Script], tmp_path: Path) -> None:
    with running(tmp_path, settings=_settings(group[0])) as service:
        for script in group:
            _converse(script, service)


def _converse(script: Script, service: Service) -> None:
    with contextlib.ExitStack() as open_:
        client = open_.enter_context(socket.create_connection(("127.0.0.1", service.port), PATIENCE))
        replies = open_.enter_context(client.makefile("rb"))
        for turn in script.turns:
            if turn.handshake:
                client = open_.enter_context(CLIENT_TLS.wrap_socket(client))
                replies = open_.enter_context(client.makefile("rb"))
            client.sendall(turn.send)
            if turn.lost:
                client.shutdown(socket.SHUT_WR)
            where = f"{script.name} after {turn.send[:200]!r}"
            for expected in turn.expect:
                line = replies.readline().decode().removesuffix("\r\n")
                assert matches(expected, line), f"{where}: {line!r} instead of {expected!r}"
            if turn.closes or turn.lost:
                assert _rest(replies) == b"", where


def _rest(replies: IO[bytes]) -> bytes:
    """What comes before the end. A server that closes while input is unread may reset the connection: no more comes."""
    try:
        return replies.read() or b""
    except ConnectionResetError:
        return b""
