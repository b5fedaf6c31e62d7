"""How deliveries go, in numbers: how long messages waited, how long attempts take, what became of them."""

import time
from collections.abc import Callable, Sequence

from mailroot.mail.counters.layout import SLOTS, STAGE_SLOTS, UNCOUNTED, Tally
from mailroot.mail.status import Disposition
from mailroot.queue.settle import Settled
from mailroot.routing.route import DropRoute
from mailroot.service.deliver.delivery import Delivery

_WAIT, _ATTEMPT, _TOTAL = STAGE_SLOTS["wait"], STAGE_SLOTS["attempt"], STAGE_SLOTS["total"]
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
        tally, local = self._tally, isinstance(delivery.route, DropRoute)
        tally.add(SLOTS.routing_lookups)
        if delivery.pending[0].attempts:
            tally.add(SLOTS.delivery_retries if local else SLOTS.send_retries)
        served = len([status for _, status in settled.final if status.disposition is not _FAILED])
        if settled.final:
            tally.took(_TOTAL, self._epoch() - delivery.entry.arrived.timestamp())
        if not served:
            return
        tally.add(SLOTS.recipients_served, served)
        if local:
            tally.add(SLOTS.messages_delivered)
            tally.add(SLOTS.directory_drops)
            tally.add(SLOTS.recipients_delivered, served)
        else:
            tally.add(SLOTS.messages_sent)
            tally.add(SLOTS.recipients_sent, served)
            tally.add(SLOTS.message_bytes_sent, delivery.entry.content.size)
