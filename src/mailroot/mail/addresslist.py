"""Address lists of header fields (RFC 5322 section 3.4): mailboxes, groups, comments, routes; names are dropped.

Lenient where programs are sloppy (quotes inside a display name, ";" between addresses), strict about the mailbox
itself. Bounded: nothing recurses, and each character is looked at once.
"""

import re

from mailroot.mail.address import Mailbox

_LOCAL_LIMIT = 64  # RFC 5321 section 4.5.3.1.1
_DOMAIN_LIMIT = 255  # RFC 5321 section 4.5.3.1.2
_RUN = re.compile(r'[^"(\[<,;:]+')
_ATOMS = re.compile(r"[^\s\x00-\x20\x7f\"(),:;<>@\[\]\\\ud800-\udfff]+")
_QUOTED = re.compile(r'"(?:[^"\\\x00-\x1f\x7f\ud800-\udfff]|\\[\x20-\x7e])*"')
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_DOMAIN = re.compile(r"[^\W_](?:[\w-]*[^\W_])?(?:\.[^\W_](?:[\w-]*[^\W_])?)*\.?")
_LITERAL = re.compile(r"\[[0-9A-Za-z:.]+\]")
_SPACES = re.compile(r"\s*([@.])\s*")


def mailbox(text: str) -> Mailbox | None:
    """The mailbox that is written here, without brackets and display name; None where it is none."""
    local, at, domain = text.rpartition("@")
    if not at:
        local, domain = text, ""
    elif not (_DOMAIN.fullmatch(domain) or _LITERAL.fullmatch(domain)):
        return None
    if not (_ATOMS.fullmatch(local) or _QUOTED.fullmatch(local)):
        return None
    if len(local.encode()) > _LOCAL_LIMIT or len(domain.encode()) > _DOMAIN_LIMIT:
        return None
    return Mailbox(local, domain.rstrip("."))


def single(text: str) -> Mailbox | None:
    """The one address of a field, with or without a display name, whatever quotes stand in that; None without one."""
    text = text.strip()
    if text.endswith(">"):
        return mailbox(text[text.rfind("<") + 1 : -1].strip())
    found = listed(text)
    return found[0] if found is not None and len(found) == 1 else None


def listed(text: str) -> list[Mailbox] | None:
    """All addresses of a field in their order; None where one of them is malformed. An empty group has none."""
    found: list[Mailbox] = []
    for written in _written(text):
        address = mailbox(written)
        if address is None:
            return None
        found.append(address)
    return found


def _written(text: str) -> list[str]:
    """The addresses as they are written, without names, comments and routes."""
    addresses: list[str] = []
    words: list[str] = []
    angle: str | None = None
    place = 0
    while place < len(text):
        mark = text[place]
        if mark in ",;":
            addresses.append(_address(words, angle))
            words, angle, place = [], None, place + 1
        elif mark == ":":  # what stood before was the name of a group
            words, place = [], place + 1
        elif mark == "(":
            place = _after_comment(text, place)
        elif mark == "<":
            end = _after(text, place, ">")
            angle, place = text[place + 1 : end].rstrip(">"), end
        else:
            end = _end_of_word(text, place)
            words.append(text[place:end])
            place = end
    addresses.append(_address(words, angle))
    return [address for address in addresses if address]


def _address(words: list[str], angle: str | None) -> str:
    if angle is None:
        return _SPACES.sub(r"\1", "".join(words).strip())
    if angle.startswith("@"):  # a source route, to be ignored (RFC 5321 section 4.1.1.3)
        angle = angle.partition(":")[2]
    return _SPACES.sub(r"\1", angle.strip()) or "<>"


def _end_of_word(text: str, place: int) -> int:
    if text[place] == '"':
        return _after_quotes(text, place)
    if text[place] == "[":
        return _after(text, place, "]")
    run = _RUN.match(text, place)
    return run.end() if run else place + 1


def _after(text: str, place: int, closing: str) -> int:
    """The place behind the next `closing` that does not stand in quotes."""
    while place < len(text):
        if text[place] == closing:
            return place + 1
        place = _after_quotes(text, place) if text[place] == '"' else place + 1
    return place


def _after_quotes(text: str, place: int) -> int:
    quoted = _STRING.match(text, place)
    return quoted.end() if quoted else len(text)


def _after_comment(text: str, place: int) -> int:
    depth = 0
    while place < len(text):
        if text[place] == "\\":
            place += 1
        elif text[place] == "(":
            depth += 1
        elif text[place] == ")":
            depth -= 1
            if not depth:
                return place + 1
        place += 1
    return place
