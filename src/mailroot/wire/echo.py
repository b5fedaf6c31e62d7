"""What a server says back of what it was shown in a sign-in: hidden before anybody sees it.

Replies go into logs, events, lists and reports to senders, and some servers repeat the line that they refuse.
"""

import re
from collections.abc import Iterable

from mailroot.mail.reply import Reply
from mailroot.wire.replies import NoReply

HIDDEN = "[hidden]"
# A part of a secret that is shorter tells nothing, and ordinary words are found in passwords.
_LEAST = 6
_EDGES = "\"'`()<>[]{}.,:;=*"
_CHALLENGE = 334


class Echo:
    """Hides the secrets, and what was `said` because of them, wherever it stands in a reply."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = {secret for secret in secrets if secret}

    def said(self, octets: bytes) -> None:
        """These octets are said: AUTH with an initial response, or a response."""
        words = octets.decode("ascii", "replace").split()
        self._secrets.update(word.rstrip("=") for word in (words[2:] if words[:1] == ["AUTH"] else words))
        self._secrets.discard("")

    def hide(self, reply: Reply) -> Reply:
        """The reply without them. A challenge stays as it is: the mechanism needs it, and no log shows it."""
        if isinstance(reply, NoReply) or reply.code == _CHALLENGE:
            return reply
        return Reply(reply.code, reply.enhanced, tuple(map(self.hide_in, reply.lines)))

    def hide_in(self, text: str) -> str:
        """A text without them: whole ones wherever they are, and words that are a part of one."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            if len(secret) >= _LEAST:
                text = re.sub(f"{re.escape(secret)}=*", HIDDEN, text, flags=re.IGNORECASE)  # with the ends of base64
        return re.sub(r"\S+", self._word, text)

    def _word(self, found: re.Match[str]) -> str:
        word = found[0].strip(_EDGES).casefold()
        whole = {secret.casefold() for secret in self._secrets}
        is_part = len(word) >= _LEAST and any(word in secret for secret in whole)
        return HIDDEN if is_part or word in whole else found[0]
