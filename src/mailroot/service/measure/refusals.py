"""Why a client was refused, as one of the few causes that are counted: read off the reply's codes.

What cannot be read at all, 501 for an address, never comes here: it is an event `protocol_fault`.
"""

# By the reply's code with its enhanced code, then by the enhanced code's subject; the first that fits counts.
_BY_CODES = {
    "550 5.7.1": "relay",
    "454 5.7.3": "sign_in",
    "530 5.7.0": "sign_in",
    "452 4.2.2": "quota",
    "452 4.5.3": "recipients",
    "552 5.3.4": "size",
    "552 4.3.1": "size",
    "554 5.4.6": "hops",
    "421 4.7.25": "uncertain",
    "451 4.7.25": "uncertain",
}
_BY_SUBJECT = {"1": "address", "3": "room", "6": "content"}


def cause_of(reply: str) -> str:
    """The cause of a refusal by the text of its reply (`mail.counters.families.REFUSALS`)."""
    codes = " ".join(reply.split(" ", 2)[:2])
    cause = _BY_CODES.get(codes)
    if cause is not None:
        return cause
    return _BY_SUBJECT.get(codes[6:7], "other")
