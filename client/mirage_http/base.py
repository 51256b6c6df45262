"""Settings and request building shared by both clients."""

from abc import ABC, abstractmethod
from typing import Any, BinaryIO

import httpx

from .exchange import Patience, Request

DEFAULT_URL = "http://127.0.0.1:8000"


class BaseClient(ABC):
    """The settings of a client.

    - `url`: of the server, including its root path.
    - `api_key`: sent as `Authorization: Bearer`.
    - `page_size`: images per request; reduced automatically to the limits of the server.
    - `parallel`: maximum number of concurrent requests.
    - `patience_s`: how long to retry responses with status 429, 502, 503 or 504 and lost
      connections, in seconds.
    - `timeout_s`: the longest silence of the server, before or within a response, in seconds; a
      response may take longer in all.

    Raises ValueError for a setting out of range.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        page_size: int = 64,
        parallel: int = 4,
        patience_s: float = 60.0,
        timeout_s: float = 60.0,
    ) -> None:
        _check("page_size", page_size, page_size >= 1, "at least 1")
        _check("parallel", parallel, parallel >= 1, "at least 1")
        _check("patience_s", patience_s, patience_s >= 0, "at least 0")
        _check("timeout_s", timeout_s, timeout_s > 0, "more than 0")
        self._url = _checked_url(url)
        self._api_key = _checked_key(api_key)
        self._page_size = page_size
        self._parallel = parallel
        self._patience = Patience(patience_s)
        self._timeout_s = timeout_s
        self._connect()

    @abstractmethod
    def _connect(self) -> None:
        """Create the httpx client; connections are opened by the first request."""

    def _http_settings(self) -> dict[str, Any]:
        key = {} if self._api_key is None else {"Authorization": f"Bearer {self._api_key}"}
        connections = httpx.Limits(
            max_connections=self._parallel, max_keepalive_connections=self._parallel
        )
        # No timeout for a free connection: the client itself bounds the requests in flight.
        timeout = httpx.Timeout(self._timeout_s, pool=None)
        return {
            "base_url": self._url,
            "headers": {**key, "User-Agent": "mirage-client"},
            "limits": connections,
            "timeout": timeout,
        }


def http_request(request: Request) -> dict[str, Any]:
    """Keyword arguments for the `stream` method of httpx clients."""
    headers = {"Accept": request.accept}
    body: dict[str, object] = {}
    if isinstance(request.body, bytes):
        body = {"content": request.body}
        headers["Content-Type"] = "application/octet-stream"
    elif request.body is not None:
        body = {"json": request.body}
    query = {"params": request.query} if request.query else {}
    return {"method": request.method, "url": request.path, "headers": headers, **query, **body}


def restart(output: BinaryIO) -> BinaryIO:
    """Empty the file of a failed attempt."""
    output.seek(0)
    output.truncate()
    return output


def _checked_url(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    well_formed = parsed.scheme in ("http", "https") and bool(parsed.host)
    _check("url", url, well_formed, "http://HOST or https://HOST")
    return parsed


def _checked_key(api_key: str | None) -> str | None:
    """Check an API key; the error does not contain the key."""
    if api_key is not None and not (api_key.isascii() and api_key.isprintable() and api_key):
        raise ValueError("api_key is empty or has other characters than printable ASCII")
    return api_key


def _check(name: str, value: object, allowed: bool, what: str) -> None:
    if not allowed:
        raise ValueError(f"{name} is {value!r:.100}; {what} is allowed")
