"""Why the engine refused by itself: the settings behind the replies that need no opinion."""

from collections.abc import Callable

from mailroot.mail.reply import REPLIES, Reply
from mailroot.service.rules import Rules

_CAUSES: dict[Reply, Callable[[Rules], str]] = {
    REPLIES.message_too_large(): lambda rules: (
        f"messages.size_limit is {rules.settings.messages.size_limit} octets, and MAIL declares more"
    ),
    REPLIES.session_too_large(): lambda rules: (
        f"messages.session_limit is {rules.settings.messages.session_limit} octets, and MAIL declares more"
    ),
    REPLIES.too_many_recipients(): lambda rules: (
        f"messages.recipient_limit is {rules.settings.messages.recipient_limit}, and so many were taken"
    ),
    REPLIES.tls_first(): lambda rules: (
        'access.tls is "require", and the connection is in clear'
        if rules.settings.access.tls.value == "require"
        else "signing in is offered inside TLS alone (access.basic_requires_tls), and the connection is in clear"
    ),
    REPLIES.tls_not_offered(): lambda _: 'access.tls is "off": STARTTLS is not offered',
    REPLIES.not_implemented(): lambda _: "no way to sign in is offered: access.basic and access.integrated",
}
_BY_TEXT = {reply.text: cause for reply, cause in _CAUSES.items()}


def engine_cause(rules: Rules, reply: str) -> str:
    """The setting that a refusal of the engine comes from; "" where it is none of those."""
    cause = _BY_TEXT.get(reply)
    return "" if cause is None else cause(rules)
