"""The domains of a virtual server: list, wizard, property sheet, rename, remove, promote."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from fastapi.responses import Response

from mailroot.admin.console import sheets, wizard
from mailroot.admin.console.layout import DKIM, DOMAIN
from mailroot.admin.console.layout import sheets as all_sheets
from mailroot.admin.console.properties import absent, ask_name
from mailroot.admin.console.servers import fits
from mailroot.admin.console.sheet import Sheet
from mailroot.admin.console.visit import Row, Visit
from mailroot.admin.console.visiting import Visiting, pages
from mailroot.admin.console.wizard import Question, Step, Wizard
from mailroot.edge.control import Refused
from mailroot.settings.declared import key_parts, key_text
from mailroot.settings.spelling import toml_text

router = pages()

_LOCAL = frozenset({"type", "drop", "drop_quota", "former"})
_OF_DROP = frozenset({"drop", "drop_quota", "former"})
_ABOVE = 4  # parts of a domain's key: servers, NAME, domains, NAME


def _link(key: str, *names: str) -> str:
    return "/".join(["/servers", *(quote(name, safe="") for name in (key, "domains", *names))])


async def _rows(visit: Visit, key: str) -> list[Row]:
    rows: list[Row] = await visit.ask("domain.list", server=key)
    return rows


async def _row(visit: Visit, key: str, name: str) -> Row:
    for row in await _rows(visit, key):
        if row["domain"] == name:
            return row
    raise Refused(f"There is no domain {name!r}.", "missing")


@router.get("/servers/{key}/domains")
async def listed(key: str, visit: Visiting) -> Response:
    """All domains."""
    server = await visit.server(key)
    crumbs = [("This computer", "/"), (server["name"], server["link"])]
    return await visit.page("domains.html", "Domains", crumbs=crumbs, server=server, rows=await _rows(visit, key))


# -- the wizard

_KINDS = (
    ("remote", "Remote", "mail for it goes to other servers, in a way of its own"),
    ("alias", "Alias", "mail for it is local, as for the default domain, and has the default domain's name"),
)
_ROUTES = (
    ("", "Use DNS to route to this domain", "its mail exchangers"),
    ("host", "Forward all mail to smart host", "the one named below"),
)


def _unused(text: str) -> str:
    return "it would not be used: the route above is by DNS" if text else ""


def _steps(form: Mapping[str, str]) -> Sequence[Step]:
    kind = Question(
        "type",
        "Kind of domain",
        "A domain that is neither is routed by DNS without being named here.",
        "remote",
        _KINDS,
    )
    name_parts = ("servers", "*", "domains", "*", "former")
    name = Question(
        "name",
        "Name",
        "Such as example.com, or *.example.com for everything below it.",
        check=lambda text: fits(name_parts, "a name is wanted")(text.removeprefix("*.")),
    )
    steps = [Step("Kind", (kind,)), Step("Name", (name,))]
    if form.get("type", "remote") == "remote":
        by_host, missing = form.get("route_by") == "host", "a smart host is wanted, such as relay.example:587"
        route = Question("route_by", "Route domain", "", "", _ROUTES)
        host = Question(
            "route",
            "Smart host",
            "A name or an address in brackets, such as relay.example:587 or [192.0.2.1].",
            check=fits(("servers", "*", "domains", "*", "route"), missing) if by_host else _unused,
        )
        relay = Question(
            "relay",
            "Allow incoming mail to be relayed to this domain",
            "Clients that may not relay may then send mail to it.",
            flag=True,
        )
        steps.append(Step("Route", (route, host, relay)))
    return steps


async def _wizard(visit: Visit, key: str) -> Wizard:
    server = await visit.server(key)
    crumbs = (("This computer", "/"), (server["name"], server["link"]), ("Domains", _link(key)))
    return Wizard("New domain", f"{_link(key)}/new", _link(key), "Finish", _steps, crumbs)


@router.get("/servers/{key}/domains/new")
async def begin(key: str, visit: Visiting) -> Response:
    """The wizard's first step."""
    return await wizard.begin(visit, await _wizard(visit, key))


