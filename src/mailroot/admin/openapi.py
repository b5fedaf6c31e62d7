"""The description of REST in OpenAPI 3.1, made from the table of operations."""

from collections.abc import Mapping
from typing import Any

from mailroot import __version__
from mailroot.admin.arguments import all_arguments, longest
from mailroot.admin.operations import OPERATIONS, Argument, Kind, Operation

_INTRODUCTION = """\
Every operation of the command line, under the same words. GET asks and takes its arguments as the query; POST changes,
and takes them as a JSON object. Each needs a token (`mailroot token create`) in the header
`Authorization: Bearer TOKEN`.
"""
_REFUSALS = {
    "400": "This is no request of this API.",
    "401": "No token, or none that counts.",
    "403": "The token's role, or its virtual servers, do not allow this.",
    "404": "What was named is not there.",
    "409": "Something is in the way: a newer change, a name that is taken.",
    "413": "The body is too long.",
    "415": "The body is not JSON.",
    "422": "An argument is missing or cannot be; `problems` says which.",
    "429": "Too many wrong tokens from this address, or too many requests at once.",
    "500": "A mistake of the program.",
    "503": "The service cannot do this now; try again.",
}


def document() -> dict[str, Any]:
    """The whole description."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Mailroot", "version": __version__, "description": _INTRODUCTION},
        "servers": [{"url": "/api/v1"}],
        "security": [{"token": []}],
        "paths": {
            **{"/" + "/".join(one.words): _path(one) for one in OPERATIONS if not one.local},
            "/openapi.json": {"get": _own("Describe this API.")},
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Problem": _PROBLEM},
            "responses": {code: _refusal(sentence) for code, sentence in _REFUSALS.items()},
        },
    }


_TEXT: Mapping[str, Any] = {"type": "string"}
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457",
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "problems": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"path": _TEXT, "wrong": _TEXT, "mend": _TEXT},
                "required": ["path", "wrong"],
            },
        },
    },
    "required": ["type", "title", "status", "detail"],
}


def _own(sentence: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object"}}}
    return {"summary": sentence, "security": [], "responses": {"200": {"description": "Done.", "content": content}}}


def _refusal(sentence: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": sentence, "content": {"application/problem+json": {"schema": schema}}}


def _path(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.sentence,
        "tags": [operation.words[0]],
        "x-permission": operation.permission.value,
        "responses": {
            "200": {"description": "Done.", "content": {"application/json": {"schema": _result(operation)}}},
            **{code: {"$ref": f"#/components/responses/{code}"} for code in _REFUSALS},
        },
    }
    arguments = all_arguments(operation)
    if not operation.changes:
        described["parameters"] = [_parameter(argument) for argument in arguments]
        return {"get": described}
    described["requestBody"] = {
        "required": any(_needed(argument) for argument in arguments),
        "content": {"application/json": {"schema": _object(arguments)}},
    }
    return {"post": described}


def _parameter(argument: Argument) -> dict[str, Any]:
    return {
        "name": argument.name,
        "in": "query",
        "required": _needed(argument),
        "description": argument.sentence,
        "schema": _schema(argument),
    }


def _object(arguments: tuple[Argument, ...]) -> dict[str, Any]:
    described = {one.name: {**_schema(one), "description": one.sentence} for one in arguments}
    needed = [one.name for one in arguments if _needed(one)]
    whole: dict[str, Any] = {"type": "object", "properties": described, "additionalProperties": False}
    return {**whole, "required": needed} if needed else whole


def _needed(argument: Argument) -> bool:
    return argument.kind in (Kind.NAME, Kind.DEMANDED, Kind.SECRET) and not argument.unless


def _schema(argument: Argument) -> dict[str, Any]:
    if argument.kind is Kind.FLAG:
        return {"type": "boolean"}
    if argument.kind is Kind.TABLE:
        return {"type": "object"}
    if argument.kind is Kind.SECRET:
        return {"type": "string", "format": "password", "writeOnly": True}
    if argument.value == "REVISION":
        return {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string"}]}
    if argument.most:
        return {"type": "integer", "minimum": 1, "maximum": argument.most}
    return _text_schema(argument)


def _text_schema(argument: Argument) -> dict[str, Any]:
    if argument.choices:
        return {"type": "string", "enum": list(argument.choices)}
    if argument.value == "CONFIGURATION":
        return {"type": "string"}
    text: dict[str, Any] = {"type": "string", "maxLength": longest(argument)}
    return {**text, "minLength": 1} if argument.kind is Kind.NAME else text


def _result(operation: Operation) -> dict[str, Any]:
    if not operation.columns:
        return {"type": "object"}
    row = {"type": "object", "properties": {name: {} for name in operation.columns}}
    rows = {"type": "array", "items": row}
    if not operation.paged:
        return {"anyOf": [rows, {"type": "object", "properties": {"rows": rows}, "required": ["rows"]}]}
    return {"type": "object", "properties": {"rows": rows, "next": {"type": "string"}}, "required": ["rows", "next"]}
