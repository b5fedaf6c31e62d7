"""Signing in and out by browser, and making the first administrator. The pages are the console's.

What was wrong is told to the page by a word, never by a text that a link could bring: "password", "many" (too many
wrong ones), "code" (not the set-up code), "unfit" (a name or a password that cannot be one).
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from mailroot.admin.access.access import Refusal
from mailroot.admin.access.letting import access_of, address_of, cookie_name, own_origin, session_of
from mailroot.edge.control import Refused

router = APIRouter()

Field = Annotated[str, Form(max_length=1_024)]
Door = Callable[[Request, str, Mapping[str, str]], Awaitable[Response]]
"""Makes the page that says what was wrong, with what was typed but for the password."""


def local_path(wanted: str) -> str:
    """Where to go on: a path of our own, "/" where it is anything else (an open redirect is a trap for others)."""
    plain = wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted and wanted.isprintable()
    return wanted if plain else "/"


@router.get("/login")
@router.get("/setup")
async def entrance() -> Response:
    """Whoever loads the address of a form that was sent comes to the page that has it."""
    return _back("/")


@router.post("/login")
async def login(request: Request, name: Field = "", password: Field = "", next: Field = "/") -> Response:
    """Sign in; then to where one wanted to go, or back to the login page with what was wrong."""
    own_origin(request)
    try:
        secret = await access_of(request).sign_in(name, password, address_of(request))
    except Refusal as refusal:
        wrong = "many" if refusal.wait else "password"
        return await _again(request, wrong, {"name": name, "next": next})
    access_of(request).sign_out(session_of(request))  # the one before, which nobody would end
    return _entered(request, secret, local_path(next))


@router.post("/setup")
async def claim(request: Request, code: Field = "", name: Field = "", password: Field = "") -> Response:
    """Make the first administrator, and sign him in."""
    own_origin(request)
    try:
        secret = await access_of(request).claim(code.strip(), name, password, address_of(request))
    except Refusal:
        return await _again(request, "many", {"name": name})
    except Refused as refused:
        typed = {"name": name} if refused.kind == "conflict" else {"name": name, "code": code}
        return await _again(request, "code" if refused.kind == "conflict" else "unfit", typed)
    return _entered(request, secret, "/")


@router.post("/logout")
async def logout(request: Request) -> Response:
    """End the session; without a token of the form, since all that a stranger's page could do is the same."""
    own_origin(request)
    access_of(request).sign_out(session_of(request))
    answer = _back("/")
    answer.delete_cookie(cookie_name(request), path="/", secure=request.url.scheme == "https", httponly=True)
    return answer


def _entered(request: Request, secret: str, place: str) -> Response:
    return with_session(_back(place), request, secret)


def with_session(answer: Response, request: Request, secret: str) -> Response:
    """An answer that gives the browser a session."""
    secure = request.url.scheme == "https"
    answer.set_cookie(cookie_name(request), secret, path="/", secure=secure, httponly=True, samesite="strict")
    return answer


async def _again(request: Request, wrong: str, typed: Mapping[str, str]) -> Response:
    door: Door | None = request.app.state.door
    if door is not None:
        return await door(request, wrong, typed)
    wanted = f"&next={quote(local_path(typed['next']), safe='')}" if "next" in typed else ""
    return _back(f"/?wrong={wrong}{wanted}")


def _back(place: str) -> RedirectResponse:
    return RedirectResponse(place, status_code=303)
