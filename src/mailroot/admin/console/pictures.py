"""Pictures of the past: throughput, queue depth, latency, refusals and destinations, from the service's own history."""

from typing import Any
from urllib.parse import urlencode

from fastapi.responses import Response

from mailroot.admin.console.visit import Visit
from mailroot.admin.console.visiting import Visiting, pages
from mailroot.admin.problems import Json
from mailroot.mail.faults import Fault

router = pages()

# A picture's name in `history`, its title, and what it says where there is nothing to draw.
_PICTURES = (
    ("throughput", "Throughput, in messages a second", "No message has come or gone in this time."),
    ("queue", "Queue, in recipients", "Nothing has waited in this time."),
    ("latency", "Latency, from the client's last octet to the next server", "No message was delivered in this time."),
    ("refusals", "Refusals, by their cause", "Nothing was refused in this time."),
    ("destinations", "Recipients that wait, by destination", "Nobody has waited in this time."),
)
_SPANS = (
    ("1h", "one hour"),
    ("6h", "six hours"),
    ("1d", "a day"),
    ("7d", "a week"),
    ("30d", "30 days"),
    ("365d", "a year"),
)
_POINTS = 240
# What a series is called in a picture whose title says the rest.
_NAMES = {
    "messages_received": "accepted",
    "messages_delivered": "delivered into Drop",
    "messages_sent": "sent to other servers",
    "queue_depth": "all that wait",
    "undeliverable_current": "after a first failure",
    "held_current": "held",
    "half": "half within",
    "95 %": "95 % within",
    "99 %": "99 % within",
    "sign_in": "sign-in",
}


def _chosen(visit: Visit) -> dict[str, str]:
    query = visit.request.query_params
    span = query.get("span", "1h")
    of_one = visit.caller.servers[0] if len(visit.caller.servers) > 1 else ""  # his servers have no picture together
    return {
        "server": query.get("server") or of_one,
        "span": span if span in dict(_SPANS) else "1h",
        "destination": query.get("destination", "").strip(),
    }


@router.get("/pictures")
async def pictures(visit: Visiting) -> Response:
    """All pictures; what they show is fetched by their script."""
    chosen = _chosen(visit)
    return await visit.page(
        "pictures.html",
        "Pictures",
        crumbs=[("This computer", "/")],
        here="/pictures",
        chosen=chosen,
        spans=_SPANS,
        query=urlencode(chosen),
        pictures=[{"id": name, "title": title, "nothing": nothing} for name, title, nothing in _PICTURES],
    )


def in_words(picture: str, answer: dict[str, Any]) -> dict[str, Any]:
    """A picture whose series have names for people; those of destinations are their own."""
    if picture != "destinations":
        for series in answer["series"]:
            series["name"] = _NAMES.get(series["name"], series["name"])
    return answer


@router.get("/pictures/data")
async def figures(visit: Visiting) -> Response:
    """The series of all pictures; a sentence for one that cannot be had."""
    chosen = _chosen(visit)
    told: dict[str, Any] = {}
    for name, _, _ in _PICTURES:
        wanted = {"counter": name, "server": chosen["server"], "from": chosen["span"], "points": str(_POINTS)}
        if name == "destinations":
            wanted["destination"] = chosen["destination"]
        try:
            told[name] = in_words(name, await visit.ask("history", **wanted))
        except Fault as fault:
            told[name] = {"error": str(fault)}
    return Json(told)
