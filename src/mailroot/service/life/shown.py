"""Rows and facts of the queue as operators see them, in values that JSON can hold."""

from datetime import UTC, datetime

from mailroot.queue.entry import Listed, Pending, QueueEntry
from mailroot.queue.schedule import coming_attempts
from mailroot.service.rules import Rules

# What a store gives as the due of a recipient that is in delivery at this moment.
_LEASED = datetime.fromtimestamp(0, UTC)
_COMING = 12  # attempts that are shown


def row_of(server: str, listed: Listed) -> dict[str, object]:
    """One row of a list."""
    return {
        "server": server,
        "key": listed.key,
        "sender": listed.sender,
        "recipient": listed.recipient,
        "size": listed.size,
        "arrived": moment_text(listed.arrived),
        "due": moment_text(listed.due),
        "attempts": listed.attempts,
        "last": listed.last,
        "held": listed.held,
        "via": listed.via,
        "message_id": listed.message_id,
    }


def opening_facts(server: str, entry: QueueEntry) -> dict[str, object]:
    """Whose message it is, for somebody who opens it."""
    return {
        "server": server,
        "key": entry.key,
        "sender": entry.envelope.sender_text,
        "recipients": [str(one.recipient.address) for one in entry.pending],
        "arrived": moment_text(entry.arrived),
        "size": entry.content.size,
    }


def entry_facts(server: str, entry: QueueEntry, rules: Rules) -> dict[str, object]:
    """An entry whole, with all its waiting recipients."""
    envelope = entry.envelope
    return {
        "server": server,
        "key": entry.key,
        "sender": envelope.sender_text,
        "message_id": entry.message_id,
        "size": entry.content.size,
        "arrived": moment_text(entry.arrived),
        "source": entry.origin.source,
        "client": entry.origin.address,
        "hello": entry.origin.hello,
        "session": entry.origin.session,
        "body": envelope.body.value,
        "smtputf8": envelope.smtputf8,
        "ret": envelope.ret.value if envelope.ret else "",
        "envid": envelope.envid or "",
        "accepted_recipients": len(envelope.recipients),
        "failures": entry.failures,
        "recipients": [_recipient(entry, one, rules) for one in entry.pending],
    }


def _recipient(entry: QueueEntry, pending: Pending, rules: Rules) -> dict[str, object]:
    """A waiting recipient: what was, and what comes if every attempt fails at once."""
    plan = rules.retry_for(pending.recipient.address.domain)
    leased, last, notify = pending.due == _LEASED, pending.last, pending.recipient.notify
    notice = not pending.delay_reported and plan.delay_notification < plan.expiration
    return {
        "recipient": str(pending.recipient.address),
        "due": "" if leased else moment_text(pending.due),
        "in_delivery": leased,
        "attempts": pending.attempts,
        "status": last.code if last else "",
        "last": last.words if last else "",
        "remote": last.remote if last else "",
        "held": pending.held,
        "via": pending.via,
        "delay_reported": pending.delay_reported,
        "coming": [] if leased else [moment_text(at) for at in coming_attempts(pending, entry.arrived, plan, _COMING)],
        "delay_notice": moment_text(entry.arrived + plan.delay_notification) if notice else "",
        "expires": moment_text(entry.arrived + plan.expiration),
        "notify": "" if notify is None else notify.words,
        "orcpt": pending.recipient.orcpt or "",
    }


def moment_text(moment: datetime | None) -> str:
    """A moment to the second; "" for none."""
    return moment.isoformat(timespec="seconds") if moment else ""
