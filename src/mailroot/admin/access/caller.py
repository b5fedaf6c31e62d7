"""Who asks, once he was let in, and what he may do. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mailroot.admin.operations import Operation, Permission, Scope
from mailroot.mail.by import By
from mailroot.policy.operators import Right, Role

_MAY: Mapping[Role, frozenset[Permission]] = {
    Role.ADMINISTRATOR: frozenset(Permission),
    Role.OPERATOR: frozenset({Permission.READ, Permission.OPERATE}),
    Role.VIEWER: frozenset({Permission.READ}),
}


class Forbidden(Exception):
    """Somebody who was let in asks for what he may not do; the text is for him."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who was let in. `csrf` is what his forms must carry, "" for one with a token."""

    name: str
    right: Right
    face: str
    address: str
    csrf: str = ""

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
    """What may be asked: the arguments, and the virtual servers that the answer is limited to (none: all)."""

    arguments: dict[str, object]
    only: tuple[str, ...] = ()


def permitted(
    caller: Caller, operation: Operation, arguments: Mapping[str, object], names: Mapping[str, str]
) -> Permitted:
    """What the caller may ask of this operation. `names` are display names by short ones. Raises `Forbidden`."""
    if operation.permission not in _MAY[caller.right.role]:
        raise Forbidden(f"{operation.name} needs another role than {caller.role}")
    asked = dict(arguments)
    if not caller.servers:
        return Permitted(asked)
    if operation.scope is Scope.SERVICE:
        raise Forbidden(f"{operation.name} is for those who are not limited to some virtual servers")
    if operation.scope is Scope.ANSWER:
        return Permitted(asked, caller.servers)
    return _of_server(caller, operation, asked, names)


def _of_server(caller: Caller, operation: Operation, asked: dict[str, object], names: Mapping[str, str]) -> Permitted:
    wanted = asked.get("server")
    if wanted:
        key = next((key for key, name in names.items() if wanted in (key, name)), "")
        if key not in caller.servers:
            raise Forbidden(f"the virtual server {wanted} is not one of {', '.join(caller.servers)}")
        return Permitted({**asked, "server": key}, (key,))
    if len(caller.servers) == 1:
        return Permitted({**asked, "server": caller.servers[0]}, caller.servers)
    if operation.permission is Permission.READ and operation.columns:
        return Permitted(asked, caller.servers)
    raise Forbidden(f"name the virtual server: {' or '.join(caller.servers)}")


def limited(result: Any, only: tuple[str, ...]) -> Any:
    """What of an answer is about these virtual servers. Raises `Forbidden` where it is about another one as a whole."""
    if not only:
        return result
    if isinstance(result, list):
        return [row for row in result if _about(row, only)]
    if not isinstance(result, dict) or (result.get("server") not in only and not result.keys() & set(_ROWS)):
        raise Forbidden("this is of a virtual server that you are not an operator of")
    limited_rows = {
        name: [row for row in value if _about(row, only)] if name in _ROWS and isinstance(value, list) else value
        for name, value in result.items()
    }
    if isinstance(result.get("directories"), dict):
        kept = {key: value for key, value in result["directories"].items() if key in only}
        limited_rows["directories"] = kept
    return limited_rows


_ROWS = ("rows", "servers", "destinations", "latest_refusals")


def _about(row: Any, only: tuple[str, ...]) -> bool:
    return isinstance(row, dict) and row.get("server", row.get("key")) in only
