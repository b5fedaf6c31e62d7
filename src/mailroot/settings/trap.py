"""The trap, for developers and tests: where mail of a virtual server goes instead of to its recipients."""

from dataclasses import dataclass

from mailroot.mail.address import Mailbox, domain_key
from mailroot.mail.addresslist import mailbox
from mailroot.settings.places import is_name
from mailroot.settings.spelling import Spelling

_CAPTURE = "capture"


@dataclass(frozen=True, slots=True)
class Trap:
    """What is done with mail that would leave. `address` has all of it; None: it stays here, in Drop."""

    address: Mailbox | None

    def __str__(self) -> str:
        return _CAPTURE if self.address is None else str(self.address)


def _parse(value: object) -> Trap | None:
    if value == "":
        return None
    if value == _CAPTURE:
        return Trap(None)
    found = mailbox(value) if isinstance(value, str) else None
    if found is None or not (is_name(domain_key(found.domain)) or found.domain.startswith("[")):
        raise ValueError('"capture", or an address such as "you@example.com", is wanted')
    return Trap(found)


TRAP = Spelling("trap", _parse, lambda value: "" if value is None else str(value), '"capture"')
