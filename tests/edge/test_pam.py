"""The machine's accounts by PAM, with rules that exist for the test only."""

import os
import time
from pathlib import Path

import pytest

from mailroot.edge.accounts.eventime import even
from mailroot.edge.accounts.pam import PamAccounts, authenticate
from mailroot.edge.boundedpool import BoundedPool
from mailroot.mail.faults import Unavailable
from tests.peers.machine import pam_service

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes rules for PAM")


@only_root
def test_the_rules_decide(tmp_path: Path) -> None:
    with pam_service(tmp_path) as service:
        assert authenticate("bob", "sesame", service) is True
        assert authenticate("bob", "wrong", service) is False
        assert authenticate("eve", "sesame", service) is False


@only_root
@pytest.mark.parametrize(
    "rules", ["auth required pam_deny.so", "auth required pam_permit.so\naccount required pam_deny.so"]
)
def test_a_refusal_of_any_kind_is_one(tmp_path: Path, rules: str) -> None:
    with pam_service(tmp_path) as service:
        Path("/etc/pam.d", service).write_text(f"{rules}\n")
        assert authenticate("bob", "sesame", service) is False


@only_root
def test_a_failure_keeps_no_thread_asleep(tmp_path: Path) -> None:
    with pam_service(tmp_path) as service:
        rules = Path("/etc/pam.d", service)
        rules.write_text(f"auth optional pam_faildelay.so delay=20000000\n{rules.read_text()}")
        begun = time.monotonic()
        assert authenticate("bob", "wrong", service) is False
        assert time.monotonic() - begun < 10


def test_without_rules_nothing_is_asked() -> None:
    with pytest.raises(Unavailable, match=r"pam\.d/mailroot-none"):
        authenticate("root", "x", "mailroot-none")


@pytest.mark.parametrize(
    ("name", "password"), [("", "x"), ("a\0b", "x"), ("a", "x\0"), ("\udcff", "x"), ("a", "\udcff")]
)
def test_what_c_cannot_hold_is_refused(name: str, password: str) -> None:
    assert authenticate(name, password, "mailroot-none") is False


@only_root
async def test_the_default_domain_is_put_before_a_name(tmp_path: Path) -> None:
    pool = BoundedPool("PAM", 1, 4, 20.0)
    with pam_service(tmp_path) as service:
        (tmp_path / "decide").write_text("#!/bin/sh\n[ \"$PAM_USER\" = 'HOME\\bob' ]\n")
        assert await PamAccounts(pool, "HOME", 0.0, service).check("bob", "x") is True
        assert await PamAccounts(pool, "", 0.0, service).check("bob", "x") is False
    pool.close()


async def test_G08_refusals_come_after_the_same_time_and_answers_at_once() -> None:
    async def found(right: bool) -> bool:
        return right

    begun = time.monotonic()
    assert await even(found(True), lambda right: not right, 30.0) is True
    assert time.monotonic() - begun < 10
    begun = time.monotonic()
    assert await even(found(False), lambda right: not right, 0.2) is False
    assert time.monotonic() - begun >= 0.19
