"""How deliveries go, in numbers: how long messages waited, how long attempts take, what became of them."""

import time
from collections.abc import Callable, Sequence

from mailroot.mail.counters.layout import SLOTS, STAGE_SLOTS, UNCOUNTED, Tally
from mailroot.mail.status import Disposition
from mailroot.queue.settle import Settled
from mailroot.routing.route import DropRoute
from mailroot.service.deliver.delivery import Delivery

_WAIT, _ATTEMPT, _TOTAL = STAGE_SLOTS["wait"], STAGE_SLOTS["attempt"], STAGE_SLOTS["total"]
_LOOKUPS, _DELIVERY_RETRIES, _SEND_RETRIES = SLOTS.routing_lookups, SLOTS.delivery_retries, SLOTS.send_retries
_DELIVERED, _RECIPIENTS_DELIVERED = SLOTS.messages_delivered, SLOTS.recipients_delivered
_SENT, _RECIPIENTS_SENT, _BYTES_SENT = SLOTS.messages_sent, SLOTS.recipients_sent, SLOTS.message_bytes_sent
_FAILED = Disposition.FAILED


class Progress:
    """Counts the deliveries of one virtual server. `epoch` gives seconds since 1970, `now` those that never go back."""

    def __init__(
        self,
        tally: Tally = UNCOUNTED,
        epoch: Callable[[], float] = time.time,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tally = tally
        self._cells = tally.cells
        self._epoch = epoch
        self._now = now

    def begins(self, deliveries: Sequence[Delivery]) -> float:
        """Attempts begin; the moment, which `ends` wants."""
        moment = self._epoch()
        for delivery in deliveries:
            if not delivery.pending[0].attempts:
                self._tally.took(_WAIT, moment - delivery.entry.arrived.timestamp())
        return self._now()

    def ends(self, begun: float, times: int) -> None:
        """So many attempts, which began together, have come to their end."""
        self._tally.took(_ATTEMPT, self._now() - begun, times)

    def settled(self, delivery: Delivery, settled: Settled) -> None:
        """What an attempt came to is durable."""
        cells, local = self._cells, isinstance(delivery.route, DropRoute)
        cells[_LOOKUPS] += 1
        if delivery.pending[0].attempts:
            cells[_DELIVERY_RETRIES if local else _SEND_RETRIES] += 1
        if not settled.final:
            return
        self._tally.took(_TOTAL, self._epoch() - delivery.entry.arrived.timestamp())
        served = len([status for _, status in settled.final if status.disposition is not _FAILED])
        if served and local:
            cells[_DELIVERED] += 1
            cells[_RECIPIENTS_DELIVERED] += served
        elif served:
            cells[_SENT] += 1
            cells[_RECIPIENTS_SENT] += served
            cells[_BYTES_SENT] += delivery.entry.content.size
