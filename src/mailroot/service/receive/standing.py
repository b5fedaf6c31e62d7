"""Where a client stands: everything that the rules say of it. What its address alone decides is remembered."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mailroot.mail.reply import REPLIES, Reply
from mailroot.policy.access import may_connect
from mailroot.policy.client import NOT_ASKED, Address, Client, client_address
from mailroot.policy.relay import RelayRight, relay_right
from mailroot.policy.sender import may_send
from mailroot.policy.verdict import Accept, Refuse, Undecided, Verdict
from mailroot.service.rules import Rules
from mailroot.settings.virtualserver import BareNewline, TlsOffer
from mailroot.wire.profile import ServerProfile
from mailroot.wire.sasl.server import Mechanism, Terms, offered

_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Standing:
    """What the rules say of one client. `address` is its text; `refused` is None where it may connect.

    `asks_names`: it is connected once its names are known (`undecided`), or Received tells of them (`remarks`).
    """

    client: Client
    address: str
    refused: Refuse | None
    right: RelayRight
    sending: Verdict
    profile: ServerProfile
    undecided: bool = False
    remarks: bool = False
    asks_names: bool = False
    mechanisms: Mapping[str, Mechanism] = field(default_factory=dict)
    """Those by which the client may sign in, as they are offered."""


class Standings:
    """The standings under one revision of the rules; a bounded number is remembered, then all are forgotten."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._known: dict[str, Standing] = {}
        self._secured: dict[tuple[Address, bool], Standing] = {}

    def of(self, address: str) -> Standing:
        """The standing of a client by the text of its address."""
        standing = self._known.get(address)
        if standing is None:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            standing = self._known[address] = standing_of(self.rules, Client(client_address(address)))
        return standing

    def now_that(self, client: Client, binding: bool) -> Standing:
        """The standing of a client of which more is known. `binding`: our certificate gives a channel binding."""
        if not client.tls or client.user or client.names is not NOT_ASKED:
            return standing_of(self.rules, client, binding)
        known = client.address, binding
        standing = self._secured.get(known)
        if standing is None:
            if len(self._secured) >= _MOST_REMEMBERED:
                self._secured.clear()
            standing = self._secured[known] = standing_of(self.rules, client, binding)
        return standing

    def greeting(self, date: str) -> Reply:
        """The greeting at this date."""
        return REPLIES.greeting(fqdn=self.rules.fqdn, banner=self.rules.settings.general.banner, date=date)


def standing_of(rules: Rules, client: Client, binding: bool = False) -> Standing:
    """What the rules say of a client, as far as it is known. `binding`: our certificate gives a channel binding."""
    access = rules.settings.access
    mechanisms = _mechanisms(rules, client.tls, binding)
    text = str(client.address)
    verdict = may_connect(client, access.connection)
    undecided, remarks = isinstance(verdict, Undecided), rules.settings.delivery.reverse_dns
    return Standing(
        client=client,
        address=text,
        refused=verdict if isinstance(verdict, Refuse) else None,
        right=relay_right(client, access.relay, rules.settings.delivery.trap is not None),
        sending=may_send(client, access),
        profile=_profile(rules, text, client.tls, tuple(mechanisms)),
        undecided=undecided,
        remarks=remarks,
        asks_names=undecided or remarks,
        mechanisms=mechanisms,
    )


def invited(standing: Standing) -> Standing:
    """Where one stands whom we asked for our mail (ATRN): it may send, but has no right to relay, whoever it is.

    Its session is as long as what it has for us; nothing is offered that it does not need.
    """
    profile = replace(
        standing.profile,
        session_limit=0,
        starttls=False,
        tls_required=False,
        mechanisms=(),
        auth_needs_tls=False,
        holds=False,
        turns=False,
    )
    return replace(
        standing,
        refused=None,
        right=RelayRight(False, "the connection is one on which our own mail is collected"),
        sending=Accept("it was asked for our mail"),
        profile=profile,
        undecided=False,
        asks_names=False,
        remarks=False,
        mechanisms={},
    )


def _mechanisms(rules: Rules, tls: bool, binding: bool) -> Mapping[str, Mechanism]:
    access, entrance = rules.settings.access, rules.entrance
    if entrance is None:
        return {}
    answers = entrance.accounts.answers
    return offered(Terms(access.basic, access.integrated, access.basic_requires_tls, tls, binding, answers))


def _profile(rules: Rules, address: str, tls: bool, mechanisms: tuple[str, ...]) -> ServerProfile:
    general, messages, access = rules.settings.general, rules.settings.messages, rules.settings.access
    patience = general.connection_timeout.total_seconds()
    return ServerProfile(
        fqdn=rules.fqdn,
        client_address=address,
        default_domain=rules.domains.default,
        size_limit=messages.size_limit,
        session_limit=messages.session_limit,
        recipient_limit=messages.recipient_limit,
        error_limit=general.error_limit,
        reject_bare_newline=messages.bare_newline is BareNewline.REJECT,
        secured=tls,
        starttls=access.tls is not TlsOffer.OFF and not tls,
        tls_required=access.tls is TlsOffer.REQUIRE,
        mechanisms=mechanisms,
        auth_needs_tls=not tls and access.tls is not TlsOffer.OFF and bool(_mechanisms(rules, tls=True, binding=True)),
        holds=rules.holding is not None,
        turns=rules.holding is not None and rules.holding.domains.any_account,
        command_timeout=patience,
        body_timeout=patience,
    )
