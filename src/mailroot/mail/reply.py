"""Replies, and the one table of those that Mailroot gives.

Wordings follow the predecessor where its public documents or logs show them; the rest are ours.
"""

from typing import NamedTuple


class Reply(NamedTuple):
    """A reply: three-digit code, enhanced status code ("" where the reply has none), one or more lines."""

    code: int
    enhanced: str
    lines: tuple[str, ...]

    @property
    def positive(self) -> bool:
        """Whether the reply is a positive completion or intermediate reply (RFC 5321 section 4.2.1)."""
        return self.code < 400

    @property
    def text(self) -> str:
        """The reply as one line, for logs and reports."""
        return " ".join(part for part in (str(self.code), self.enhanced, " ".join(self.lines)) if part)

    def encode(self) -> bytes:
        """The reply as it goes over the wire; UTF-8 only where its text is not ASCII (RFC 6531 section 3.7.4)."""
        code, enhanced, lines = self
        if len(lines) == 1:
            return f"{code} {enhanced} {lines[0]}\r\n".encode() if enhanced else f"{code} {lines[0]}\r\n".encode()
        lead = f"{enhanced} " if enhanced else ""
        last = len(lines) - 1
        return "".join(
            f"{code}{'-' if number < last else ' '}{lead}{line}\r\n" for number, line in enumerate(lines)
        ).encode()


class ReplyRow(NamedTuple):
    """One row of the table: calling it with the values that its text names makes the reply."""

    code: int
    enhanced: str
    text: str
    source: str

    def __call__(self, **values: object) -> Reply:
        """The reply with its values in place. Line breaks in a value cannot split the reply."""
        text = self.text
        if values:
            text = text.format(**values)
            if not text.isprintable():
                text = "".join(character if character.isprintable() else "?" for character in text)
        return Reply(self.code, self.enhanced, (text,))


