"""All pages. The order counts: what has a name of its own comes before what stands for any name."""

from fastapi import APIRouter

from mailroot.admin.console import (
    domains,
    folders,
    operators,
    overview,
    password,
    pictures,
    properties,
    queue,
    records,
    servers,
    sessions,
    static,
)

router = APIRouter(include_in_schema=False)
for _pages in (
    static,
    pictures,
    records,
    operators,
    password,
    servers,
    sessions,
    queue,
    folders,
    domains,
    properties,
    overview,
):
    router.include_router(_pages.router)
