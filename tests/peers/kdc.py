"""A realm of the tests' own: MIT Kerberos' KDC on loopback, in a temporary folder, with nothing of the machine's."""

import importlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from tests.live.running import PATIENCE, free_port

REALM = "THERE.EXAMPLE"

_SYSTEM = "/usr/lib/python3/dist-packages"


def gssapi_module() -> ModuleType:
    """The library that the extra `kerberos` brings, or Debian's python3-gssapi; without it, as without a program."""
    sys.path.append(_SYSTEM)
    try:
        return importlib.import_module("gssapi")
    except ImportError:
        outcome = pytest.fail if os.environ.get("CI") else pytest.skip
        outcome("gssapi is not installed (tools/install-debian installs it)")
    finally:
        sys.path.remove(_SYSTEM)


class Kdc:
    """`environment` is what a process needs to be of this realm; a program's name is found by `program`."""

    def __init__(self, folder: Path, program: Callable[[str], str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._program = program
        self._port = free_port()
        self.configuration = folder / "krb5.conf"
        self.configuration.write_text(
            f"[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n"
            " rdns = false\n dns_canonicalize_hostname = false\n udp_preference_limit = 1\n"
            f"[realms]\n {REALM} = {{\n  kdc = 127.0.0.1:{self._port}\n }}\n"
            f"[domain_realm]\n .there.example = {REALM}\n localhost = {REALM}\n"
        )
        (folder / "kdc.conf").write_text(
            f"[kdcdefaults]\n kdc_listen = 127.0.0.1:{self._port}\n kdc_tcp_listen = 127.0.0.1:{self._port}\n"
            f"[realms]\n {REALM} = {{\n  database_name = {folder}/principal\n  key_stash_file = {folder}/stash\n"
            f"  acl_file = {folder}/acl\n  max_life = 1h\n }}\n[logging]\n kdc = FILE:{folder}/kdc.log\n"
        )
        self._run("kdb5_util", "create", "-s", "-r", REALM, "-P", "master")
        self._process = subprocess.Popen(
            [program("krb5kdc"), "-n"],
            env=os.environ | self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait()

    @property
    def environment(self) -> dict[str, str]:
        return {
            "KRB5_CONFIG": str(self.configuration),
            "KRB5_KDC_PROFILE": str(self.folder / "kdc.conf"),
            "KRB5CCNAME": f"FILE:{self.folder}/tickets",
            "KRB5RCACHENAME": "none:",
        }

    def _run(self, name: str, *words: str) -> None:
        environment = os.environ | self.environment
        subprocess.run([self._program(name), *words], env=environment, check=True, capture_output=True, timeout=120)

    def _wait(self) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            assert self._process.poll() is None, f"the KDC ended with {self._process.returncode}"
            try:
                socket.create_connection(("127.0.0.1", self._port), PATIENCE).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError("the KDC does not listen")

    def user(self, name: str, password: str) -> str:
        """A principal with a password; its full name."""
        self._run("kadmin.local", "-r", REALM, "addprinc", "-pw", password, name)
        return f"{name}@{REALM}"

    def keytab(self, principal: str) -> Path:
        """A keytab with the random key of a new principal, such as smtp/host."""
        path = self.folder / f"{principal.replace('/', '-')}.keytab"
        self._run("kadmin.local", "-r", REALM, "addprinc", "-randkey", principal)
        self._run("kadmin.local", "-r", REALM, "ktadd", "-k", str(path), principal)
        return path

    def tickets(self, name: str, password: str) -> None:
        """Fill the credential cache that `environment` names, as a service's own."""
        command = [self._program("kinit"), f"{name}@{REALM}"]
        environment = os.environ | self.environment
        subprocess.run(
            command, input=f"{password}\n".encode(), env=environment, check=True, capture_output=True, timeout=30
        )

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(120)
        shutil.rmtree(self.folder, ignore_errors=True)
