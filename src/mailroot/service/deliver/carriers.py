"""What a dispatcher hands its deliveries to."""

from dataclasses import dataclass

from mailroot.service.deliver.drop import DropCarrier
from mailroot.service.deliver.resolving import Resolver
from mailroot.service.relay.remote import RemoteCarrier


@dataclass(slots=True)
class Carriers:
    """What takes deliveries on, by the kind of their route. A reload replaces `remote` and `directory`.

    `directory` is asked before recipients are routed; None where nothing is asked.
    """

    drop: DropCarrier
    remote: RemoteCarrier
    directory: Resolver | None = None
