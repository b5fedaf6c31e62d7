"""Operators, groups and tokens: who may administer, for people who may say so."""

from collections.abc import Mapping
from typing import Any

from fastapi.responses import Response

from mailroot.admin.console.visit import Row, Visit
from mailroot.admin.console.visiting import Visiting, pages
from mailroot.edge.control import Refused
from mailroot.policy.operators import Role

router = pages()

_ROLES = {
    Role.ADMINISTRATOR.value: "everything, of the whole service",
    Role.OPERATOR.value: "see and operate: start, stop, sessions, queue",
    Role.VIEWER.value: "see",
}
_LIFETIMES = (("30d", "30 days"), ("90d", "90 days"), ("365d", "a year"), ("", "for ever"))


@router.get("/operators")
async def operators(visit: Visiting) -> Response:
    """Everybody who may administer."""
    return await _page(visit)


async def _page(
    visit: Visit, wrong: str = "", typed: Mapping[str, str] | None = None, token: Row | None = None
) -> Response:
    servers = await visit.servers()
    return await visit.page(
        "operators.html",
        "Operators",
        422 if wrong else 200,
        here="/operators",
        crumbs=[("This computer", "/")],
        servers=servers,
        rows=await visit.ask("operator.list"),
        tokens=await visit.ask("token.list"),
        roles=_ROLES,
        lifetimes=_LIFETIMES,
        wrong=wrong,
        typed={"name": "", "role": Role.VIEWER.value, "servers": (), "form": "", "group": "", **(typed or {})},
        made=token,
    )


async def _done(visit: Visit, operation: str, form: str, told: str, **arguments: Any) -> Response:
    """Carry it out; where the service refuses, the page says why, with what was typed but for passwords."""
    try:
        await visit.ask(operation, **arguments)
    except Refused as refusal:
        again = {"name": arguments["name"], "role": arguments.get("role", ""), "form": form}
        again["group"] = "group" if arguments.get("group") else ""
        return await _page(visit, str(refusal), again)
    return visit.go("/operators", told)


async def _right(visit: Visit) -> dict[str, str]:
    form = await visit.request.form()
    servers = [value for value in form.getlist("servers") if isinstance(value, str)]
    return {"role": str(form.get("role", "")), "server": ",".join(servers)}


@router.post("/operators/add")
async def add(visit: Visiting) -> Response:
    """One more."""
    form, right = await visit.form(), await _right(visit)
    name, group = form.get("name", "").strip(), "group" in form
    told = f"The members of {name} are let in." if group else f"{name} may sign in."
    password = form.get("password", "")
    return await _done(visit, "operator.add", "add", told, name=name, group=group, password=password, **right)


@router.post("/operators/role")
async def role(visit: Visiting) -> Response:
    """Another role."""
    form, right = await visit.form(), await _right(visit)
    name = form.get("name", "")
    group = "group" in form
    return await _done(visit, "operator.role", "role", f"{name} is {right['role']}.", name=name, group=group, **right)


@router.post("/operators/password")
async def password(visit: Visiting) -> Response:
    """Another password."""
    form = await visit.form()
    name, given = form.get("name", ""), form.get("password", "")
    told = f"The password of {name} is changed; whoever was signed in by it is not any more."
    return await _done(visit, "operator.password", "password", told, name=name, password=given)


@router.post("/operators/remove")
async def remove(visit: Visiting) -> Response:
    """No longer one."""
    form = await visit.form()
    name, group = form.get("name", ""), "group" in form
    told = f"{name} lets nobody in any more." if group else f"{name} may not sign in any more."
    return await _done(visit, "operator.remove", "remove", told, name=name, group=group)


@router.post("/tokens/create")
async def create(visit: Visiting) -> Response:
    """A token for a program; this page is the only one that shows it."""
    form, right = await visit.form(), await _right(visit)
    name = form.get("name", "").strip()
    try:
        made = await visit.ask("token.create", name=name, expires=form.get("expires", ""), **right)
    except Refused as refusal:
        return await _page(visit, str(refusal), {"name": name, "role": right["role"], "form": "token"})
    return await _page(visit, token=made)


@router.post("/tokens/revoke")
async def revoke(visit: Visiting) -> Response:
    """A token counts no more."""
    name = (await visit.form()).get("name", "")
    return await _done(visit, "token.revoke", "revoke", f"The token {name} counts no more.", name=name)
