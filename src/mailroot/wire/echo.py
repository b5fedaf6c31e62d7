"""What a server says back of what it was shown in a sign-in: hidden before anybody sees it.

Replies go into logs, events, lists and reports to senders, and some servers repeat the line that they refuse.
"""

import string

from mailroot.mail.reply import Reply

HIDDEN = "[hidden]"
# A part of a secret that is shorter tells nothing, and ordinary words are found in passwords.
_LEAST = 6
# What is looked at of a reply, and kept of it.
_LINES, _LENGTH = 10, 500
_EDGES = "\"'`()<>[]{}.,;:=*"
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class Echo:
    """Hides passwords and tokens, and what was `said` because of them, wherever it stands in a reply."""

    def __init__(self) -> None:
        self._secrets: list[str] = []

    def keep(self, *secrets: str) -> None:
        """Hide these too."""
        found = {*self._secrets, *(secret.translate(_LOWER) for secret in secrets if secret)}
        self._secrets = sorted(found, key=len, reverse=True)

    def said(self, octets: bytes) -> None:
        """These octets are said: AUTH with an initial response, or a response."""
        words = octets.decode("ascii", "replace").split()
        self.keep(*(word.rstrip("=") for word in (words[2:] if words[:1] == ["AUTH"] else words)))

    def hide(self, reply: Reply) -> Reply:
        """The reply without them."""
        return Reply(reply.code, reply.enhanced, tuple(map(self.hide_in, reply.lines[:_LINES])))

    def hide_in(self, text: str) -> str:
        """A text without them: whole ones wherever they are, and words that are a part of one."""
        text = text[:_LENGTH]
        for secret in self._secrets:
            text = _without(text, secret)
        return " ".join(HIDDEN if self._is_part(word) else word for word in text.split(" "))

    def _is_part(self, word: str) -> bool:
        part = word.strip(_EDGES).translate(_LOWER)
        return len(part) >= _LEAST and any(part in secret for secret in self._secrets)


def _without(text: str, secret: str) -> str:
    """Without a secret in small letters; a short one is no part of a longer word."""
    begin = 0
    while (begin := text.translate(_LOWER).find(secret, begin)) >= 0:
        end = begin + len(secret)
        inside = text[begin - 1 : begin].isalnum() or text[end : end + 1].isalnum()
        if inside and len(secret) < _LEAST:
            begin = end
            continue
        text = f"{text[:begin]}{HIDDEN}{text[end:].lstrip('=')}"  # with the end of base64
        begin += len(HIDDEN)
    return text
