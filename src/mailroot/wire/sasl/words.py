"""What a SASL mechanism and whoever drives it say to each other. Not responsible for any mechanism.

A server's mechanism is a generator, an `Exchange`. It yields a `Challenge` and is sent the client's response; it yields
a question about accounts and is sent the answer; it returns an outcome. All that is said to the client is a challenge,
the last words of a success too: a success has no data of its own, since SMTP could not carry it (RFC 4954 section 4).

A client's mechanism, a `Presentation`, yields a `Response` and is sent the server's next challenge. It is closed when
the server has decided.

Neither raises, whatever the peer sends. Only a driver that answers a question with a value of the wrong kind gets a
`TypeError`. No value shows a secret in its `repr`.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias, TypeVar


@dataclass(frozen=True, slots=True)
class ChannelBinding:
    """What ties an exchange to its TLS connection: `tls-server-end-point` (RFC 5929 section 4), no other kind.

    `digest` is the hash of the server's certificate.
    """

    digest: bytes

    KIND = "tls-server-end-point"


@dataclass(frozen=True, slots=True)
class Opening:
    """What a server's mechanism begins with.

    `initial` is the client's initial response, None where AUTH had none. `random` are 32 fresh random octets; `now` has
    a time zone. `names` are the names of this server, its own first. `binding` is None in clear, or where the
    certificate allows none; with one, SCRAM-SHA-256-PLUS must have been offered. `strict` demands what stops a relayed
    NTLM exchange: a checksum of its messages, and inside TLS a channel binding.
    """

    initial: bytes | None = field(repr=False)
    random: bytes = field(repr=False)
    now: datetime
    names: tuple[str, ...]
    binding: ChannelBinding | None = None
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Challenge:
    """Send this to the client. Answered with the client's response, `bytes`."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class CheckPassword:
    """Is this the user's password? Answered with a `bool`, after the same time whether the user exists or not.

    The password is as the client sent it, since PAM and Windows know no other; the embedded store prepares it
    (`prepare.prepared`) when it is set and when it is checked.
    """

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ScramKeysOf:
    """Which SCRAM keys has the user? Answered with `ScramKeys`.

    For a user without them the answer is made up: always the same salt and iterations for the same name, so that the
    exchange goes on as any other and fails at the proof.
    """

    user: str


@dataclass(frozen=True, slots=True)
class ScramKeys:
    """What a server keeps for SCRAM-SHA-256 (RFC 5802 section 3): no password, and of no use to a client."""

    salt: bytes
    iterations: int
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class CramSecretOf:
    """What is kept for the user's CRAM-MD5? Answered with `keys.cram_secret(password)`, None if there is none."""

    user: str


@dataclass(frozen=True, slots=True)
class NtHashOf:
    """Which NT hash has the user? Answered with `keys.nt_hash(password)`, None if there is none.

    `domain` is "" where the client meant this server.
    """

    user: str
    domain: str


@dataclass(frozen=True, slots=True)
class ContextStep:
    """Give the token to the security context of this exchange, opened by the first one.

    That is GSSAPI, or Samba for NTLM. Answered with `ContextToken` or `ContextFailed`. A client's first step has an
    empty token.
    """

    token: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ContextToken:
    """What a context gives for the peer, b"" if nothing. `user` is set once it is established: who the client is.

    A client's context has its own name there.
    """

    data: bytes = field(repr=False)
    user: str | None = None


@dataclass(frozen=True, slots=True)
class ContextWrap:
    """Seal octets in the established context: GSS_Wrap, without confidentiality.

    Answered with `bytes` or `ContextFailed`.
    """

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ContextUnwrap:
    """Open what the peer sealed: GSS_Unwrap. Answered with `bytes` or `ContextFailed`."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ContextFailed:
    """The context is of no use; the cause is for the log."""

    cause: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The client is this user. The name is prepared, never empty, and "DOMAIN\\user" for an account of elsewhere."""

    user: str


@dataclass(frozen=True, slots=True)
class NotSignedIn:
    """The client did not prove who it is.

    The cause is for the log; `user` is the name that it gave, prepared, "" if none.
    """

    cause: str
    user: str = ""


@dataclass(frozen=True, slots=True)
class Malformed:
    """The client broke the mechanism's syntax. The cause is for the log and holds nothing that the client sent."""

    cause: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are to another server: `password`, or for OAuth 2 an access `token`. `domain` is for NTLM alone."""

    user: str
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    domain: str = ""


@dataclass(frozen=True, slots=True)
class ClientOpening:
    """What a client's mechanism begins with.

    `host` and `port` are those of the server, as we call it. `random` are 32 fresh random octets; `now` has a time
    zone. `binding` is None in clear, or where the server's certificate allows none. `service` is what NTLM calls ours.
    """

    credentials: Credentials
    host: str
    port: int
    random: bytes = field(repr=False)
    now: datetime
    binding: ChannelBinding | None = None
    service: str = "SMTPSVC"


@dataclass(frozen=True, slots=True)
class Response:
    """Send this to the server. Answered with the server's next challenge, `bytes`.

    `data` is None only in the first step: the mechanism has no initial response. `told` is why the server refuses, if
    its challenge said so: printable text for the log. A success is believed after a `conclusive` response only: before
    it the server has not proved itself, or not seen enough to accept us.
    """

    data: bytes | None = field(repr=False)
    told: str = ""
    conclusive: bool = True


@dataclass(frozen=True, slots=True)
class Abandoned:
    """We do not go on with this server: it did not prove itself, or broke the syntax. Cancel with "*"."""

    cause: str


Outcome: TypeAlias = SignedIn | NotSignedIn | Malformed
Question: TypeAlias = CheckPassword | ScramKeysOf | CramSecretOf | NtHashOf | ContextStep | ContextWrap | ContextUnwrap
Answer: TypeAlias = bytes | bool | ScramKeys | ContextToken | ContextFailed | None
T = TypeVar("T")
# A part of an exchange, which returns T.
Part: TypeAlias = Generator[Challenge | Question, Answer, T]
Exchange: TypeAlias = Part[Outcome]

ClientStep: TypeAlias = Response | ContextStep | ContextWrap | ContextUnwrap
ClientAnswer: TypeAlias = bytes | ContextToken | ContextFailed
ClientPart: TypeAlias = Generator[ClientStep, ClientAnswer, T]
# None: everything was said, and the server's reply decides.
Presentation: TypeAlias = ClientPart[Abandoned | None]
