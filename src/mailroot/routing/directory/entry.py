"""An entry of a directory, read into what routing needs. Whatever stands in it may be wrong or hostile."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mailroot.mail.address import Mailbox
from mailroot.mail.reply import Reply
from mailroot.routing.directory.schemas import Schema
from mailroot.wire.grammar import parse_path

# RFC 5321 section 4.5.3.1: no address is longer than 256 octets; "smtp:" stands before some.
_LONGEST = 262
# A person has some addresses; what has more is no person.
_MOST_ADDRESSES = 1_000
_SMTP = re.compile(r"smtp[:$]", re.IGNORECASE)
_OTHER_KIND = re.compile(r"(?![Ss][Mm][Tt][Pp][:$])[A-Za-z][A-Za-z0-9.-]{1,30}[:$]")  # "X400:", "sip:", "EUM:"
_SHOWN = 60

Values = Mapping[str, tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `mailbox` is where its mail goes, None where it has no address; `keys` are those of all its addresses.

    `members` and `forward_names` are names of entries. `odd` tells of values that are no addresses and were left out.
    """

    dn: str
    mailbox: Mailbox | None = None
    keys: frozenset[str] = frozenset()
    group: bool = False
    members: tuple[str, ...] = ()
    member_addresses: tuple[Mailbox, ...] = ()
    forward: tuple[Mailbox, ...] = ()
    forward_names: tuple[str, ...] = ()
    keeps_copy: bool = False
    disabled: bool = False
    odd: tuple[str, ...] = ()

    @property
    def weight(self) -> int:
        """How much there is to remember of it."""
        return 1 + len(self.members) + len(self.member_addresses)


def address_key(mailbox: Mailbox) -> str:
    """A mailbox as directories compare it: without case."""
    return f"{mailbox.local.casefold()}@{mailbox.domain_key}"


def name_key(dn: str) -> str:
    """A name of an entry, as it is recognised when it comes again."""
    return re.sub(r"\s*([,=+])\s*", r"\1", dn).casefold()


def read_entry(dn: str, values: Values, schema: Schema) -> Entry:
    """What an entry says. Values that are no addresses are left out, and told of."""
    odd: list[str] = []

    def addresses(names: Iterable[str]) -> Iterator[Mailbox]:
        return _addresses(values, names, odd)

    primary = list(addresses(schema.mail))
    alternates = list(addresses(schema.alternates))
    group = not schema.group_classes.isdisjoint(_words(values, ("objectclass",), _MOST_ADDRESSES))
    return Entry(
        dn=dn,
        mailbox=next(iter(primary), None) or _main(values, schema) or next(iter(alternates), None),
        keys=frozenset(address_key(one) for one in (*primary, *alternates)),
        group=group,
        members=tuple(_texts(values, schema.members)) if group else (),
        member_addresses=tuple(addresses(schema.member_addresses)) if group else (),
        forward=tuple(addresses(schema.forward)),
        forward_names=tuple(_texts(values, schema.forward_names)),
        keeps_copy="true" in _words(values, (schema.keep_copy,), 1),
        disabled=_is_disabled(values, schema),
        odd=tuple(odd),
    )


def _addresses(values: Values, names: Iterable[str], odd: list[str]) -> Iterator[Mailbox]:
    for name in names:
        for value in values.get(name, ()):
            mailbox = _mailbox(value)
            if mailbox is not None:
                yield mailbox
            elif not _OTHER_KIND.match(value[:40].decode(errors="replace")):
                odd.append(f"{name}: {_shown(value)}")


def _mailbox(value: bytes) -> Mailbox | None:
    """The address that a value is; None where it is none that mail may go to."""
    if len(value) > _LONGEST:
        return None
    text = (
        _SMTP.sub("", value.decode(errors="surrogateescape"), count=1)
        if value[4:5] in b":$"
        else value.decode(errors="surrogateescape")
    )
    path = parse_path(f"<{text}>")
    if isinstance(path, Reply) or path.rest or path.mailbox is None:
        return None
    mailbox = path.mailbox
    # A second "@" is a route that a directory has no business to name; what is not UTF-8 is no address.
    if not mailbox.domain or "@" in mailbox.local or not _is_text(str(mailbox)):
        return None
    return mailbox


def _is_text(text: str) -> bool:
    return text.isprintable() and not any("\ud800" <= sign <= "\udfff" for sign in text)


def _main(values: Values, schema: Schema) -> Mailbox | None:
    """Of alternates, the one that is marked by capitals (Exchange: "SMTP:")."""
    marked = (value for name in schema.alternates for value in values.get(name, ()) if value[:5] == b"SMTP:")
    return next((found for value in marked if (found := _mailbox(value))), None)


def _texts(values: Values, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        for value in values.get(name, ()):
            yield value.decode(errors="replace")


def _words(values: Values, names: Iterable[str], most: int) -> set[str]:
    return {value.decode(errors="replace").lower() for name in names for value in values.get(name, ())[:most]}


def _is_disabled(values: Values, schema: Schema) -> bool:
    if not schema.disabled_attribute:
        return False
    words = {word.casefold() for word in _words(values, (schema.disabled_attribute,), 10)}
    bits = any(
        word.isascii() and word.isdigit() and len(word) < 12 and int(word) & schema.disabled_bits for word in words
    )
    return bits or not words.isdisjoint(schema.disabled_values)


def _shown(value: bytes) -> str:
    """A strange value, harmless and short."""
    text = value[:_SHOWN].decode(errors="replace")
    more = f" ({len(value)} octets)" if len(value) > _SHOWN else ""
    return "".join(sign if sign.isprintable() else "?" for sign in text) + more
