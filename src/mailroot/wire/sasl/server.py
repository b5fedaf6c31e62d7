"""The mechanisms that a server knows, in one table, and which of them it offers."""

import enum
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from types import MappingProxyType

from mailroot.wire.sasl.cram import accept_cram_md5
from mailroot.wire.sasl.gssapi import accept_by_context, accept_gssapi
from mailroot.wire.sasl.ntlm import accept_ntlm
from mailroot.wire.sasl.plain import accept_login, accept_plain
from mailroot.wire.sasl.scram import accept_scram, accept_scram_plus
from mailroot.wire.sasl.words import Exchange, Opening


class Kind(enum.Enum):
    """The setting that a mechanism belongs to: `access.basic` or `access.integrated`."""

    BASIC = "basic"
    INTEGRATED = "integrated"


class Need(enum.Enum):
    """What a mechanism asks the accounts for."""

    PASSWORD = "CheckPassword"  # noqa: S105 # a question's name
    SCRAM = "ScramKeysOf"
    CRAM = "CramSecretOf"
    NT = "NtHashOf"
    NT_CONTEXT = "ContextStep: NTLM is decided by Samba"
    CONTEXT = "ContextStep, ContextWrap, ContextUnwrap: GSSAPI"


@dataclass(frozen=True, slots=True)
class Mechanism:
    """A row: the mechanism's name, what rules it, what it needs, and the script that accepts it.

    `binds` mechanisms exist only where there is a channel binding.
    """

    name: str
    kind: Kind
    needs: Need
    accept: Callable[[Opening], Exchange]
    binds: bool = False


# In the order in which the AUTH line lists them. Several rows may have one name: the first that is usable counts.
MECHANISMS = (
    Mechanism("GSSAPI", Kind.INTEGRATED, Need.CONTEXT, accept_gssapi),
    Mechanism("GSS-SPNEGO", Kind.INTEGRATED, Need.CONTEXT, accept_by_context),
    Mechanism("NTLM", Kind.INTEGRATED, Need.NT, accept_ntlm),
    Mechanism("NTLM", Kind.INTEGRATED, Need.NT_CONTEXT, accept_by_context),
    Mechanism("SCRAM-SHA-256-PLUS", Kind.BASIC, Need.SCRAM, accept_scram_plus, binds=True),
    Mechanism("SCRAM-SHA-256", Kind.BASIC, Need.SCRAM, accept_scram),
    Mechanism("CRAM-MD5", Kind.BASIC, Need.CRAM, accept_cram_md5),
    Mechanism("PLAIN", Kind.BASIC, Need.PASSWORD, accept_plain),
    Mechanism("LOGIN", Kind.BASIC, Need.PASSWORD, accept_login),
)


@dataclass(frozen=True, slots=True)
class Terms:
    """What decides which mechanisms a session is offered.

    `answers` is what the accounts can answer. `binding` tells whether there is a channel binding; the AUTH exchange of
    the session must have it too.
    """

    basic: bool
    integrated: bool
    basic_requires_tls: bool
    tls: bool
    binding: bool
    answers: Set[Need]


def offered(terms: Terms) -> Mapping[str, Mechanism]:
    """The mechanisms of a session by their names, which are in upper case: the only ones that it may use."""
    rows: dict[str, Mechanism] = {}
    for row in MECHANISMS:
        if _is_usable(row, terms):
            rows.setdefault(row.name, row)
    return MappingProxyType(rows)


def _is_usable(row: Mechanism, terms: Terms) -> bool:
    if row.needs not in terms.answers or (row.binds and not terms.binding):
        return False
    if row.kind is Kind.INTEGRATED:
        return terms.integrated
    return terms.basic and (terms.tls or not terms.basic_requires_tls)
