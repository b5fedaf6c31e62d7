"""Where directories of each kind keep what routing asks for: one row a kind."""

from dataclasses import dataclass

from mailroot.settings.filters import ACCOUNT_FILTER, RECIPIENT_FILTER, SearchFilter
from mailroot.settings.ldap import CustomSchema, LdapRouting, LdapSchema


@dataclass(frozen=True, slots=True)
class Schema:
    """One kind of directory. All names of attributes and classes are in lower case.

    `recipient` and `account` are filters. Of `mail` the first attribute that has an address counts, and mail goes
    there; `alternates` are further addresses of the same person, as they are or with "smtp:" before them. `members` and
    `forward_names` hold names of entries; `member_addresses` and `forward` hold addresses. `keep_copy` is TRUE where
    forwarded mail goes to the person too. Somebody is disabled who has one of `disabled_values`, or a number with
    a bit of `disabled_bits`.
    """

    recipient: SearchFilter
    account: SearchFilter
    mail: tuple[str, ...] = ("mail",)
    alternates: tuple[str, ...] = ()
    group_classes: frozenset[str] = frozenset()
    members: tuple[str, ...] = ("member",)
    member_addresses: tuple[str, ...] = ()
    forward: tuple[str, ...] = ()
    forward_names: tuple[str, ...] = ()
    keep_copy: str = ""
    disabled_attribute: str = ""
    disabled_values: frozenset[str] = frozenset()
    disabled_bits: int = 0

    @property
    def attributes(self) -> tuple[str, ...]:
        """What is asked for."""
        single = (name for name in (self.keep_copy, self.disabled_attribute) if name)
        many = self.mail + self.alternates + self.members + self.member_addresses + self.forward + self.forward_names
        return tuple(dict.fromkeys(("objectclass", *many, *single)))


SCHEMAS = {
    # [MS-ADA]; Exchange adds targetAddress, altRecipient and deliverAndRedirect.
    LdapSchema.ACTIVE_DIRECTORY: Schema(
        recipient=RECIPIENT_FILTER.parse("(|(mail={address})(proxyAddresses=smtp:{address}))"),
        account=ACCOUNT_FILTER.parse(
            "(&(objectClass=user)(|(sAMAccountName={user})(userPrincipalName={user})(mail={user})))"
        ),
        alternates=("proxyaddresses",),
        group_classes=frozenset({"group"}),
        forward=("targetaddress",),
        forward_names=("altrecipient",),
        keep_copy="deliverandredirect",
        disabled_attribute="useraccountcontrol",
        disabled_bits=2,  # ADS_UF_ACCOUNTDISABLE
    ),
    # Site Server 3.0: people are of the class `member`, lists are groups of names or of addresses.
    LdapSchema.MEMBERSHIP_DIRECTORY: Schema(
        recipient=RECIPIENT_FILTER.parse("(|(mail={address})(mailAlternateAddress={address}))"),
        account=ACCOUNT_FILTER.parse("(&(objectClass=member)(|(cn={user})(mail={user})))"),
        alternates=("mailalternateaddress",),
        group_classes=frozenset({"groupofnames", "mailgroup", "memberof"}),
        member_addresses=("rfc822mailmember",),
        forward=("mailforwardingaddress",),
    ),
    # Exchange 5.5: proxies are "smtp$address" in otherMailbox, lists are groups of names.
    LdapSchema.EXCHANGE_LDAP: Schema(
        recipient=RECIPIENT_FILTER.parse(
            "(|(mail={address})(rfc822Mailbox={address})(otherMailbox=smtp${address})(otherMailbox=smtp:{address}))"
        ),
        account=ACCOUNT_FILTER.parse("(|(uid={user})(mail={user}))"),
        mail=("mail", "rfc822mailbox"),
        alternates=("othermailbox",),
        group_classes=frozenset({"groupofnames"}),
        forward=("targetaddress", "target-address"),
        forward_names=("altrecipient",),
        keep_copy="deliverandredirect",
    ),
}


def schema_of(routing: LdapRouting) -> Schema:
    """The schema that settings name, or make."""
    return SCHEMAS.get(routing.schema) or _custom(routing.custom)


def _custom(made: CustomSchema) -> Schema:
    return Schema(
        recipient=made.recipient_filter,
        account=made.account_filter,
        mail=_names(made.mail),
        alternates=_names(made.alternates),
        group_classes=frozenset(_names(made.group_classes)),
        members=_names(made.members),
        member_addresses=_names(made.member_addresses),
        forward=_names(made.forward),
        forward_names=_names(made.forward_names),
        keep_copy=made.keep_copy.lower(),
        disabled_attribute=made.disabled_attribute.lower(),
        disabled_values=frozenset(value.casefold() for value in made.disabled_values),
    )


def _names(written: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.lower() for name in written)
