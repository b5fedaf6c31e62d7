"""The own password of whoever is signed in."""

from dataclasses import replace

from fastapi.responses import Response

from mailroot.admin.access.entrance import with_session
from mailroot.admin.access.letting import access_of, session_of
from mailroot.admin.console.visit import Visit
from mailroot.admin.console.visiting import Visiting, pages
from mailroot.edge.control import Refused

router = pages()


@router.get("/password")
async def password(visit: Visiting) -> Response:
    """Where it is changed."""
    return await _page(visit)


async def _page(visit: Visit, wrong: str = "") -> Response:
    code = 422 if wrong else 200
    return await visit.page("password.html", "Your password", code, crumbs=[("This computer", "/")], wrong=wrong)


@router.post("/password")
async def change(visit: Visiting) -> Response:
    """Another one; this browser stays signed in, all others are not any more."""
    form = await visit.form()
    if not visit.caller.own_password:
        return await _page(visit)
    if form.get("password") != form.get("again"):
        return await _page(visit, "The two new passwords differ; nothing was changed.")
    given = {name: form.get(name, "") for name in ("present", "password")}
    try:
        await visit.ask("operator.renew", name=visit.caller.name, **given)
    except Refused as refusal:
        return await _page(visit, f"{str(refusal)[:1].upper()}{str(refusal)[1:]}.")
    secret, csrf = await access_of(visit.request).begin_anew(session_of(visit.request))
    anew = Visit(visit.request, replace(visit.caller, csrf=csrf))
    answer = anew.go("/", "Your password is changed. Wherever else you were signed in, you are not any more.")
    return with_session(answer, visit.request, secret)
