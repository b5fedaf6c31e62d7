"""What the options of DKIM ask of each other and of the domains that they are for."""

from collections.abc import Iterator

from mailroot.settings.declared import key_text
from mailroot.settings.dkim import DkimKey
from mailroot.settings.places import is_name
from mailroot.settings.problem import Problem
from mailroot.settings.service import Settings
from mailroot.settings.virtualserver import VirtualServer


def keys_in(settings: Settings) -> Iterator[tuple[str, str, str, DkimKey]]:
    """Every key with its virtual server, its domain and its selector."""
    for server, virtual in settings.servers.items():
        for name, domain in virtual.domains.items():
            for selector, key in domain.dkim.items():
                yield server, name, selector, key


def dkim_checks(key: str, server: VirtualServer) -> Iterator[Problem]:
    """Every problem of a server's keys."""
    for name, domain in server.domains.items():
        for selector, one in domain.dkim.items():
            path = key_text(("servers", key, "domains", name, "dkim", selector))
            if name.startswith("*."):
                yield Problem(path, "", "a key is for one domain", f"put it under {name[2:]}, which signs for it too")
            elif not is_name(selector.lower()):
                yield Problem(path, "", "the selector is part of a name in DNS", 'write one such as "r202612"')
            elif not one.key:
                yield Problem(f"{path}.key_file", '""', "the key is missing", f"./mailroot dkim new {name}")
