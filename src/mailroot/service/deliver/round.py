"""A round of attempts: the deliveries of an entry that run side by side, and what their sender is told together.

A message to fifty domains that all fail or are all late would else be answered by fifty reports.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from mailroot.mail.status import Disposition
from mailroot.queue.settle import Settled
from mailroot.service.deliver.delivery import Delivery

# Seconds that a failure waits for the other deliveries of its message, so that one report tells of all of them.
_COMPANY = 30.0


@dataclass(slots=True)
class Round:
    """What is still to be settled, with the delivery that it came of: failures, and delays that a notice is due for.

    To try these once more after a crash does no harm; what was delivered is settled at once.
    """

    late: list[tuple[Delivery, Settled]] = field(default_factory=list)

    def keep(self, delivery: Delivery, settled: Settled) -> Settled:
        """Keep what the sender is to be told; the rest, which is settled now."""
        noticed = {one.number for one in settled.delayed}
        failed = tuple([each for each in settled.final if each[1].disposition is Disposition.FAILED])
        if not failed and not noticed:
            return settled
        waiting = tuple([one for one in settled.deferred if one.number in noticed])
        self.late.append((delivery, Settled(settled.key, failed, waiting, settled.delayed)))
        final = tuple([each for each in settled.final if each[1].disposition is not Disposition.FAILED])
        deferred = tuple([one for one in settled.deferred if one.number not in noticed])
        return Settled(settled.key, final, deferred, ())

    def take(self) -> list[tuple[Delivery, Settled]]:
        """What was kept so far; it is the caller's to settle."""
        late, self.late = self.late, []
        return late


async def side_by_side(attempts: Sequence[Awaitable[None]], settle_late: Callable[[], Awaitable[None]]) -> None:
    """Make the attempts; what came late is settled with the last of them, or after a while, and then with the last."""
    everything = asyncio.gather(*attempts)
    try:
        await asyncio.wait([everything], timeout=_COMPANY)
        await settle_late()
        await everything
    except BaseException:
        everything.cancel()
        raise
    await settle_late()
