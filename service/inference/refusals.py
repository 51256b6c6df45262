"""Lets errors under /v2 leave as the protocol has them: `{"error": "..."}`, whoever made them."""

from pydantic_core import from_json, to_json
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mirage.service.bodies import JSON
from mirage.service.errors import InternalError, InvalidValue, Malformed, ServiceError
from mirage.service.problems import PROBLEM_JSON, problem_response

ROOT = "/v2"


def error_response(error: ServiceError) -> Response:
    """The error in the protocol's form, with the headers of its problem."""
    response = problem_response(error)
    response.status_code = status_of(error.status)
    response.body = _body(response.headers, error.detail)
    return response


def status_of(status: int) -> int:
    """The status in the protocol, which knows bad values, like bad requests, as 400."""
    return Malformed.status if status == InvalidValue.status else status


class ProtocolErrors:
    """Rewrites the problems that pass, and answers what nobody caught."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on everything else as it is."""
        if scope["type"] != "http" or not _is_below_root(scope["path"]):
            await self._app(scope, receive, send)
            return
        rewriting = _Rewriting(send)
        try:
            await self._app(scope, receive, rewriting.send)
        except Exception:
            if not rewriting.begun:
                fault = InternalError("the service failed; its log says why")
                await error_response(fault)(scope, receive, send)
            raise  # for the server to log it


class _Rewriting:
    """The sending side of one answer; a problem's head waits for its body."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._head: Message | None = None
        self.begun = False

    async def send(self, message: Message) -> None:
        self.begun = True
        if message["type"] == "http.response.start" and _is_problem(message):
            self._head = message
            return
        if self._head is not None:
            message = await self._send_head(self._head, message)
            self._head = None
        await self._send(message)

    async def _send_head(self, head: Message, problem: Message) -> Message:
        """Send the head of the protocol's error, and return its body."""
        headers = MutableHeaders(raw=head["headers"])
        body = _body(headers, from_json(problem["body"])["detail"])
        await self._send({**head, "status": status_of(head["status"]), "headers": headers.raw})
        return {**problem, "body": body}


def _body(headers: MutableHeaders, detail: str) -> bytes:
    """The body of an error, which the headers are told of."""
    body = to_json({"error": detail})
    headers["content-type"] = JSON
    headers["content-length"] = str(len(body))
    return body


def _is_below_root(path: str) -> bool:
    return path == ROOT or path.startswith(f"{ROOT}/")


def _is_problem(head: Message) -> bool:
    return (b"content-type", PROBLEM_JSON.encode()) in head["headers"]
