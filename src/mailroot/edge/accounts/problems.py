"""What keeps clients from signing in, although the settings are sound: looked at by `check-config` alone.

The service goes on without: mail must not stop because an account cannot be asked.
"""

import os
from collections.abc import Iterator

from mailroot.edge.accounts.file import AccountFile
from mailroot.edge.accounts.pam import rules_fault
from mailroot.edge.kerberos.library import gssapi_library
from mailroot.mail.faults import Fault
from mailroot.settings.access import Access, AccountSource
from mailroot.settings.declared import key_text
from mailroot.settings.problem import Problem
from mailroot.settings.service import Settings
from mailroot.settings.spelling import toml_text

_INSTALL = "apt-get install python3-gssapi, or install gssapi by pip"


def problems_in(settings: Settings) -> Iterator[Problem]:
    """A problem for each source of accounts that cannot be asked."""
    for key, server in settings.servers.items():
        if server.access.basic or server.access.integrated:
            for option, wrong, mend in _faults(server.access, settings.service.run_as):
                value = getattr(server.access, option)
                shown = toml_text(value.value if isinstance(value, AccountSource) else value)
                yield Problem(key_text(("servers", key, "access", option)), shown, wrong, mend)


def _faults(access: Access, run_as: str) -> Iterator[tuple[str, str, str]]:
    """Options that lead nowhere, each with what is wrong and the mend."""
    match access.accounts:
        case AccountSource.EMBEDDED:
            try:
                AccountFile(access.account_file, run_as).read()
            except Fault as fault:
                yield "account_file", str(fault), ""
        case AccountSource.PAM:
            fault_of_rules = rules_fault()
            if fault_of_rules:
                yield "accounts", fault_of_rules, ""
        case AccountSource.NTLM_AUTH:
            if not os.access(access.ntlm_auth, os.X_OK):
                yield "ntlm_auth", "no program is there that may be run", "apt-get install winbind"
    if access.keytab and access.integrated:
        if not os.access(access.keytab, os.R_OK):
            yield "keytab", "the file is not there, or not readable", "put it there, readable by the service alone"
        if gssapi_library() is None:
            yield "keytab", "there is no library for Kerberos that fits this Python", _INSTALL
