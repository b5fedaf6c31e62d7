"""The application that browsers and programs talk to: its routes, what each answer says, and how faults are told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from mailroot.admin import rest
from mailroot.admin.access import entrance
from mailroot.admin.access.access import Access, Refusal
from mailroot.admin.access.caller import Forbidden
from mailroot.admin.access.letting import NotSignedIn
from mailroot.admin.asking import Asker
from mailroot.admin.limits import Limited, TooLong
from mailroot.admin.places import Places, Shared
from mailroot.admin.problems import problem, refused
from mailroot.admin.public import Public
from mailroot.admin.strict import HEADERS, Strict
from mailroot.edge.control import Refused
from mailroot.mail.faults import Fault

_STATIC = "/static/"

Lost = Callable[[Request], Response]


@dataclass(frozen=True, slots=True)
class Pages:
    """What there is for people: routes, which come after those for programs, and pages for when something is wrong.

    `lost` is for who looks for a page that is not there, `door` for who did not come in.
    """

    routers: Sequence[APIRouter] = ()
    lost: Lost | None = None
    door: entrance.Door | None = None


def application(asker: Asker, access: Access, pages: Pages | None = None, public_url: str = "") -> FastAPI:
    """The application. `public_url` is where browsers find it where a proxy stands before it."""
    shown = pages or Pages()
    made = FastAPI(title="Mailroot", openapi_url=None, docs_url=None, redoc_url=None)
    made.state.asker, made.state.access = Shared(asker, Places()), access
    made.state.public_url, made.state.door = public_url, shown.door
    made.add_api_route("/health", _health, methods=["GET"])
    made.include_router(rest.routes())
    made.include_router(entrance.router)
    for router in shown.routers:
        made.include_router(router)
    made.add_middleware(Limited)
    made.add_middleware(Strict)
    if public_url:
        made.add_middleware(Public, public_url)
    _tell_refusals(made)
    _tell_mistakes(made, shown.lost)
    return made


async def _health() -> JSONResponse:
    return JSONResponse({"status": "ok"})


def _for_people(request: Request) -> bool:
    """Whether a page is asked for, not an answer for a program or for the script of a page."""
    wants_page = "text/html" in request.headers.get("accept", "")
    return wants_page and not request.url.path.startswith(("/api/", _STATIC)) and request.method in ("GET", "HEAD")


def _tell_refusals(made: FastAPI) -> None:
    @made.exception_handler(NotSignedIn)
    async def _not_signed_in(request: Request, _: NotSignedIn) -> Response:
        if _for_people(request):
            return RedirectResponse(f"/?next={request.url.path}", status_code=303)
        return problem(401, "sign in, or send a token", headers={"WWW-Authenticate": 'Bearer realm="Mailroot"'})

    @made.exception_handler(Refusal)
    async def _refusal(_: Request, refusal: Refusal) -> Response:
        if refusal.wait:
            return problem(429, str(refusal), headers={"Retry-After": str(int(refusal.wait) + 1)})
        bearer = 'Bearer realm="Mailroot", error="invalid_token"'
        return problem(401, str(refusal), headers={"WWW-Authenticate": bearer})

    @made.exception_handler(Forbidden)
    async def _forbidden(_: Request, forbidden: Forbidden) -> Response:
        return problem(403, str(forbidden))

    @made.exception_handler(Refused)
    async def _refused(_: Request, refusal: Refused) -> Response:
        return refused(refusal)

    @made.exception_handler(Fault)
    async def _fault(_: Request, fault: Fault) -> Response:
        return problem(503, str(fault), headers={"Retry-After": "2"})


def _tell_mistakes(made: FastAPI, lost: Lost | None) -> None:
    @made.exception_handler(TooLong)
    async def _too_long(_: Request, fault: TooLong) -> Response:
        return problem(413, str(fault), headers={"Connection": "close"})

    @made.exception_handler(RequestValidationError)
    async def _invalid(_: Request, fault: RequestValidationError) -> Response:
        rows = [{"path": ".".join(str(one) for one in row["loc"]), "wrong": row["msg"]} for row in fault.errors()]
        return problem(422, "the request is not what this page takes", rows)

    @made.exception_handler(HTTPException)
    async def _http(request: Request, fault: HTTPException) -> Response:
        if lost is not None and fault.status_code == 404 and _for_people(request):
            return lost(request)
        return problem(fault.status_code, str(fault.detail), headers=fault.headers)

    @made.exception_handler(Exception)
    async def _mistake(_: Request, mistake: Exception) -> Response:
        return problem(500, f"a mistake of the program: {type(mistake).__name__}", headers=HEADERS)
