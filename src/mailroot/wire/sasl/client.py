"""The mechanisms that we know as a client, in one table, and which of them is used with a server."""

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mailroot.wire.sasl.cram import present_cram_md5
from mailroot.wire.sasl.gssapi import present_gssapi
from mailroot.wire.sasl.ntlmclient import present_ntlm
from mailroot.wire.sasl.oauth import present_oauthbearer, present_xoauth2
from mailroot.wire.sasl.plain import present_login, present_plain
from mailroot.wire.sasl.scramclient import present_scram, present_scram_plus
from mailroot.wire.sasl.words import ClientOpening, Presentation


class Way(enum.Enum):
    """The setting that a mechanism belongs to: `delivery.security.authentication`."""

    BASIC = "basic"
    INTEGRATED = "integrated"
    OAUTH2 = "oauth2"


@dataclass(frozen=True, slots=True)
class ClientMechanism:
    """A row: the mechanism's name, the setting that it belongs to, and the script that presents us.

    `reveals` says that who reads the connection can use what he read: the password or the token itself. `binds` needs a
    channel binding. `context` needs a driver that has a GSSAPI context.
    """

    name: str
    way: Way
    present: Callable[[ClientOpening], Presentation]
    reveals: bool = False
    binds: bool = False
    context: bool = False


# The strongest of each way first.
CLIENT_MECHANISMS = (
    ClientMechanism("GSSAPI", Way.INTEGRATED, present_gssapi, context=True),
    ClientMechanism("NTLM", Way.INTEGRATED, present_ntlm),
    ClientMechanism("OAUTHBEARER", Way.OAUTH2, present_oauthbearer, reveals=True),
    ClientMechanism("XOAUTH2", Way.OAUTH2, present_xoauth2, reveals=True),
    ClientMechanism("SCRAM-SHA-256-PLUS", Way.BASIC, present_scram_plus, binds=True),
    ClientMechanism("SCRAM-SHA-256", Way.BASIC, present_scram),
    ClientMechanism("CRAM-MD5", Way.BASIC, present_cram_md5),
    ClientMechanism("PLAIN", Way.BASIC, present_plain, reveals=True),
    ClientMechanism("LOGIN", Way.BASIC, present_login, reveals=True),
)


@dataclass(frozen=True, slots=True)
class Means:
    """What we may use with a server.

    `reveal` allows mechanisms that show the secret to who can read the connection: inside TLS, or by an option that
    says so. `binding` and `context` tell whether there is a channel binding, and a GSSAPI context.
    """

    way: Way
    reveal: bool
    binding: bool = False
    context: bool = False


def choose(offered: Iterable[str], means: Means) -> ClientMechanism | None:
    """The strongest mechanism that the server offers and that we may use; None if there is none.

    Who goes on after a refusal leaves out of `offered` what was tried, and after a -PLUS does without a channel
    binding: the server may know other kinds of it only.
    """
    names = {name.upper() for name in offered}
    return next((row for row in CLIENT_MECHANISMS if row.name in names and _is_usable(row, means)), None)


def _is_usable(row: ClientMechanism, means: Means) -> bool:
    if row.way is not means.way or (row.reveals and not means.reveal):
        return False
    return (means.binding or not row.binds) and (means.context or not row.context)