@router.post("/servers/{key}/domains/new")
async def proceed(key: str, visit: Visiting) -> Response:
    """The next step; after the last one, the domain is made."""
    form, made = await visit.form(), await _wizard(visit, key)
    answers = await wizard.proceed(visit, made, form)
    if isinstance(answers, Response):
        return answers
    options: dict[str, Any] = {"type": answers["type"]}
    if answers["type"] == "remote":
        if answers["route_by"] == "host":
            options["route"] = toml_text(answers["route"])
        if answers["relay"]:
            options["relay"] = True
    try:
        answer = await visit.ask("domain.add", name=answers["name"], options=options, server=key)
    except Refused as refusal:
        problems = refusal.problems or ({"path": "name", "wrong": str(refusal), "mend": ""},)
        return await wizard.refused(visit, made, form, problems)
    return visit.go(_link(key), f"{answers['name']} is made. {sheets.said(answer)}")


# -- the sheet


async def _sheet(visit: Visit, key: str, name: str) -> Sheet:
    server, row = await visit.server(key), await _row(visit, key, name)
    crumbs = (("This computer", "/"), (server["name"], server["link"]), ("Domains", _link(key)))
    remove = ""
    match row["type"]:
        case "remote":
            without = _OF_DROP
        case "default":
            without = _remote_only() | {"type"}
        case _:
            without = _remote_only()
    if row["type"] != "default":
        remove = f"{name} is taken out of the settings. Mail that waits for it stays in the queue."
    title = f"Properties of {name}"
    return Sheet(DOMAIN, (key, name), title, _link(key, name), _link(key), crumbs, frozenset(without), remove=remove)


def _remote_only() -> frozenset[str]:
    """Options that mean nothing for a local domain."""
    names = {one.parts[-1] for group in all_sheets()[DOMAIN] for one in group.options}
    return frozenset(names - _LOCAL)


@router.get("/servers/{key}/domains/{name}")
async def sheet(key: str, name: str, visit: Visiting) -> Response:
    """The properties of a domain."""
    return await sheets.show(visit, await _sheet(visit, key, name), await _actions(visit, key, name))


async def _actions(visit: Visit, key: str, name: str) -> list[tuple[str, str]]:
    row = await _row(visit, key, name)
    if not visit.may("domain.change"):
        return []
    made = [("Rename...", f"{_link(key, name)}/rename")]
    if row["type"] == "alias":
        made.append(("Make it the default domain...", f"{_link(key, name)}/default"))
    made.append(("Add a DKIM key...", f"{_link(key, name)}/dkim/new"))
    rows = (await visit.ask("settings.get", server=key))["rows"]
    for parts in (key_parts(one["path"]) for one in rows):
        if parts[2:4] == ("domains", name) and parts[4:5] == ("dkim",) and parts[6:] == ("key_file",):
            made.append((f"DKIM key {parts[5]}...", f"{_link(key, name)}/dkim/{quote(parts[5], safe='')}"))
    return made


@router.post("/servers/{key}/domains/{name}")
async def change(key: str, name: str, visit: Visiting) -> Response:
    """What was typed there."""

    async def save(values: dict[str, Any], base: int) -> Any:
        options = {key_text(key_parts(path)[_ABOVE:]): sheets.exact(value) for path, value in values.items()}
        return await visit.ask("domain.change", name=name, options=options, server=key, base=base)

    return await sheets.submitted(visit, await _sheet(visit, key, name), save)


@router.post("/servers/{key}/domains/{name}/remove")
async def remove(key: str, name: str, visit: Visiting) -> Response:
    """No such domain any more."""
    answer = await visit.ask("domain.remove", name=name, server=key)
    return visit.go(_link(key), f"{name} is removed. {sheets.said(answer)}")


@router.get("/servers/{key}/domains/{name}/rename")
async def ask_rename(key: str, name: str, visit: Visiting) -> Response:
    """Ask for another name."""
    return await _confirm(visit, key, name, "rename")


