"""The way into every page: who asks, let in, as a `Visit`; and what went wrong, as a page for people."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.routing import APIRoute

from mailroot.admin.access.access import Refusal
from mailroot.admin.access.caller import Forbidden
from mailroot.admin.access.letting import NotSignedIn, SignedIn
from mailroot.admin.console.visit import Visit, bare_page
from mailroot.admin.problems import STATUS_OF
from mailroot.edge.control import Refused
from mailroot.mail.faults import Fault


def visiting(request: Request, caller: SignedIn) -> Visit:
    """The visit of somebody who is signed in."""
    return Visit(request, caller)


Visiting = Annotated[Visit, Depends(visiting)]
"""What a page's route takes."""

_Serve = Callable[[Request], Coroutine[Any, Any, Response]]


class PageRoute(APIRoute):
    """A route whose faults are told in a page."""

    def get_route_handler(self) -> _Serve:
        """The way to serve it."""
        serve = super().get_route_handler()

        async def told(request: Request) -> Response:
            try:
                return await serve(request)
            except NotSignedIn:
                return _door(request)
            except Refusal as refusal:
                return _fault(request, 429 if refusal.wait else 401, str(refusal))
            except Forbidden as forbidden:
                return _fault(request, 403, f"You may not do this: {forbidden}.")
            except Refused as refused:
                return _fault(request, STATUS_OF.get(refused.kind, 422), str(refused))
            except Fault as fault:
                return _fault(request, 503, str(fault))

        return told


def pages() -> APIRouter:
    """A router for pages."""
    return APIRouter(route_class=PageRoute, include_in_schema=False)


def _door(request: Request) -> Response:
    """To the login page, and back to where one wanted to go; a list that is live is told to stop."""
    if request.headers.get("x-live"):
        return Response(status_code=401)
    wanted = request.url.path if request.method == "GET" else "/"
    return RedirectResponse(f"/?next={quote(wanted)}" if wanted != "/" else "/", status_code=303)


def lost(request: Request) -> Response:
    """What people see where no page is."""
    return _fault(request, 404, "There is no page at this address.")


_TITLES = {403: "Not allowed", 404: "Not there", 409: "Somebody was faster", 503: "No answer"}


def _fault(request: Request, code: int, sentence: str) -> Response:
    title = _TITLES.get(code, "This did not work")
    again = request.url.path if request.method == "GET" else "/"
    return bare_page("fault.html", title, code, sentence=sentence, here_again=again)
