"""REST: every operation of the table under /api/v1. GET asks, POST changes; arguments are the query, or JSON."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from mailroot.admin.access.caller import Caller, Forbidden, permitted
from mailroot.admin.access.letting import SignedIn, access_of
from mailroot.admin.arguments import understood
from mailroot.admin.asking import Asker
from mailroot.admin.openapi import document
from mailroot.admin.operations import BY_NAME, OPERATIONS, Operation
from mailroot.admin.problems import Json, problem
from mailroot.edge.control import Refused

PREFIX = "/api/v1"
_DEEPEST = 32


def routes() -> APIRouter:
    """A route for each operation, and the document that tells of them."""
    router = APIRouter(prefix=PREFIX)
    router.add_api_route("/openapi.json", _document, methods=["GET"], include_in_schema=False)
    for operation in OPERATIONS:
        if not operation.local:
            method = "POST" if operation.changes else "GET"
            router.add_api_route("/" + "/".join(operation.words), _route(operation), methods=[method])
    return router


async def _document() -> JSONResponse:
    return JSONResponse(document())


def _route(operation: Operation) -> Any:
    async def answer(request: Request, caller: SignedIn) -> Response:
        if not caller.may(operation):  # said before what else may be wrong
            return await _not_for(request, caller, operation)
        given = await _body(request) if operation.changes else _query(request)
        if isinstance(given, Response):
            return given
        arguments, faults = understood(operation, given)
        if faults:
            return problem(422, "; ".join(f"{row['path']}: {row['wrong']}" for row in faults), faults)
        return Json(await perform(request, caller, operation, arguments))

    return answer


async def _not_for(request: Request, caller: Caller, operation: Operation) -> Response:
    limits = f", limited to {', '.join(caller.servers)}" if caller.servers else ""
    sentence = f"{operation.name} is not for this {caller.role}{limits}"
    await access_of(request).forbidden(caller, sentence)
    return problem(403, sentence)


async def perform(request: Request, caller: SignedIn, operation: Operation, arguments: Mapping[str, object]) -> Any:
    """The result of an operation for a caller: the one way of REST and pages to the service.

    Raises `Forbidden`, `Refused`, or `Unavailable`.
    """
    asker: Asker = request.app.state.asker
    if operation.selective and not operation.selects(arguments):
        # Said here: the virtual server that is added for an operator of one is no choice that he made.
        raise Refused(f"{operation.name}: give a key, a filter such as the sender, the server, or all", "unsound")
    try:
        names = (await access_of(request).known()).servers if caller.servers else {}
        allowed = permitted(caller, operation, arguments, names)
        return allowed.limited(await asker.ask(operation.name, allowed.arguments, caller.by))
    except Forbidden as forbidden:
        await access_of(request).forbidden(caller, f"{operation.name}: {forbidden}")
        raise


def _query(request: Request) -> Mapping[str, object] | Response:
    names = [name for name, _ in request.query_params.multi_items()]
    if len(names) != len(set(names)):
        return problem(400, "an argument is there twice")
    return dict(request.query_params)


async def _body(request: Request) -> Mapping[str, object] | Response:
    if request.query_params:
        return problem(400, "the arguments of a change are the body, a JSON object; the query has none")
    octets = await request.body()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if octets and kind != "application/json":
        return problem(415, "the body is to be application/json")
    try:
        given = json.loads(octets) if octets else {}
        json.dumps(given, ensure_ascii=False, allow_nan=False).encode()  # what has no form in UTF-8, or is no number
    except (ValueError, RecursionError):
        return problem(400, "the body is no JSON")
    if _deep(given):
        return problem(400, f"the body is nested deeper than {_DEEPEST} levels")
    return given if isinstance(given, dict) else problem(400, "the body is to be a JSON object")


def _deep(given: object) -> bool:
    """Whether there are more levels than any argument has; what walks through them would fail."""
    level = [given]
    for _ in range(_DEEPEST):
        level = [inner for one in level for inner in _inside(one)]
    return bool(level)


def _inside(value: object) -> Iterable[object]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def operation_named(name: str) -> Operation:
    """The operation of this name. Raises `Refused` where there is none."""
    if name not in BY_NAME:
        raise Refused(f"there is no operation {name!r}", "unknown")
    return BY_NAME[name]
