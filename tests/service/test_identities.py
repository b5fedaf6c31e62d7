"""Certificates while the service runs: noticed when their files change, and refused when they cannot be used."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailroot.edge.sharedboard import SharedBoard
from mailroot.edge.sharedcounts import SharedCounts
from mailroot.edge.tls.contexts import ServerTls
from mailroot.edge.tls.identity import key_pem, new_key, self_signed
from mailroot.mail.faults import Misconfigured
from mailroot.service.life.identities import IdentityWatch, present, wanted
from mailroot.service.life.state import State
from mailroot.settings.service import Settings
from mailroot.settings.virtualserver import Access, Delivery, NamedCertificate, TlsOffer, TlsVersion, VirtualServer
from tests.service.working import until


def write(path: Path, name: str, age: timedelta = timedelta()) -> None:
    key = new_key()
    path.touch(0o600)
    path.write_bytes(key_pem(key) + self_signed(key, (name,), datetime.now(UTC) - age))


class Told:
    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, row: Any, **fields: object) -> None:
        self.events.append((row.name, fields))

    def names(self) -> list[str]:
        return [name for name, _ in self.events]


def settings(folder: Path, **access: Any) -> Settings:
    home, delivery = str(folder / "Mailroot"), Delivery(fqdn="mail.test")
    server = VirtualServer(home=home, access=Access(**access), delivery=delivery)
    return Settings(servers={"default": server}, folder=str(folder))


async def served(folder: Path, **access: Any) -> State:
    made = settings(folder, **access)
    state = State(
        made, SharedCounts(1, 8), SharedBoard(1, ("default",), time.monotonic), 1, tls={"default": ServerTls()}
    )
    await present(state, wanted(made))
    return state


def presented(state: State) -> set[str]:
    return {name for one in state.presented["default"][1].values() for name in one.names}


async def watched(state: State, change: Any, end: Any) -> Told:
    told = Told()
    watching = asyncio.ensure_future(IdentityWatch(state, told, asyncio.Lock()).run(0.01))
    await asyncio.sleep(0)
    change()
    await until(lambda: end(told))
    watching.cancel()
    return told


async def test_a_file_that_was_renewed_is_presented(tmp_path: Path) -> None:
    path = tmp_path / "mail.pem"
    write(path, "old.test")
    state = await served(tmp_path, certificate=str(path))
    told = await watched(state, lambda: write(path, "new.test"), lambda told: "certificates_presented" in told.names())
    assert presented(state) == {"new.test"}
    assert told.events[-1][1]["names"] == ("new.test",)


async def test_a_file_that_cannot_be_used_is_told_and_the_old_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "mail.pem"
    write(path, "old.test")
    state = await served(tmp_path, certificate=str(path))
    await watched(state, path.unlink, lambda told: "certificates_refused" in told.names())
    assert presented(state) == {"old.test"}


async def test_what_expires_soon_is_told_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "mail.pem"
    write(path, "old.test", timedelta(days=3640))
    state = await served(tmp_path, certificate=str(path))
    told = await watched(state, lambda: None, lambda told: told.events)
    assert told.names() == ["certificate_expires"]


async def test_a_certificate_of_its_own_is_kept_and_made_anew_for_another_name(tmp_path: Path) -> None:
    state = await served(tmp_path)
    first = state.presented["default"][1][""]
    assert wanted(settings(tmp_path))["default"][1][""] == first
    write(tmp_path / "Certificates" / "default.pem", "somebody.else.test")
    assert "somebody.else.test" not in wanted(settings(tmp_path))["default"][1][""].names


async def test_where_nothing_can_be_kept_the_certificate_lasts_as_long_as_the_service(tmp_path: Path) -> None:
    (tmp_path / "Certificates").write_text("no folder")
    assert presented(await served(tmp_path))


async def test_no_certificate_is_made_where_tls_is_off(tmp_path: Path) -> None:
    await served(tmp_path, tls=TlsOffer.OFF)
    assert not (tmp_path / "Certificates").exists()


@pytest.mark.parametrize(
    ("access", "said"),
    [
        ({"certificate": "none.pem"}, ".certificate: .*No such file"),
        ({"names": {"x.test": NamedCertificate("none.pem")}}, '.names."x.test".certificate: .*No such file'),
        ({"tls_ciphers": "NONSENSE"}, ": .*OpenSSL knows none of them"),
    ],
)
def test_what_cannot_be_presented_names_its_option(tmp_path: Path, access: dict[str, Any], said: str) -> None:
    with pytest.raises(Misconfigured, match=f"servers.default.access{said}"):
        wanted(settings(tmp_path, **access))


def test_old_versions_can_be_allowed(tmp_path: Path) -> None:
    for version in TlsVersion:
        assert wanted(settings(tmp_path, tls_minimum=version))
