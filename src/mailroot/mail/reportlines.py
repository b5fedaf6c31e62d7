"""What stands in the lines of a report: decoded, in one line each, of bounded length, without anything that misleads.

Not responsible for which lines there are (`mail.report`).
"""

import re

from mailroot.mail.address import domain_key

_LINE = 76  # RFC 5322 section 2.1.1 wants at most 78,
_LONGEST = 900  # and allows 998 octets
_EARLIEST_BREAK = 24
_XTEXT = re.compile(r"\+([0-9A-F]{2})")
_UTF8_XTEXT = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")


def decode_xtext(text: str) -> str:
    """The text that xtext stands for (RFC 3461 section 4); what is no xtext stays as it is."""
    return _XTEXT.sub(lambda pair: chr(int(pair[1], 16)), text)


def original_recipient(orcpt: str, beyond_ascii: bool) -> str:
    """What ORCPT said, as Original-Recipient has it (RFC 3461 section 4.2).

    An address of type utf-8 has a form of its own, in letters where the status part may have them, else written out
    (RFC 6533 section 3).
    """
    kind, _, text = orcpt.partition(";")
    if kind.strip().lower() != "utf-8":
        return decode_xtext(orcpt)
    letters = _UTF8_XTEXT.sub(_letter, text)
    if beyond_ascii:
        return f"utf-8;{letters}"
    return "utf-8;" + "".join(
        sign if "!" <= sign <= "~" and sign not in "\\+=" else f"\\x{{{ord(sign):X}}}" for sign in letters
    )


def _letter(found: "re.Match[str]") -> str:
    number = int(found[1], 16)
    return chr(number) if number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF else "?"


def ascii_name(name: str) -> str:
    """A host or domain name as every server and mail program can read it."""
    return clean(name if name.isascii() else domain_key(name)).encode("ascii", "replace").decode()


def clean(text: str) -> str:
    """The text in one line, without control characters, line separators and signs that turn its direction."""
    return text if text.isprintable() else "".join(mark if mark.isprintable() else "?" for mark in text)


def folded(field: str) -> str:
    """A field in lines of bounded length, broken at spaces where there are any (RFC 5322 section 2.2.3)."""
    return "\r\n".join(wrapped(field, "", "\t"))


def wrapped(text: str, indent: str, next_indent: str | None = None) -> list[str]:
    """A text in lines of bounded length behind an indent; the next ones are indented by two blanks more, or so."""
    following = f"{indent}  " if next_indent is None else next_indent
    lines, line = [], indent + text
    while len(line) > _LINE:
        # A break in the first words would leave a bare name; one inside a word would change it.
        at = line.rfind(" ", _EARLIEST_BREAK, _LINE)
        at = at if at > 0 else line.find(" ", _LINE, _LONGEST)
        at = at if at > 0 else _LONGEST
        lines.append(line[:at])
        line = following + line[at:].lstrip(" ")
        if not line.strip():
            return lines
    return [*lines, line]
