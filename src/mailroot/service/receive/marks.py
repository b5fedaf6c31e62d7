"""What is noted of a client besides its address: by events, and by the origin of its messages."""

from mailroot.edge.tls.contexts import Secured
from mailroot.policy.client import Client
from mailroot.policy.relay import RelayRight


def marks(client: Client, secured: Secured | None) -> dict[str, str]:
    """The account that it signed in to and the version of its TLS, where there is one."""
    told = {"user": client.user} if client.user else {}
    if secured is not None:
        told["tls"] = secured.version
    return told


def source_of(right: RelayRight) -> str:
    """What mail of this client is to those who sign it: a submission, or a stranger's."""
    return "submission" if right.allowed else "smtp"
