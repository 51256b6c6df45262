"""A stand-in for the Hugging Face Hub: one model repository, in memory.

It answers the requests that `huggingface_hub` sends to read a commit, to download files, and to
commit small files and large ones (Git LFS).
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

REPOSITORY = "people/toys"
URL = f"hf://{REPOSITORY}"
LARGE = ".onnx"  # what the repository stores with Git LFS
TOKEN = "hf_token"


@dataclass
class Hub:
    """The repository; `requests` are those it got, as `GET /path`.

    sizes: bytes to claim instead of the true ones. status: refuse all requests with it. race: add a
    commit before the next one.
    """

    endpoint: str = ""
    files: dict[str, bytes] = field(default_factory=lambda: {".gitattributes": b"\n"})
    large: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=lambda: ["0" * 40])
    requests: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    status: int | None = None
    race: bool = False

    def add_commit(self, changes: dict[str, bytes]) -> None:
        """Change files in one step."""
        self.files |= changes
        self.commits.append(hashlib.sha1(repr(changes).encode()).hexdigest())

    def info(self) -> dict[str, Any]:
        """What the API says of the newest commit."""
        siblings = [
            {"rfilename": name, "size": self.sizes.get(name, len(contents)), "blobId": "0" * 40}
            for name, contents in self.files.items()
        ]
        return {"id": REPOSITORY, "sha": self.commits[-1], "siblings": siblings}

    def commit(self, body: bytes) -> bool:
        """Apply a commit; False if its parent is not the newest."""
        lines = [json.loads(line) for line in body.splitlines()]
        header = lines[0]["value"]
        if self.race:
            self.race = False
            self.add_commit({"notes.txt": b"of another writer"})
        if header["parentCommit"] != self.commits[-1]:
            return False
        changes = {}
        for line in lines[1:]:
            value = line["value"]
            changes[value["path"]] = (
                self.large[value["oid"]]
                if line["key"] == "lfsFile"
                else base64.b64decode(value["content"])
            )
        self.add_commit(changes)
        return True


class Handler(BaseHTTPRequestHandler):
    """Answers for the hub of the server."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_GET(self) -> None:
        if (path := self._path()) == f"/api/models/{REPOSITORY}":
            self._send(self.hub.info())
        elif found := re.fullmatch(f"/{REPOSITORY}/resolve/([0-9a-f]{{40}})/(.+)", path or ""):
            name = unquote(found[2])
            contents = self.hub.files[name]
            headers = {
                "X-Repo-Commit": found[1],
                "ETag": f'"{hashlib.sha1(contents).hexdigest()}"',
            }
            self._send(contents, headers=headers)
        elif path:
            self._send({}, 404, {"X-Error-Code": "RepoNotFound"})

    do_HEAD = do_GET

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        match path := self._path():
            case None:
                return
            case "/api/validate-yaml":
                self._send({})
            case _ if path.startswith(f"/api/models/{REPOSITORY}/preupload/"):
                self._send({"files": [_mode(file["path"]) for file in json.loads(body)["files"]]})
            case _ if path == f"/{REPOSITORY}.git/info/lfs/objects/batch":
                wanted = json.loads(body)["objects"]
                self._send({"objects": [self._upload(each) for each in wanted]})
            case _ if path == f"/api/models/{REPOSITORY}/commit/main":
                done = self.hub.commit(body)
                answer = {"commitUrl": f"{self.hub.endpoint}/{REPOSITORY}/commit/x"}
                answer["commitOid"] = self.hub.commits[-1]
                self._send(answer, 200 if done else 412)
            case _:
                self._send({}, 404)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if path := self._path():
            self.hub.large[path.removeprefix("/large/")] = body
            self._send(b"")

    def _upload(self, wanted: dict[str, Any]) -> dict[str, Any]:
        if wanted["oid"] in self.hub.large:
            return wanted
        href = f"{self.hub.endpoint}/large/{wanted['oid']}"
        return wanted | {"actions": {"upload": {"href": href}}}

    def _path(self) -> str | None:
        """The path of the request; None if it was refused."""
        path = urlsplit(self.path).path
        self.hub.requests.append(f"{self.command} {path}")
        if self.hub.status is None:
            return path
        self._send({"error": "no"}, self.hub.status)
        return None

    def _send(
        self,
        answer: dict[str, Any] | bytes,
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> None:
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


def _mode(path: str) -> dict[str, Any]:
    mode = "lfs" if path.endswith(LARGE) else "regular"
    return {"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": None}


@contextmanager
def hub_server(home: Path) -> Iterator[Hub]:
    """Run the hub; inside, the client asks it and nobody else, whatever the environment says."""
    import huggingface_hub
    from huggingface_hub import constants

    hub = Hub()
    handler = type("HandlerOfHub", (Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HF_ENDPOINT", hub.endpoint)
            patch.setenv("HF_TOKEN", TOKEN)
            # The client reads its environment when it is imported.
            patch.setattr(constants, "HF_HUB_OFFLINE", False)
            patch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
            patch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # a protocol of the real Hub's
            patch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
            yield hub
    finally:
        huggingface_hub.close_session()
        server.shutdown()
        thread.join()
        server.server_close()
