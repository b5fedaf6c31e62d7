"""The three faults that foreign exceptions become, once, in `edge` (design: errors).

Outcomes of mail are values, never exceptions; these are for what is broken around the mail.
"""


class Fault(Exception):
    """A fault outside the program. Its text names what, where and, where there is one, the mend."""


class ConnectionLost(Fault):
    """The other side of a connection went away."""


class Unavailable(Fault):
    """Something that is needed cannot be used now; trying again later may work."""


class DiskFull(Unavailable):
    """No room is left on a file system: 452 4.3.1 to a client."""


class StoreFailed(Unavailable):
    """A sync of the queue failed: the fate of what was being committed is unknown, and the store is closed for good.

    The sync is never repeated: after a failed one the kernel may have dropped the pages and report success.
    """


class Misconfigured(Fault):
    """An operator must act before this can work."""


class Missing(Misconfigured):
    """What was named is not there, or not any more."""


class Conflict(Misconfigured):
    """The state of things stands in the way: a newer change, a name that is taken."""


class NotAllowed(Fault):
    """Somebody asks for what he may not do; the text is for him."""
