"""Who a request comes from, as routes ask for it; and that a browser's request is one of our own pages'.

A token counts in the header `Authorization: Bearer` alone; a session in its cookie alone. A request that changes
something and has a cookie must carry the session's CSRF token, in the header `X-CSRF-Token` or in the form's field
`csrf`, and must come from our own origin.
"""

import hmac
from ipaddress import ip_address
from typing import Annotated

from fastapi import Depends, Request

from mailroot.admin.access.access import Access, Refusal
from mailroot.admin.access.caller import Caller, Forbidden

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_SECURE_COOKIE, _LOCAL_COOKIE = "__Host-mailroot", "mailroot"


class NotSignedIn(Exception):
    """A request whose sender is not known."""


def cookie_name(request: Request) -> str:
    """The session's cookie; beyond this machine one that browsers send to this very host and over TLS only."""
    return _SECURE_COOKIE if request.url.scheme == "https" else _LOCAL_COOKIE


def session_of(request: Request) -> str:
    """The secret of the session that a request has; "" where it has none."""
    return request.cookies.get(cookie_name(request), "")[:200]


def address_of(request: Request) -> str:
    """Where a request comes from; headers that say so are not believed."""
    return request.client.host if request.client else ""


def access_of(request: Request) -> Access:
    """What lets in, of the application that has the request."""
    access: Access = request.app.state.access
    return access


async def signed_in(request: Request) -> Caller:
    """Who asks. Raises `NotSignedIn`, `Refusal`, or `Forbidden` where another site's page seems to ask."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme:
        if scheme.lower() != "bearer" or not secret.strip():
            raise Refusal("The header Authorization is to be: Bearer TOKEN")
        return await access_of(request).by_token(secret.strip()[:200], address_of(request))
    by_itself = "x-live" in request.headers  # a list that is live; nobody may be sitting before it
    caller = await access_of(request).by_session(session_of(request), address_of(request), used=not by_itself)
    if caller is None:
        raise NotSignedIn
    if request.method not in _SAFE:
        own_origin(request)
        await _own_form(request, caller)
    return caller


def own_origin(request: Request) -> None:
    """Raises `Forbidden` where a browser says that another site's page asks, or where its name may be another site's.

    Whoever has a name can have it lead to this machine, and his pages to our port under that name (DNS rebinding).
    With a public address there is one name only.
    """
    origin, host = request.headers.get("origin"), request.headers.get("host", "")
    public = request.app.state.public_url
    if origin is not None and origin != f"{request.url.scheme}://{host}":
        away = (
            f"the console is at {public}, and no other address"
            if public
            else "this request comes from a page of another site"
        )
        raise Forbidden(away)
    if (
        not public
        and origin is not None
        and _loopback(_local_address(request))
        and not _means_here(request.url.hostname or "")
    ):
        raise Forbidden("on the machine itself the console is called localhost, or by its address")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden("this request comes from a page of another site")


def _local_address(request: Request) -> str:
    """The address of ours that the connection came to."""
    server = request.scope.get("server")
    return str(server[0]) if server else ""


def _loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _means_here(name: str) -> bool:
    """Whether a name in an address stands for this very machine (RFC 6761, section 6.3)."""
    return _loopback(name) or name == "localhost" or name.endswith(".localhost")


async def _own_form(request: Request, caller: Caller) -> None:
    given = request.headers.get("x-csrf-token", "")
    if not given and "form" in request.headers.get("content-type", ""):
        field = (await request.form()).get("csrf", "")
        given = field if isinstance(field, str) else ""
    if not hmac.compare_digest(given.encode(), caller.csrf.encode()):
        raise Forbidden("this page is too old; load it again")


SignedIn = Annotated[Caller, Depends(signed_in)]
"""What a route writes to be for those only who were let in."""
