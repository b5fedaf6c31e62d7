"""The machine's own accounts, asked by PAM (pam(3)), under the service name "mailroot".

The rules are the machine's, in /etc/pam.d/mailroot; without that file nothing is asked, since PAM would go by the rules
for anything else. Calls block, so they have threads of their own.
"""

import ctypes
import ctypes.util
import functools
import operator
from collections.abc import Set
from pathlib import Path
from typing import Any, NoReturn

from mailroot.edge.accounts.eventime import EVEN_SECONDS, even
from mailroot.edge.accounts.passwordsalone import PasswordsAlone
from mailroot.edge.boundedpool import BoundedPool
from mailroot.mail.faults import Unavailable
from mailroot.policy.account import full_name
from mailroot.wire.sasl.server import Need

SERVICE = "mailroot"
_RULES = (Path("/etc/pam.d"), Path("/usr/lib/pam.d"), Path("/usr/share/pam.d"))

# <security/_pam_types.h> of Linux-PAM.
_SUCCESS, _BUFFER_ERROR = 0, 5
# No module could be loaded, no memory, the directory does not answer. All else is a refusal, a "system error" too: that
# is what pam_exec makes of a script that refuses, and a guess that does not count as one could be repeated for ever.
_BROKEN = {1, 2, _BUFFER_ERROR, 9, 26}
_SILENT, _NO_EMPTY_PASSWORD = 0x8000, 0x0001
_ECHO_OFF, _ECHO_ON = 1, 2
_FAIL_DELAY = 10


class _Message(ctypes.Structure):
    _fields_ = (("style", ctypes.c_int), ("text", ctypes.c_char_p))


class _Answer(ctypes.Structure):
    _fields_ = (("text", ctypes.c_void_p), ("code", ctypes.c_int))


_ANSWERS = ctypes.POINTER(_Answer)
_TALK = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_int,
    ctypes.POINTER(ctypes.POINTER(_Message)),
    ctypes.POINTER(_ANSWERS),
    ctypes.c_void_p,
)
_DELAY = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p)


class _Conversation(ctypes.Structure):
    _fields_ = (("talk", _TALK), ("ours", ctypes.c_void_p))


# Modules ask for seconds of delay after a failure. We wait ourselves (`eventime`), and no thread sleeps for it.
_NO_DELAY = _DELAY(lambda *_: None)


@functools.cache
def _libraries() -> tuple[Any, Any]:
    """PAM and the C library. Raises `Unavailable`."""
    try:
        pam, c = ctypes.CDLL(ctypes.util.find_library("pam") or "libpam.so.0"), ctypes.CDLL(None)
    except OSError as fault:
        raise Unavailable(f"PAM is not on this machine: {fault}") from fault
    handle = ctypes.c_void_p
    pam.pam_start.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(_Conversation), ctypes.POINTER(handle))
    pam.pam_set_item.argtypes = (handle, ctypes.c_int, ctypes.c_void_p)
    pam.pam_authenticate.argtypes = pam.pam_acct_mgmt.argtypes = pam.pam_end.argtypes = (handle, ctypes.c_int)
    pam.pam_strerror.argtypes, pam.pam_strerror.restype = (handle, ctypes.c_int), ctypes.c_char_p
    c.calloc.argtypes, c.calloc.restype = (ctypes.c_size_t, ctypes.c_size_t), ctypes.c_void_p
    c.strdup.argtypes, c.strdup.restype = (ctypes.c_char_p,), ctypes.c_void_p
    return pam, c


def _conversation(c: Any, user: bytes, password: bytes) -> Any:
    """What answers PAM's prompts. The answers are memory of the C library, which PAM frees."""
    known = {_ECHO_OFF: password, _ECHO_ON: user}

    def talk(count: int, messages: Any, answers: Any, _ours: Any) -> int:
        memory = c.calloc(count, ctypes.sizeof(_Answer))
        if not memory:
            return _BUFFER_ERROR
        made = ctypes.cast(memory, _ANSWERS)
        for number in range(count):
            text = known.get(messages[number].contents.style)
            if text is not None:
                made[number].text = c.strdup(text)
        answers[0] = made
        return _SUCCESS

    return _TALK(talk)


def rules_fault(service: str = SERVICE) -> str:
    """Why PAM cannot be asked; "" where it has rules for us."""
    if any((folder / service).is_file() for folder in _RULES):
        return ""
    return f"there is no /etc/pam.d/{service}; make one that says how these accounts are checked"


def authenticate(user: str, password: str, service: str = SERVICE) -> bool:
    """Whether PAM takes the password, and lets the account in. Blocks; raises `Unavailable`."""
    try:
        name, secret = user.encode(), password.encode()
    except UnicodeEncodeError:
        return False
    if not name or b"\0" in name + secret:
        return False
    fault = rules_fault(service)
    if fault:
        raise Unavailable(fault)
    pam, c = _libraries()
    talk = _conversation(c, name, secret)
    handle = ctypes.c_void_p()
    conversation = _Conversation(talk, None)
    code = pam.pam_start(service.encode(), name, ctypes.byref(conversation), ctypes.byref(handle))
    if code != _SUCCESS:
        raise Unavailable(f"PAM could not be started ({code})")
    try:
        pam.pam_set_item(handle, _FAIL_DELAY, ctypes.cast(_NO_DELAY, ctypes.c_void_p))
        code = pam.pam_authenticate(handle, _SILENT | _NO_EMPTY_PASSWORD)
        if code == _SUCCESS:
            code = pam.pam_acct_mgmt(handle, _SILENT | _NO_EMPTY_PASSWORD)
        cause = (pam.pam_strerror(handle, code) or b"").decode(errors="replace")
    finally:
        pam.pam_end(handle, code)
    if code in _BROKEN:
        raise Unavailable(f"PAM: {cause} ({code})")
    return bool(code == _SUCCESS)


class PamAccounts(PasswordsAlone):
    """The accounts that PAM knows (`service.receive.accounts.Accounts`). `domain` is put before names without one."""

    answers: Set[Need] = frozenset({Need.PASSWORD})

    def __init__(
        self, pool: BoundedPool, domain: str, even_seconds: float = EVEN_SECONDS, service: str = SERVICE
    ) -> None:
        self._pool = pool
        self._service = service
        self._domain = domain
        self._even = even_seconds

    async def check(self, user: str, password: str, _client: str = "") -> bool:
        """Whether PAM takes the password; a refusal takes a while, whatever its cause."""
        asked = self._pool.run(authenticate, full_name(user, self._domain), password, self._service)
        return await even(asked, operator.not_, self._even)

    def context(self, need: Need) -> NoReturn:
        """There are none."""
        raise TypeError(f"PAM has no context for {need}")
