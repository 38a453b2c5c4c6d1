"""The page that shows the API loads from this service alone, and shows nothing to who has no token."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dialog_acd.api.routes.docs import ASSETS

if TYPE_CHECKING:
    import httpx

_LOADS = re.compile(r"""(?:src|href|action)\s*=\s*["']?([^"'\s>]*)""")


async def test_everything_the_page_loads_is_here_and_everything_that_is_here_is_loaded(
    stranger: httpx.AsyncClient,
) -> None:
    page = await stranger.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    loads = _LOADS.findall(page.text)
    assert {f"docs/{name}" for name in ASSETS} == {*loads}
    for address in loads:
        answer = await stranger.get(f"/{address}")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == ASSETS[address.removeprefix("docs/")][1]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.content


async def test_no_script_in_the_page_and_none_from_elsewhere(stranger: httpx.AsyncClient) -> None:
    page = await stranger.get("/docs")
    rules = dict(rule.split(" ", 1) for rule in page.headers["content-security-policy"].split("; "))
    assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert not re.search(r"<script(?![^>]*\ssrc=)|\son\w+=|javascript:", page.text)
    # What is loaded must not load in its turn: neither scripts nor fonts nor images.
    assert not re.search(r"@import|url\((?!['\"]?data:)", (await stranger.get("/docs/swagger-ui.css")).text)


async def test_who_has_no_token_reads_nothing_about_this_centre(
    stranger: httpx.AsyncClient, operator: httpx.AsyncClient
) -> None:
    for address in ("/docs", "/docs/docs.js"):
        assert "/api/v1" not in (await stranger.get(address)).text
    del operator.headers["Authorization"]
    assert (await stranger.get("/openapi.json")).status_code == 401


async def test_other_answers_keep_their_stricter_rules(operator: httpx.AsyncClient) -> None:
    assert (await operator.get("/openapi.json")).headers["content-security-policy"].startswith("default-src 'none'; f")