# "facts" is the predecessor's behaviour as its public documents and logs show it: docs/predecessor.md, by section.
REPLY_ROWS: dict[str, ReplyRow] = {
    # connection
    "greeting": ReplyRow(220, "", "{fqdn} {banner} ready at  {date} ", "facts 5.1"),
    "closing": ReplyRow(221, "2.0.0", "{fqdn} Service closing transmission channel", "facts 5.4"),
    "connection_refused": ReplyRow(554, "5.7.1", "Access denied for {address}", "RFC 5321 3.1"),
    "connection_uncertain": ReplyRow(
        421, "4.7.25", "Name of {address} cannot be looked up, try again later", "RFC 7372 3"
    ),
    "too_many_connections": ReplyRow(421, "4.3.2", "{fqdn} Too many connections, try again later", "RFC 5321 4.2.1"),
    "paused": ReplyRow(421, "4.3.2", "{fqdn} Service paused, try again later", "RFC 5321 4.2.1"),
    "shutting_down": ReplyRow(421, "4.3.2", "{fqdn} Service closing transmission channel", "RFC 5321 3.8"),
    "idle_too_long": ReplyRow(421, "4.4.2", "{fqdn} Connection timed out", "RFC 5321 4.5.3.2"),
    "internal_error": ReplyRow(421, "4.3.0", "{fqdn} Internal error, closing the connection", "RFC 5321 4.2.1"),
    "talks_too_early": ReplyRow(554, "5.5.0", "SMTP synchronization error", "RFC 5321 4.3.1"),
    "not_smtp": ReplyRow(554, "5.5.0", "This is an SMTP server", "RFC 5321 4.2.1"),
    "tls_not_here": ReplyRow(500, "5.5.2", "TLS is not spoken here", "RFC 5321 4.2.4"),
    "too_many_errors": ReplyRow(421, "4.7.0", "{fqdn} Too many errors, closing the connection", "RFC 5321 4.2.1"),
    # commands
    "ok": ReplyRow(250, "2.0.0", "OK", "facts 5.4"),
    "resetting": ReplyRow(250, "2.0.0", "Resetting", "facts 5.4"),
    "hello": ReplyRow(250, "", "{fqdn} Hello [{address}]", "facts 5.2"),
    "unrecognized": ReplyRow(500, "5.3.3", "Unrecognized command", "facts 5.4"),
    "line_too_long": ReplyRow(500, "5.5.2", "Line too long", "RFC 5321 4.5.3.1.4"),
    "not_implemented": ReplyRow(502, "5.5.1", "Command not implemented", "RFC 5321 4.2.4"),
    "invalid_arguments": ReplyRow(501, "5.5.4", "Invalid arguments", "facts 5.4"),
    "argument_missing": ReplyRow(501, "5.5.4", "Argument missing", "facts 5.4"),
    "invalid_address": ReplyRow(501, "5.5.4", "Invalid Address", "facts 5.4"),
    "address_too_long": ReplyRow(501, "5.1.3", "Address too long", "RFC 5321 4.5.3.1"),
    "needs_smtputf8": ReplyRow(553, "5.6.7", "Address needs SMTPUTF8", "RFC 6531 3.5"),
    "unknown_parameter": ReplyRow(555, "5.5.4", "Unsupported parameter {name}", "RFC 5321 4.1.1.11"),
    "hello_first": ReplyRow(503, "5.5.1", "Say EHLO or HELO first", "RFC 5321 4.1.4"),
    "need_mail": ReplyRow(503, "5.5.2", "Need mail command.", "facts 5.4"),
    "need_rcpt": ReplyRow(503, "5.5.1", "Need rcpt command.", "RFC 5321 3.3"),
    "nested_mail": ReplyRow(503, "5.5.1", "Sender already specified", "RFC 5321 4.1.4"),
    "bad_sequence": ReplyRow(503, "5.5.1", "Bad sequence of commands", "RFC 5321 4.1.4"),
    "need_bdat": ReplyRow(503, "5.5.1", "BINARYMIME needs BDAT", "RFC 3030 3"),
    "cannot_verify": ReplyRow(252, "2.1.5", "Cannot VRFY user, but will take message for <{address}>", "facts 5.4"),
    "help": ReplyRow(214, "", "This server supports the following commands:", "facts 5.3"),
    # TLS and signing in
    "tls_ready": ReplyRow(220, "2.0.0", "SMTP server ready", "facts 5.4"),
    "tls_not_offered": ReplyRow(554, "5.7.3", "Unable to initialize security subsystem", "facts 5.4"),
    "tls_busy": ReplyRow(454, "4.7.0", "TLS is not available now, try again later", "RFC 3207 4"),
    "tls_first": ReplyRow(530, "5.7.0", "Must issue a STARTTLS command first", "facts 5.4"),
    "challenge": ReplyRow(334, "", "{data}", "RFC 4954 4"),
    "signed_in": ReplyRow(235, "2.7.0", "Authentication successful", "facts 5.4"),
    "not_signed_in": ReplyRow(535, "5.7.3", "Authentication unsuccessful", "facts 5.4"),
    "unknown_mechanism": ReplyRow(504, "5.7.4", "Unrecognized authentication type", "facts 5.4"),
    "sign_in_unavailable": ReplyRow(454, "4.7.0", "Temporary authentication failure", "RFC 4954 6"),
    "sign_in_cancelled": ReplyRow(501, "5.0.0", "Authentication cancelled", "RFC 4954 4"),
    "not_base64": ReplyRow(501, "5.5.2", "Cannot decode the response", "RFC 4954 4"),
    "response_too_long": ReplyRow(500, "5.5.6", "Authentication exchange line is too long", "RFC 4954 4"),
    "too_many_sign_ins": ReplyRow(
        421, "4.7.0", "{fqdn} Too many failed sign-ins, closing the connection", "RFC 5321 4.2.1"
    ),
    "sign_in_first": ReplyRow(530, "5.7.0", "Authentication required", "RFC 4954 6"),
    # mail that waits to be asked for
    "queuing_started": ReplyRow(250, "2.0.0", "Queuing for {node} started", "facts 5.7"),
    "nothing_waits": ReplyRow(251, "2.0.0", "OK, no messages waiting for {node}", "RFC 1985 5.3"),
    "pending_started": ReplyRow(252, "2.0.0", "OK, pending messages for {node} started", "RFC 1985 5.3"),
    "pending_counted": ReplyRow(253, "2.0.0", "OK, {count} pending messages for {node} started", "RFC 1985 5.3"),
    "queuing_failed": ReplyRow(458, "4.3.0", "Unable to queue messages for {node}", "RFC 1985 5.3"),
    "node_not_allowed": ReplyRow(459, "4.7.1", "Node {node} not allowed: {reason}", "RFC 1985 5.3"),
    "reversing": ReplyRow(250, "2.0.0", "OK now reversing the connection", "RFC 2645 5.2.2"),
    "turn_refused": ReplyRow(450, "4.7.1", "ATRN request refused", "RFC 2645 5.2.2"),
    "turn_unavailable": ReplyRow(451, "4.3.0", "Unable to process ATRN request now", "RFC 2645 5.2.2"),
    "no_mail": ReplyRow(453, "4.2.0", "You have no mail", "RFC 2645 5.2.2"),
    # mail transaction
    "sender_ok": ReplyRow(250, "2.1.0", "{address}....Sender OK", "facts 5.4"),
    "recipient_ok": ReplyRow(250, "2.1.5", "{address} ", "facts 5.4"),
    "relay_denied": ReplyRow(550, "5.7.1", "Unable to relay for {address}", "facts 5.4"),
    "relay_uncertain": ReplyRow(451, "4.7.25", "Unable to relay for {address} now, try again later", "RFC 7372 3"),
    "relay_trick": ReplyRow(550, "5.7.1", "Unable to relay for {address}", "facts 5.5"),
    "anonymous_not_allowed": ReplyRow(
        454, "5.7.3", "Client does not have permission to submit mail to this server", "facts 5.4"
    ),
    "unknown_recipient": ReplyRow(550, "5.1.1", "User unknown: {address}", "RFC 5321 4.2.3"),
    "ambiguous_recipient": ReplyRow(550, "5.1.4", "Several users have the address {address}", "RFC 3463 3.2"),
    "disabled_recipient": ReplyRow(550, "5.2.1", "Mailbox disabled: {address}", "RFC 3463 3.3"),
    "too_many_recipients": ReplyRow(452, "4.5.3", "Too many recipients", "facts 5.6"),
    "no_valid_recipients": ReplyRow(554, "5.5.1", "No valid recipients", "RFC 5321 3.3"),
    "mailbox_full": ReplyRow(452, "4.2.2", "Mailbox Full", "facts 1.7"),
    "start_input": ReplyRow(354, "", "Start mail input; end with <CRLF>.<CRLF>", "facts 5.4"),
    "chunk_ok": ReplyRow(250, "2.6.0", "{size} octets received", "RFC 3030 2"),
    "queued": ReplyRow(250, "2.6.0", "{message_id} Queued mail for delivery", "facts 5.4"),
    "message_too_large": ReplyRow(552, "5.3.4", "Message size exceeds fixed maximum message size", "facts 5.4"),
    "session_too_large": ReplyRow(552, "4.3.1", "Session size exceeds fixed maximum session size", "facts 5.4"),
    "bare_newline": ReplyRow(550, "5.6.0", "Bare CR or LF is not allowed", "RFC 5321 2.3.8"),
    "bare_newline_in_command": ReplyRow(500, "5.5.2", "Command lines end in CRLF", "RFC 5321 2.3.8"),
    "bad_content": ReplyRow(550, "5.6.0", "{reason}", "RFC 5322 2.1"),
    "too_many_hops": ReplyRow(554, "5.4.6", "Too many hops", "RFC 5321 6.3"),
    "disk_full": ReplyRow(452, "4.3.1", "Insufficient system storage", "RFC 5321 4.2.3"),
    "store_unavailable": ReplyRow(451, "4.3.0", "Queue not available, try again later", "RFC 5321 4.2.3"),
}


class _Replies:
    """The rows by name: `REPLIES.ok()`."""

    def __init__(self) -> None:
        self.__dict__.update(REPLY_ROWS)

    def __getattr__(self, name: str) -> ReplyRow:
        raise AttributeError(f"the table has no reply {name!r}")


REPLIES = _Replies()
