"""Accounts of the machine for tests: a rule of PAM's, and a program that speaks as Samba's ntlm_auth does.

Both know "bob" with the password "sesame".
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

_RULES = Path("/etc/pam.d")


def _program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


@contextlib.contextmanager
def pam_service(folder: Path) -> Iterator[str]:
    """The name of a service of PAM that exists while the block does; its folder has the script that decides."""
    script = _program(
        folder / "decide",
        "#!/bin/sh\npassword=$(tr -d '\\000' | tr '\\n' N)\n[ \"$PAM_USER\" = bob ] && [ \"$password\" = sesame ]\n",
    )
    rules = _RULES / f"mailroot-test-{os.getpid()}"
    rules.write_text(f"auth required pam_exec.so expose_authtok quiet {script}\naccount required pam_permit.so\n")
    try:
        yield rules.name
    finally:
        rules.unlink()


_FAKE = r"""#!{python}
import base64, os, sys, time, urllib.parse
ANSWERS = {{
    b"right": r"AF HOME\bob",
    b"wrong": "NA NT_STATUS_WRONG_PASSWORD",
    b"broken": "BH no logon servers",
    b"guest": "AF ",
}}
KNOWN = {{"bob", r"home\bob"}}

def basic(words):
    user, password = (urllib.parse.unquote(word) for word in words)
    if user.endswith("hang"):
        time.sleep(60)
    if user.endswith("die"):
        sys.exit(1)
    if user.endswith("babble"):
        return "What?"
    return "OK" if user.lower() in KNOWN and password == "sesame" else "ERR"

def ntlmssp(words):
    token = base64.b64decode(words[1])
    if words[0] == "YR":
        return "TT " + base64.b64encode(b"challenge of " + token).decode()
    if token == b"hang":
        time.sleep(60)
    return ANSWERS.get(token, "NA NT_STATUS_INVALID_PARAMETER")

print("noise for nobody", file=sys.stderr, flush=True)
answer = basic if sys.argv[1] == "--helper-protocol=squid-2.5-basic" else ntlmssp
with open(os.path.join(os.path.dirname(__file__), "asked"), "a") as log:
    print("started", file=log)
for line in sys.stdin:
    print(answer(line.rstrip("\n").split(" ")), flush=True)
"""


def fake_ntlm_auth(folder: Path) -> Path:
    """The program; what was asked of it stands in the file "asked" beside it."""
    return _program(folder / "ntlm_auth", _FAKE.format(python=sys.executable))
