"""Guarantee G6: an entry that makes a worker fail again and again is set aside, and no innocent one with it.

When a worker dies, everything that it held is under suspicion, and mostly innocent. So the store counts a failure
of each entry that was leased, but only up to `SUSPECT_AFTER`; that alone never condemns an entry. A suspect is worked
on alone, while nothing else is in flight in its worker (within limits: `service.deliver.probation`), and its failure is
counted durably *before* the try (`QueueStore.failed`): if the worker dies now, the blame is certain. The settlement of
the try clears the count; a release does not, so what cannot be tried is given back before it is counted. After
`HOPELESS_AFTER` an entry belongs into Badmail.
"""

from mailroot.queue.entry import QueueEntry

# Deaths of its worker after which an entry is worked on alone.
SUSPECT_AFTER = 3
# Counted failures after which an entry goes to Badmail: three deaths in company, then three alone.
HOPELESS_AFTER = 6


def counted(failures: int) -> int:
    """The failures of an entry that was leased when its worker died, among others that may be to blame."""
    return failures + 1 if failures < SUSPECT_AFTER else failures


def suspect(entry: QueueEntry) -> bool:
    """Whether the entry is to be worked on alone, with its failure counted before the try."""
    return entry.failures >= SUSPECT_AFTER


def hopeless(entry: QueueEntry) -> bool:
    """Whether the entry is to be put into Badmail instead of being tried once more."""
    return entry.failures >= HOPELESS_AFTER
