"""Who asks, once he was let in, and what he may do. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mailroot.admin.operations import Operation, Permission, Scope
from mailroot.mail.by import By
from mailroot.policy.operators import Right, Role
from mailroot.service.life.queuelisting import AMONG
from mailroot.settings.declared import key_parts

_MAY: Mapping[Role, frozenset[Permission]] = {
    Role.ADMINISTRATOR: frozenset(Permission),
    Role.OPERATOR: frozenset({Permission.OWN, Permission.READ, Permission.OPERATE}),
    Role.VIEWER: frozenset({Permission.OWN, Permission.READ}),
}


# Folders are looked into at one virtual server at a time.
_OF_ONE = frozenset({"badmail", "drop"})


class Forbidden(Exception):
    """Somebody who was let in asks for what he may not do; the text is for him."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who was let in. `csrf` is what his forms must carry, "" for one with a token.

    `own_password`: he signed in with one that is kept here, so he can change it.
    """

    name: str
    right: Right
    face: str
    address: str
    csrf: str = ""
    own_password: bool = False

    @property
    def role(self) -> str:
        """What he is."""
        return self.right.role.value

    @property
    def servers(self) -> tuple[str, ...]:
        """The short names of the virtual servers that he is limited to; none: he is not."""
        return self.right.servers

    @property
    def by(self) -> By:
        """As the service records him."""
        return By(self.name, self.face, self.address)

    def may(self, operation: Operation) -> bool:
        """Whether he may ever do this, so that it is worth to be shown."""
        return operation.permission in _MAY[self.right.role] and (
            not self.servers or operation.scope is not Scope.SERVICE
        )


@dataclass(frozen=True, slots=True)
class Permitted:
    """What may be asked: the arguments, and the virtual servers that the answer is limited to (none: all).

    `named`: the arguments name the one, so what does not say of which it is, is of that one.
    """

    arguments: dict[str, object]
    only: tuple[str, ...] = ()
    named: bool = False

    def limited(self, result: Any) -> Any:
        """What of an answer may be shown. Raises `Forbidden` where it is about another virtual server as a whole."""
        return limited(result, self.only, named=self.named)


def permitted(
    caller: Caller, operation: Operation, arguments: Mapping[str, object], names: Mapping[str, str]
) -> Permitted:
    """What the caller may ask of this operation. `names` are display names by short ones. Raises `Forbidden`."""
    if operation.permission not in _MAY[caller.right.role]:
        raise Forbidden(f"{operation.name} needs another role than {caller.role}")
    asked = dict(arguments)
    if not caller.servers or operation.scope is Scope.OWN:
        return Permitted(asked)
    if operation.scope is Scope.SERVICE:
        raise Forbidden(f"{operation.name} is for those who are not limited to some virtual servers")
    if operation.scope is Scope.ANSWER:
        return Permitted({**asked, AMONG: list(caller.servers)} if operation.cut else asked, caller.servers)
    if caller.right.nowhere:
        raise Forbidden("there is no virtual server any more that you are an operator of")
    return _of_server(caller, operation, asked, names)


def _of_server(caller: Caller, operation: Operation, asked: dict[str, object], names: Mapping[str, str]) -> Permitted:
    wanted = asked.get("server")
    if wanted:
        # As the service understands it: a display name may be the short name of another one.
        key = wanted if wanted in names else next((key for key, name in names.items() if wanted == name), "")
        if key not in caller.servers:
            raise Forbidden(f"the virtual server {wanted} is not one of {', '.join(caller.servers)}")
        return Permitted({**asked, "server": key}, (key,), named=True)
    if len(caller.servers) == 1:
        return Permitted({**asked, "server": caller.servers[0]}, caller.servers, named=True)
    if operation.permission is Permission.READ and "server" in operation.columns and operation.words[0] not in _OF_ONE:
        # What is counted over all rows, and where a list goes on, would tell of other servers too.
        return Permitted({**asked, AMONG: list(caller.servers)}, caller.servers)
    raise Forbidden(f"name the virtual server: {' or '.join(caller.servers)}")


def limited(result: Any, only: tuple[str, ...], *, named: bool = False) -> Any:
    """What of an answer is about these virtual servers. Raises `Forbidden` where it is about another one as a whole."""
    if not only:
        return result
    if isinstance(result, list):
        return [row for row in result if _about(row, only, named=named)]
    if not isinstance(result, dict) or not (result.keys() & set(_ROWS) or _about(result, only, named=named)):
        raise Forbidden("this is of a virtual server that you are not an operator of")
    return {name: _limited_value(name, value, only, named=named) for name, value in result.items()}


_ROWS = ("rows", "servers", "destinations", "latest_refusals")


def _limited_value(name: str, value: Any, only: tuple[str, ...], *, named: bool) -> Any:
    if name in _ROWS and isinstance(value, list):
        return [row for row in value if _about(row, only, named=named)]
    if name == "directories" and isinstance(value, dict):
        return {key: cause for key, cause in value.items() if key in only}
    if name == "needs_restart":
        return [path for path in value if key_parts(path)[:1] == ("servers",) and key_parts(path)[1] in only]
    return value


def _about(row: Any, only: tuple[str, ...], *, named: bool) -> bool:
    if not isinstance(row, dict):
        return False
    return row.get("server", only[0]) in only if named else row.get("server", row.get("key")) in only
