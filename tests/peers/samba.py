"""Samba's winbindd of the tests' own: a server that stands alone, with a user whose password is its own.

winbindd and ntlm_auth meet at a socket in one place of the machine; where one is there already, nothing is started.
"""

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HOST, USER, PASSWORD = "MAILBOX", "daemon", "correct horse"

_SOCKETS = Path("/run/samba/winbindd")
_OURS = """\
[global]
 workgroup = HOME
 netbios name = {host}
 server role = standalone server
 passdb backend = tdbsam:{folder}/passdb.tdb
 private dir = {folder}
 lock directory = {folder}
 state directory = {folder}
 cache directory = {folder}
 pid directory = {folder}
 ncalrpc dir = {folder}/rpc
 log file = {folder}/log
 interfaces = lo
 bind interfaces only = yes
 map to guest = never
"""


@contextlib.contextmanager
def winbind(program: Callable[[str], str]) -> Iterator[Path]:
    """The path of an ntlm_auth that asks a winbindd which runs while the block does."""
    names = {name: program(name) for name in ("winbindd", "ntlm_auth", "pdbedit")}
    if _SOCKETS.exists():
        pytest.skip("a winbindd of the machine's own is here")
    folder = Path(tempfile.mkdtemp(prefix="samba-"))
    settings = folder / "smb.conf"
    settings.write_text(_OURS.format(folder=folder, host=HOST))
    ntlm_auth = folder / "ntlm_auth"
    ntlm_auth.write_text(f'#!/bin/sh\nexec {names["ntlm_auth"]} --configfile={settings} "$@"\n')
    ntlm_auth.chmod(0o755)
    command = [names["winbindd"], f"--configfile={settings}", "--foreground", "--no-process-group", "--debug-stdout"]
    process = None
    try:
        subprocess.run(
            [names["pdbedit"], f"--configfile={settings}", "--create", "--password-from-stdin", f"--user={USER}"],
            input=f"{PASSWORD}\n{PASSWORD}\n".encode(),
            check=True,
            capture_output=True,
            timeout=120,
        )
        _SOCKETS.parent.mkdir(exist_ok=True)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _wait_until_it_knows(ntlm_auth)
        yield ntlm_auth
    finally:
        if process is not None:
            process.terminate()
            process.wait(120)
        shutil.rmtree(folder)
        shutil.rmtree(_SOCKETS, ignore_errors=True)


def _wait_until_it_knows(ntlm_auth: Path) -> None:
    end = time.monotonic() + 120
    command = [str(ntlm_auth), f"--username={USER}", f"--domain={HOST}", f"--password={PASSWORD}"]
    while subprocess.run(command, capture_output=True, timeout=120, check=False).returncode:
        if time.monotonic() > end:
            raise AssertionError("winbindd does not answer")
        time.sleep(0.1)
