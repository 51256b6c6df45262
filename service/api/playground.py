"""The playground at `/`: static files, and the headers that restrict them in browsers."""

import functools
import hashlib
from dataclasses import dataclass
from importlib.resources import files

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from mirage.service.errors import NotFound

STATIC = "/static"
INDEX = "index.html"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# No content of other hosts, no inline scripts, no strings as code.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:;"
    " media-src data:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "Cache-Control": "no-cache",  # cached, but validated by its ETag
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Page:
    """A file of the playground. Its ETag is a hash, so that replicas agree."""

    body: bytes
    media_type: str
    etag: str


@router.get("/")
async def get_playground(request: Request) -> Response:
    """The playground."""
    return _answer(request, INDEX)


@router.get(STATIC + "/{name}")
async def get_static(request: Request, name: str) -> Response:
    """A file of the playground. Raises NotFound."""
    return _answer(request, name)


@functools.cache
def read_pages() -> dict[str, Page]:
    """Read all files once, by name."""
    return {
        item.name: _page(item.name, item.read_bytes())
        for item in (files("mirage.service") / "static").iterdir()
        if item.is_file() and _ending(item.name) in MEDIA_TYPES
    }


def _answer(request: Request, name: str) -> Response:
    page = read_pages().get(name)
    if page is None:
        raise NotFound(f"{name!r:.100} is no file of the playground")
    headers = {**HEADERS, "ETag": page.etag}
    if page.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(page.body, headers=headers, media_type=page.media_type)


def _page(name: str, body: bytes) -> Page:
    digest = hashlib.sha256(body).hexdigest()
    return Page(body, MEDIA_TYPES[_ending(name)], f'"{digest[:32]}"')


def _ending(name: str) -> str:
    return name[name.rfind(".") :]
