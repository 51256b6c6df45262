"""Errors of connections that no request stands for: heads that cannot be parsed, and time-outs."""

import time

from mirage.service.errors import ServiceError
from mirage.service.logs import REQUEST_ID
from mirage.service.metrics import Metrics
from mirage.service.problems import problem_response
from mirage.service.record import Record
from mirage.service.request_log import log_request, request_id

REASONS = {400: b"Bad Request", 408: b"Request Timeout", 431: b"Request Header Fields Too Large"}
UNKNOWN = {"method": "", "path": ""}  # of a request that could not be read


class ParserErrors:
    """Counts and logs such an error, and formats its answer, which ends the connection."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def __call__(self, error: ServiceError, client: str) -> bytes:
        """The whole answer to a client of this address."""
        began = time.monotonic()
        record = Record(request_id({}), client)
        REQUEST_ID.set(record.request_id)
        self._metrics.count_problem(error.slug)
        self._metrics.count_request(error.status, 0.0)
        log_request(UNKNOWN, record, error.status, False, time.monotonic() - began)
        response = problem_response(error)
        headers = [
            *response.raw_headers,
            (b"x-request-id", record.request_id.encode()),
            (b"connection", b"close"),
        ]
        lines = [b"HTTP/1.1 %d %b\r\n" % (error.status, REASONS[error.status])]
        lines += [b"%b: %b\r\n" % header for header in headers]
        return b"".join((*lines, b"\r\n", bytes(response.body)))
