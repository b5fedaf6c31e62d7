"""Where the service of this machine takes mail: found in the settings file, without the time that it takes to check it.

A settings file that others must not read is no obstacle: port 25 of this machine is where mail servers listen.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mailroot.cli.entry import DEFAULT_FILE
from mailroot.mail.faults import Misconfigured

_CONFIG = "MAILROOT_CONFIG"
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
# What a service has that was started without a settings file (`settings.quickstart`).
_QUICK_START = {"servers": {"default": {"home": "Mailroot", "general": {"bindings": ["127.0.0.1:2525"]}}}}
_RECIPIENTS = 100


@dataclass(frozen=True, slots=True)
class Place:
    """A virtual server, as a program on its machine reaches it.

    `smtp` is its address and port. `pickup` is its Pickup folder, None where nothing is known of it. `domain` is what
    local addresses end in. One transaction may have `recipients` of them, 0 any number.
    """

    file: Path
    smtp: tuple[str, int] = ("127.0.0.1", 25)
    pickup: Path | None = None
    domain: str = ""
    recipients: int = _RECIPIENTS


def find(config: str, server: str, root: str = "/") -> Place:
    """The place that the settings name; that of the quick start where there are none. Raises `Misconfigured`.

    The file is the one that is named, by an option or by MAILROOT_CONFIG, or ./mailroot.toml, or that of the system.
    """
    named = config or os.environ.get(_CONFIG, "")
    candidates = [Path(named)] if named else [Path(DEFAULT_FILE), Path(root, "etc/mailroot", DEFAULT_FILE)]
    file = next((path for path in candidates if path.exists()), candidates[0])
    try:
        table: Mapping[str, Any] = tomllib.loads(file.read_text("utf-8-sig"))
    except FileNotFoundError as fault:
        if named:
            raise Misconfigured(f"{file}: {fault.strerror}") from fault
        table = _QUICK_START
    except PermissionError:
        return Place(file)
    except (OSError, ValueError) as fault:
        raise Misconfigured(f"{file}: {fault}") from fault
    try:
        return _place(file, table, server)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as fault:
        raise Misconfigured(f"{file}: run mailroot check-config") from fault


def _place(file: Path, table: Mapping[str, Any], wanted: str) -> Place:
    servers = table.get("servers") or {"default": {}}
    if wanted and wanted not in servers:
        raise Misconfigured(f"--server {wanted}: {file} has {', '.join(servers)}")
    usable = (one for one in servers.values() if one.get("start") != "disabled")
    server = servers[wanted] if wanted else next(usable, next(iter(servers.values())))
    bindings = server.get("general", {}).get("bindings", ["0.0.0.0:25"])
    host, _, port = bindings[0].rpartition(":")
    address = host.strip("[]")
    domains = server.get("domains", {})
    return Place(
        file,
        (_EVERYWHERE.get(address, address), int(port)),
        Path(file.parent, server.get("home", "Mailroot"), "Pickup") if _takes_pickup(server) else None,
        next((name for name, domain in domains.items() if domain.get("type") == "default"), ""),
        server.get("messages", {}).get("recipient_limit", _RECIPIENTS),
    )


def _takes_pickup(server: Mapping[str, Any]) -> bool:
    return bool(server.get("pickup", {}).get("enabled", True))
