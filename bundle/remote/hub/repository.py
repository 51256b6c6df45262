"""A model repository of the Hugging Face Hub at one commit.

It holds one model: `VERSION/FILE`, `directions-VERSION.json`, and in its root the card and the
pictures of the highest version, which the Hub shows.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, BinaryIO

from mirage.bundle.errors import BundleError
from mirage.bundle.format.limits import DEFAULT_LIMITS
from mirage.bundle.format.manifest import parse_manifest
from mirage.bundle.remote.hub.faults import hub_faults
from mirage.bundle.remote.models import MANIFEST, RemoteManifest, digest_of
from mirage.bundle.remote.objects import HUB

if TYPE_CHECKING:
    from httpx2 import Client
    from huggingface_hub import HfApi

ADDRESS = re.compile(rf"{HUB}://([\w.-]{{1,96}}/[\w.-]{{1,96}})/?", re.ASCII)
VERSION = re.compile(rf"([1-9][0-9]{{0,8}})/{re.escape(MANIFEST)}")
TIMEOUT_S = 60.0  # of connecting, and of each read and write
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Repository:
    """The files of one commit.

    sizes: bytes by path. Names of files are those of a bucket, `NAME/VERSION/FILE`; the first part
    is not in the repository. Methods raise BundleError like `hub_faults`.
    """

    url: str
    commit: str
    sizes: Mapping[str, int]
    api: "HfApi"

    @property
    def id(self) -> str:
        """ORG/NAME."""
        return repository_id(self.url)

    def versions(self) -> list[int]:
        """The versions in ascending order."""
        return sorted(int(found[1]) for path in self.sizes if (found := VERSION.fullmatch(path)))

    def manifest(self, version: int) -> RemoteManifest:
        """The manifest of a version; raises BundleError `not_found`, and like `parse_manifest`."""
        if version not in self.versions():
            raise BundleError("not_found", f"{self.url} has no version {version}")
        contents = self.get(f"/{version}/{MANIFEST}", DEFAULT_LIMITS.manifest_bytes)
        manifest = parse_manifest(contents)
        if manifest.version != version:
            raise BundleError(
                "manifest_mismatch",
                f"{self.url}/{version}/{MANIFEST} is that of {manifest.name}@{manifest.version}",
            )
        return RemoteManifest(manifest, contents, digest_of(contents))

    def get(self, name: str, limit_bytes: int) -> bytes:
        """The contents of a file; raises BundleError `object_missing` and `file_too_large`."""
        path = _path(name)
        if self._size(path) > limit_bytes:
            raise BundleError(
                "file_too_large",
                f"{self.url}/{path} has {self._size(path)} bytes; at most {limit_bytes} are read",
            )
        with TemporaryDirectory() as folder, self._fetch(path, folder).open("rb") as copy:
            return copy.read(limit_bytes)

    def download(self, name: str, file: BinaryIO, size_bytes: int) -> None:
        """Append a file of `size_bytes` to another; raises `object_missing` and `file_size`.

        The client's copy lies beside `file` and is removed.
        """
        path = _path(name)
        if self._size(path) == size_bytes:
            with (
                TemporaryDirectory(dir=Path(file.name).parent) as folder,
                self._fetch(path, folder).open("rb") as copy,
            ):
                copied = 0
                while copied < size_bytes and (part := copy.read(CHUNK_BYTES)):
                    copied += file.write(part)
        else:
            copied = self._size(path)
        if copied != size_bytes:
            raise BundleError(
                "file_size", f"{self.url}/{path} has {copied} bytes; {size_bytes} are expected"
            )

    def _size(self, path: str) -> int:
        if path not in self.sizes:
            raise BundleError("object_missing", f"{self.url}/{path} does not exist")
        return self.sizes[path]

    def _fetch(self, path: str, folder: str) -> Path:
        with hub_faults(f"{self.url}/{path}"):
            return Path(
                self.api.hf_hub_download(self.id, path, revision=self.commit, local_dir=folder)
            )


def repository_id(url: str) -> str:
    """The ORG/NAME of hf://ORG/NAME; raises BundleError `url_invalid`."""
    if not (found := ADDRESS.fullmatch(url)):
        raise BundleError("url_invalid", f"{url!r:.200} is not {HUB}://ORG/NAME")
    return found[1]


def open_repository(url: str) -> Repository:
    """The repository hf://ORG/NAME at its newest commit; one request.

    The token is that of the environment or of `hf auth login`. Raises BundleError `url_invalid`,
    `extra_missing` without huggingface_hub, and like `hub_faults`.
    """
    name = repository_id(url)
    try:
        from huggingface_hub import HfApi, is_offline_mode, set_client_factory
    except ImportError:
        raise BundleError(
            "extra_missing",
            f"{url} needs huggingface_hub; run pip install -e '.[hf]' in a checkout of Mirage",
        ) from None
    if is_offline_mode():
        raise BundleError("remote_unreachable", f"{url}: HF_HUB_OFFLINE forbids the network")
    set_client_factory(_client)
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, library_name="mirage")
    with hub_faults(url):
        found = api.model_info(name, files_metadata=True, timeout=TIMEOUT_S)
    sizes = {file.rfilename: file.size or 0 for file in found.siblings or []}
    return Repository(url.rstrip("/"), found.sha or "", sizes, api)


def _path(name: str) -> str:
    return name.partition("/")[2]


def _client() -> "Client":
    # The client's own has no time limit.
    import httpx2

    return httpx2.Client(follow_redirects=True, timeout=TIMEOUT_S)
