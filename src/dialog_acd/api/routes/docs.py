"""The API to be read by people: a page that loads everything from here.

The page and what it loads are open: they are the files of a public library and three of our own, the same in every
installation, and say nothing about this one. The document they show is not open; the page asks for a token and fetches
``/openapi.json`` with it. A page behind a token would need a password dialogue or a cookie, and a cookie would open
the door to requests that another site makes in its holder's name.

Scripts come from here alone, none stands in the page itself: a text of the document that some page took for markup
could not run. Nothing of the package that ships the library is run in this process; only its files are read.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException

_OURS = FilePath(__file__).parents[1] / "docs"
_JS, _CSS, _PNG = "text/javascript; charset=utf-8", "text/css; charset=utf-8", "image/png"
_HEADERS = {
    # Images of the library are data in its style sheet.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
}

router = APIRouter(include_in_schema=False, tags=["api"])


def _library() -> FilePath:
    found = find_spec("fastapi_offline")
    if found is None or found.origin is None:
        raise ImportError("fastapi-offline is not installed: pip install dialog-acd installs it")
    return FilePath(found.origin).parent / "static"


ASSETS = {
    "docs.js": (_OURS / "docs.js", _JS),
    "docs.css": (_OURS / "docs.css", _CSS),
    "swagger-ui-bundle.js": (_library() / "swagger-ui-bundle.js", _JS),
    "swagger-ui.css": (_library() / "swagger-ui.css", _CSS),
    "favicon.png": (_library() / "favicon.png", _PNG),
}


@router.get("/docs")
async def page() -> FileResponse:
    return FileResponse(_OURS / "index.html", media_type="text/html; charset=utf-8", headers=_HEADERS)


@router.get("/docs/{asset}")
async def asset(asset: Annotated[str, Path(max_length=40)]) -> FileResponse:
    if asset not in ASSETS:
        raise HTTPException(404)
    path, media_type = ASSETS[asset]
    return FileResponse(path, media_type=media_type, headers=_HEADERS)
