"""What somebody may do at the control socket whom a group of the machine lets in: as by REST, by the same code."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mailroot.admin.access.caller import Caller, Forbidden, Permitted, permitted
from mailroot.admin.arguments import understood
from mailroot.admin.operations import BY_NAME, Operation
from mailroot.mail.by import member_name
from mailroot.mail.faults import Misconfigured, NotAllowed
from mailroot.policy.operators import Member, Role


@dataclass(frozen=True, slots=True)
class Locally:
    """What may be asked, and shown (`service.life.localaccess.Allowed`)."""

    permitted: Permitted

    @property
    def arguments(self) -> dict[str, object]:
        """What may be asked."""
        return self.permitted.arguments

    def limited(self, result: Any) -> Any:
        """What of an answer may be shown. Raises `NotAllowed`."""
        try:
            return self.permitted.limited(result)
        except Forbidden as forbidden:
            raise NotAllowed(str(forbidden)) from None


def allowed_locally(member: Member, operation: str, given: Mapping[str, object], names: Mapping[str, str]) -> Locally:
    """What a member may ask of an operation. Raises `NotAllowed`, or `Misconfigured`."""
    found = BY_NAME.get(operation)
    if found is None:
        raise NotAllowed(f"there is no operation {operation[:100]!r}")
    if found.local and member.right.role is not Role.ADMINISTRATOR:
        # The service writes into that folder with its own rights: into Pickup too, whence it would be sent.
        raise NotAllowed(f"{operation} writes into a folder of this machine, which is for administrators")
    caller = Caller(member_name(member.name, member.group), member.right, "cli", "")
    try:
        if caller.may(found):
            return Locally(permitted(caller, found, _sound(found, given), names))
        raise NotAllowed(f"{operation} is not for this {caller.role}{_only(caller)}")
    except Forbidden as forbidden:
        raise NotAllowed(str(forbidden)) from None


def _sound(operation: Operation, given: Mapping[str, object]) -> dict[str, object]:
    arguments, faults = understood(operation, given)
    if faults:
        raise Misconfigured("; ".join(f"{row['path']}: {row['wrong']}" for row in faults))
    if operation.selective and not operation.selects(arguments):
        # Said here: the virtual server that is added for an operator of one is no choice that he made.
        raise Misconfigured(f"{operation.name}: give a key, a filter such as the sender, the server, or all")
    return arguments


def _only(caller: Caller) -> str:
    return f", limited to {', '.join(caller.servers)}" if caller.servers else ""
