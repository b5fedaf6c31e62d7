"""What an operator does with the domains of a settings file: add, remove, rename, promote, set (facts 1.7).

The result is still to be checked as a whole.
"""

import tomllib
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from mailroot.mail.address import domain_key
from mailroot.settings.declared import Parts, key_text
from mailroot.settings.domains import Domain, DomainType
from mailroot.settings.edited import NewTable, edited
from mailroot.settings.keys import fitting_value, place
from mailroot.settings.retitled import retitled
from mailroot.settings.service import Settings

_Table = MutableMapping[str, Any]
_Values = Sequence[tuple[Parts, Any]]
# What belongs to the Drop folder rather than to the name that it is known by: it stays with the default domain.
_OF_THE_FOLDER = ("drop", "drop_quota")
# Domains whose recipients keep their own name; those of an alias have the default domain's.
_UNDER_THEIR_NAME = (DomainType.DEFAULT, DomainType.CUSTOM)
_PROMOTE = "mailroot domain default NAME makes another one the default"


@dataclass(frozen=True, slots=True)
class DomainEdits:
    """Edits of one virtual server's domains in a file's text, which stands for `settings`.

    Each gives the changed text, or raises `ValueError` with a sentence that names the domain and the mend.
    """

    text: str
    settings: Settings
    server: str

    def add(self, name: str, options: Sequence[str]) -> str:
        """One more domain: a remote one unless the options, each typed as OPTION=VALUE, say otherwise."""
        if domain_key(name) in self._domains and self._is_written(name):
            raise ValueError(f"{name}: there is such a domain already; mailroot domain set {name} changes it")
        kind = () if any(typed.startswith("type=") for typed in options) else (self._typed(name, DomainType.REMOTE),)
        return self._put([*kind, *self._values(name, options)], name)

    def set(self, name: str, options: Sequence[str]) -> str:
        """Options of a domain that is there."""
        domain, spelled = self._known(name), self._spelled(name)
        values = self._values(spelled, options)
        kinds = [value for parts, value in values if parts[-1] == "type"]
        if domain.type is DomainType.DEFAULT and kinds and kinds[-1] != DomainType.DEFAULT.value:
            raise ValueError(f"{name} is the default domain, which a server cannot be without; {_PROMOTE}")
        kind = () if self._is_written(name) else (self._typed(spelled, DomainType.DEFAULT),)
        return self._put([*kind, *values], name)

    def remove(self, name: str) -> str:
        """No such domain. What waits under the name of a local one goes where the default domain's mail goes."""
        domain, spelled, default = self._known(name), self._spelled(name), self._spelled(self._default)
        if domain.type is DomainType.DEFAULT:
            raise ValueError(f"{name} is the default domain, which cannot be removed; {_PROMOTE}")
        waiting = [*domain.former, *([spelled] if domain.type in _UNDER_THEIR_NAME else [])]

        def edit(table: _Table, new: NewTable) -> None:
            held = _tables(table, self.server)
            del held[spelled]
            if waiting:
                place(table, *self._typed(default, DomainType.DEFAULT), new)
                place(table, *self._former(default, waiting), new)
            elif not held:
                del table["servers"][self.server]["domains"]

        return edited(self.text, edit, name)

    def rename(self, old: str, name: str) -> str:
        """The domain under another name. What waits under a local domain's old name stays with it."""
        domain, spelled = self._known(old), self._spelled(old)
        another = domain_key(name) != domain_key(old)
        if another and domain_key(name) in self._domains:
            raise ValueError(f"{name}: there is such a domain already")
        former = [*domain.former, spelled] if another and domain.type in _UNDER_THEIR_NAME else []
        values = [((*self._path(name), "former"), former)] if former else []
        if not self._is_written(old):
            return self._put([self._typed(name, DomainType.DEFAULT), *values], old)

        def edit(table: _Table, _new: NewTable) -> None:
            held = _tables(table, self.server)
            value = held.pop(spelled)
            held[name] = value

        renamed = edited(self.text, edit, old, lambda text: retitled(text, self._path(spelled), name))
        return _put(renamed, values, old)

    def promote(self, name: str) -> str:
        """An alias as the default domain; the one that was it becomes an alias, and leaves it its Drop folder."""
        domain = self._known(name)
        if domain.type is DomainType.DEFAULT:
            raise ValueError(f"{name} is the default domain already")
        if domain.type is not DomainType.ALIAS:
            wanted = f"mailroot domain set {name} type=alias makes it one"
            raise ValueError(f"{name} is a {domain.type.value} domain; only an alias can become the default; {wanted}")
        old, spelled = self._spelled(self._default), self._spelled(name)

        def edit(table: _Table, new: NewTable) -> None:
            place(table, *self._typed(old, DomainType.ALIAS), new)
            place(table, *self._typed(spelled, DomainType.DEFAULT), new)
            held = _tables(table, self.server)
            for option in _OF_THE_FOLDER:
                if option in held[old]:
                    place(table, (*self._path(spelled), option), held[old].pop(option), new)

        return edited(self.text, edit, name)

    # -- what is there

    @property
    def _domains(self) -> dict[str, Domain]:
        return dict(self.settings.servers[self.server].domains)

    @property
    def _default(self) -> str:
        return next(name for name, domain in self._domains.items() if domain.type is DomainType.DEFAULT)

    def _known(self, name: str) -> Domain:
        domain = self._domains.get(domain_key(name))
        if domain is None:
            raise ValueError(f"{name}: there is no such domain; there are: {', '.join(self._domains)}")
        return domain

    def _written(self) -> Sequence[str]:
        return [*_tables(tomllib.loads(self.text), self.server)]

    def _is_written(self, name: str) -> bool:
        """Whether it stands in the file: without a default domain there, the machine's name is one (facts 1.7)."""
        return any(domain_key(one) == domain_key(name) for one in self._written())

    def _spelled(self, name: str) -> str:
        """The name as the file spells it."""
        return next((one for one in self._written() if domain_key(one) == domain_key(name)), name)

    # -- what is to be there

    def _path(self, name: str) -> Parts:
        return ("servers", self.server, "domains", name)

    def _values(self, name: str, options: Sequence[str]) -> _Values:
        values = []
        for typed in options:
            option, sign, value = typed.partition("=")
            if not sign or not option:
                raise ValueError(f"{typed}: an option is given as OPTION=VALUE, such as relay=true")
            values.append(fitting_value(f"{key_text(self._path(name))}.{option.strip()}", value.strip()))
        return values

    def _typed(self, name: str, kind: DomainType) -> tuple[Parts, str]:
        return (*self._path(name), "type"), kind.value

    def _former(self, name: str, more: Sequence[str]) -> tuple[Parts, list[str]]:
        known = self._domains[domain_key(name)].former
        return (*self._path(name), "former"), [*known, *(one for one in more if one not in known)]

    def _put(self, values: _Values, about: str) -> str:
        return _put(self.text, values, about)


def _put(text: str, values: _Values, about: str) -> str:
    def edit(table: _Table, new: NewTable) -> None:
        for parts, value in values:
            place(table, parts, value, new)

    return edited(text, edit, about)


def _tables(table: _Table, server: str) -> _Table:
    """The tables of a server's domains in the file."""
    for name in ("servers", server, "domains"):
        table = table.get(name, {})
    return table
