"""Mail that goes round in circles (RFC 5321 section 6.3, facts 5.8)."""

import functools

from mailroot.mail.reply import REPLIES
from mailroot.policy.verdict import Accept, Refuse, Verdict


@functools.lru_cache(maxsize=256)
def may_hop(received_count: int, hop_count: int) -> Verdict:
    """Whether a message has not passed too many servers. `hop_count` is delivery.hop_count."""
    if received_count <= hop_count:
        return Accept(f"{received_count} Received fields, delivery.hop_count is {hop_count}")
    return Refuse(REPLIES.too_many_hops(), f"{received_count} Received fields, delivery.hop_count is {hop_count}")
