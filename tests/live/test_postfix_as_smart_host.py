"""Debian's Postfix as a smart host that wants TLS and an account, by Cyrus SASL."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.servers import Postfix
from tests.live.outside import relaying
from tests.live.running import free_port, until
from tests.peers.authority import Authority

HOST, USER, PASSWORD = "127.0.0.1", "app@there.example", "correct-horse"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="Postfix needs root")

MORE = """
mynetworks = 192.0.2.0/24
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_chain_files = {certificate}
smtpd_sasl_auth_enable = yes
smtpd_sasl_path = smtpd
smtpd_sasl_security_options = noanonymous
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
"""


class Closed(Postfix):
    """Takes mail inside TLS, from those who signed in by one mechanism."""

    def close_up(self, authority: Authority, mechanism: str, saslpasswd2: str) -> None:
        folder = self.config / "sasl"  # where Debian's Postfix looks for it
        folder.mkdir()
        accounts = folder / "accounts"
        name, realm = USER.split("@")
        command = [saslpasswd2, "-p", "-c", "-f", str(accounts), "-u", realm, name]
        subprocess.run(command, input=PASSWORD.encode(), check=True, timeout=120)
        shutil.chown(accounts, "postfix")
        (folder / "smtpd.conf").write_text(
            f"pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: {mechanism}\nsasldb_path: {accounts}\n"
        )
        more = MORE.format(certificate=authority.issue(HOST))
        with (self.config / "main.cf").open("a") as file:
            file.write(more)
        with (self.config / "master.cf").open("a") as file:
            file.write("tlsmgr unix - - n 1000? 1 tlsmgr\n")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that Postfix's accounts can reach."""
    made = Path(tempfile.mkdtemp(prefix="postfix-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@as_root
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"])
def test_postfix_lets_us_in(mechanism: str, folder: Path, tmp_path: Path, program) -> None:
    authority = Authority(tmp_path)
    postfix = Closed(folder / "server", free_port())
    postfix.close_up(authority, mechanism, program("saslpasswd2"))
    security = (
        f'[servers.default.delivery.security]\nauthentication = "basic"\nusername = "{USER}"\n'
        f'password = "{PASSWORD}"\ntls = "verify"\nca_file = "{authority.file}"\n'
    )
    postfix.start()
    try:
        delivery = f'smart_host = "[{HOST}]:{postfix.port}"\n{security}'
        with relaying(tmp_path / "service", delivery) as service:
            walked = json.loads(service.run("smarthost", "test", "default", "--json", check=False).stdout)
            assert walked["holds"], walked["steps"][-1]
            for _ in range(3):
                service.send("user@drop.example")
            until(lambda: postfix.delivered() == 3, "the mail at Postfix", 200)
            (step,) = [step for step in walked["steps"] if step["link"] == "sign-in"]
            assert step["said"] == f"{USER} by {mechanism}"
    finally:
        postfix.close()
