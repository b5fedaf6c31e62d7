"""OAuth 2 access tokens: kept while they last, renewed before they end, asked for by one request at a time.

Not responsible for how one is had (`edge.tokenrequest`) or what it is for. Times are seconds of a clock that never goes
back, so a wall clock that is wrong makes no token old.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from mailroot.settings.delivery import OAuth2

# A token is renewed when so much of its life is left, at most: a transaction that begins with it must end with it.
_MARGIN = 300.0
# Below that, it is not given out any more.
_LEAST = 30.0
# Seconds after a failure in which the endpoint is not asked again: doubled with each failure in a row.
_FIRST_REST, _LONGEST_REST = 15.0, 300.0
# Sources come from the settings; after many reloads old ones are forgotten.
_SOURCES = 1000


@dataclass(frozen=True, slots=True)
class Granted:
    """A fresh access token. It is good for `lasts` seconds."""

    token: str = field(repr=False)
    lasts: float


@dataclass(frozen=True, slots=True)
class TokenFailed:
    """No token can be had now; `cause` is a clause for the log and for reports, and holds no secret."""

    cause: str


Request = Callable[[OAuth2], Awaitable[Granted | TokenFailed]]


@dataclass(slots=True)
class _Source:
    token: str = field(default="", repr=False)
    renew: float = 0.0
    ends: float = 0.0
    failed: TokenFailed | None = None
    rest: float = 0.0
    ask_again: float = 0.0
    asking: asyncio.Task[None] | None = None


class Tokens:
    """The tokens of one worker, by where they come from. Belongs to one event loop."""

    def __init__(self, request: Request, moment: Callable[[], float], failed: Callable[[str, str], None]) -> None:
        """`failed` hears of each request that failed: who was asked, and why not."""
        self._request = request
        self._moment = moment
        self._failed = failed
        self._sources: OrderedDict[OAuth2, _Source] = OrderedDict()

    async def token(self, oauth2: OAuth2) -> str | TokenFailed:
        """A token that can be used now. While one is good, its renewal is not waited for."""
        source = self._source(oauth2)
        now = self._moment()
        if not source.token or now >= source.renew:
            self._ask(oauth2, source, now)
        if source.token and now < source.ends - _LEAST:
            return source.token
        if source.asking is not None:
            # Who gives up waiting does not end the request that others wait for.
            await asyncio.shield(source.asking)
        if source.token and self._moment() < source.ends:
            return source.token
        return source.failed or TokenFailed("no token came")

    def refused(self, oauth2: OAuth2, token: str) -> None:
        """A server did not take a token that should have been good: it is not given out again."""
        source = self._source(oauth2)
        if source.token == token:
            source.token = ""

    def forget_failures(self) -> None:
        """Ask again at once where a request failed: an operator knows better."""
        for source in self._sources.values():
            source.ask_again = source.rest = 0.0

    def _source(self, oauth2: OAuth2) -> _Source:
        source = self._sources.get(oauth2)
        if source is None:
            source = self._sources[oauth2] = _Source()
            if len(self._sources) > _SOURCES:
                self._sources.popitem(last=False)
        return source

    def _ask(self, oauth2: OAuth2, source: _Source, now: float) -> None:
        if source.asking is None and now >= source.ask_again:
            source.asking = asyncio.create_task(self._renew(oauth2, source), name="token")

    async def _renew(self, oauth2: OAuth2, source: _Source) -> None:
        try:
            answer = await self._request(oauth2)
        finally:
            source.asking = None
        now = self._moment()
        if isinstance(answer, Granted):
            source.token, source.failed, source.rest = answer.token, None, 0.0
            source.ends = now + answer.lasts
            source.renew = source.ends - min(_MARGIN, answer.lasts / 3)
            return
        source.failed = answer
        source.rest = min(source.rest * 2 or _FIRST_REST, _LONGEST_REST)
        source.ask_again = now + source.rest
        self._failed(oauth2.token_url or oauth2.token_command[0], answer.cause)
