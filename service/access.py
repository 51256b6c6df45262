"""Asks for an API key wherever a request costs something or tells of models, as pure ASGI."""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from mirage.service.errors import MissingKey, ServiceError, WrongKey
from mirage.service.keys import Keys
from mirage.service.keys_file import Key
from mirage.service.metrics import Metrics
from mirage.service.problems import problem_response
from mirage.service.record import record_of

# All else needs a key, so that a path that is added later is not open by oversight.
OPEN = frozenset(
    {
        *("/", "/docs", "/openapi.json"),
        *("/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"),
    }
)
OPEN_BELOW = ("/docs/static/", "/static/")


class AskForKey:
    """Lets those pass who have a key, and notes its name."""

    def __init__(self, app: ASGIApp, keys: Keys, metrics: Metrics) -> None:
        self._app = app
        self._keys = keys
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer MissingKey and WrongKey at once, before the body is read."""
        if scope["type"] == "http" and not is_open(scope["path"]):
            try:
                key = find_key(self._keys, Headers(scope=scope))
                record_of(Request(scope)).note_key(key.name, key.images_per_minute)
            except ServiceError as error:
                self._metrics.count_problem(error.slug)
                await problem_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def find_key(keys: Keys, headers: Mapping[str, str]) -> Key:
    """The key that a request carries; raises MissingKey and WrongKey."""
    text = _given(headers)
    if not text:
        raise MissingKey("a key is needed: Authorization: Bearer KEY, or X-Api-Key: KEY")
    key = keys.find(text.encode("latin-1"))
    if key is None:
        raise WrongKey("the key is not, or no longer, one of this service")
    return key


def is_open(path: str) -> bool:
    """Whether a path may be had without a key."""
    return path in OPEN or path.startswith(OPEN_BELOW)


def _given(headers: Mapping[str, str]) -> str:
    """The text of the key that a request carries; empty for none."""
    scheme, _, text = headers.get("authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "").strip()