async def _confirm(visit: Visit, key: str, name: str, word: str, typed: str = "", wrong: str = "") -> Response:
    await _row(visit, key, name)
    question = None
    lines = [f"Mail for local recipients is stamped with {name} then. The old default domain becomes an alias."]
    if word == "rename":
        hint = "Mail that waits for a local domain's old name goes on."
        question, lines = {"label": "Name", "name": "new", "value": typed or name, "hint": hint}, []
    problems = [{"path": "", "id": "", "label": "", "wrong": wrong, "mend": ""}] if wrong else []
    title = f"Rename {name}" if word == "rename" else f"Make {name} the default domain"
    return await visit.page(
        "confirm.html",
        title,
        422 if wrong else 200,
        here=_link(key),
        here_form=f"{_link(key, name)}/{word}",
        back=_link(key, name),
        lines=lines,
        question=question,
        problems=problems,
        kind="main",
        verb="Rename" if word == "rename" else "Make it the default",
    )


@router.post("/servers/{key}/domains/{name}/rename")
async def rename(key: str, name: str, visit: Visiting) -> Response:
    """Rename it."""
    new = (await visit.form()).get("new", "").strip()
    try:
        answer = await visit.ask("domain.rename", name=name, new=new, server=key)
    except Refused as refusal:
        return await _confirm(visit, key, name, "rename", new, str(refusal))
    return visit.go(_link(key), f"{name} is now {new}. {sheets.said(answer)}")


@router.get("/servers/{key}/domains/{name}/default")
async def ask_default(key: str, name: str, visit: Visiting) -> Response:
    """Ask before it becomes the default."""
    return await _confirm(visit, key, name, "default")


@router.post("/servers/{key}/domains/{name}/default")
async def make_default(key: str, name: str, visit: Visiting) -> Response:
    """Make an alias the default domain."""
    try:
        answer = await visit.ask("domain.default", name=name, server=key)
    except Refused as refusal:
        return await _confirm(visit, key, name, "default", wrong=str(refusal))
    return visit.go(_link(key), f"{name} is the default domain. {sheets.said(answer)}")


# -- keys that sign


async def _key_sheet(visit: Visit, key: str, name: str, selector: str) -> Sheet:
    await _row(visit, key, name)
    link = f"{_link(key, name)}/dkim/{quote(selector, safe='')}"
    crumbs = (("Domains", _link(key)), (name, _link(key, name)))
    title, ask = f"DKIM key {selector} of {name}", f"{selector} signs no more. Its file stays."
    return Sheet(DKIM, (key, name, selector), title, link, _link(key, name), crumbs, remove=ask)


@router.get("/servers/{key}/domains/{name}/dkim/new")
async def new_key(key: str, name: str, visit: Visiting) -> Response:
    """A further key: first its selector."""
    made = await _key_sheet(visit, key, name, "new")
    return await ask_name(visit, DKIM, "A further DKIM key", made.link, made.back)


@router.post("/servers/{key}/domains/{name}/dkim/new")
async def named_key(key: str, name: str, visit: Visiting) -> Response:
    """Its selector: its sheet follows."""
    selector = (await visit.form()).get("name", "").strip()
    made = await _key_sheet(visit, key, name, selector)
    return visit.go(made.link if selector else made.back)


@router.get("/servers/{key}/domains/{name}/dkim/{selector}")
async def key_sheet(key: str, name: str, selector: str, visit: Visiting) -> Response:
    """The sheet of a key."""
    return await sheets.show(visit, await _key_sheet(visit, key, name, selector))


@router.post("/servers/{key}/domains/{name}/dkim/{selector}")
async def key_change(key: str, name: str, selector: str, visit: Visiting) -> Response:
    """What was typed there."""
    return await sheets.submitted(visit, await _key_sheet(visit, key, name, selector))


@router.post("/servers/{key}/domains/{name}/dkim/{selector}/remove")
async def remove_key(key: str, name: str, selector: str, visit: Visiting) -> Response:
    """No such key any more."""
    made = await _key_sheet(visit, key, name, selector)
    answer = await visit.ask("settings.change", values=await absent(visit, DKIM, made.names))
    return visit.go(made.back, sheets.said(answer))
