"""Checks of a request's head that the parser leaves to the server."""

import re
from collections.abc import Sequence

import httptools

from mirage.service.errors import HeadTooLarge, Malformed

VERSIONS = ("1.0", "1.1")
# Browsers behind proxies send about 50. The limit on bytes alone allows 13,000 empty ones, which
# take 15 ms of CPU time.
MAX_HEADERS = 256
# RFC 9110, 7.2: a name or an IPv4 address, or another address in brackets; then perhaps a port.
HOST = re.compile(rb"(?:[\w.~!$&'()*+,;=%-]+|\[[\w.:~%-]+\])(?::\d{0,5})?")
# Clearer texts for reasons of the parser.
REASONS = {"Pause on PRI/Upgrade": "HTTP/2 is not supported"}


def check_head(version: str, headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Raise Malformed if version, host or body length are ambiguous (RFC 9112, 3.2 and 6.1).

    `headers`: lower-case names, and values. Raises HeadTooLarge for too many.
    """
    if len(headers) > MAX_HEADERS:
        raise HeadTooLarge(f"the request has {len(headers)} headers; {MAX_HEADERS} are allowed")
    if version not in VERSIONS:
        raise Malformed(f"the version is HTTP/{version}; HTTP/1.0 and HTTP/1.1 are allowed")
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) > 1 or (not hosts and version != "1.0"):
        raise Malformed(f"the request has {len(hosts)} Host headers; exactly one is allowed")
    if hosts and not HOST.fullmatch(hosts[0]):
        allowed = "allowed is a name or an address, with or without a port"
        raise Malformed(f"Host is {hosts[0].decode('latin-1')!r:.200}; {allowed}")
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if codings and (version == "1.0" or [each.lower() for each in codings] != [b"chunked"]):
        text = b", ".join(codings).decode("latin-1")
        allowed = "allowed is 'chunked' in HTTP/1.1"
        raise Malformed(f"Transfer-Encoding is {text!r:.200} in HTTP/{version}; {allowed}")


def unreadable(error: httptools.HttpParserError) -> Malformed:
    """Return the error for a request that the parser rejected."""
    if isinstance(error, httptools.HttpParserCallbackError):  # only the target is parsed in one
        return Malformed("the target of the request is no path, and no URL with a path")
    reason = str(error)
    return Malformed(f"the request is not valid HTTP/1.1: {REASONS.get(reason, reason)}")
