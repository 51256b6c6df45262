"""Objects under a URL of S3, Google Cloud Storage or Azure, with conditional writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol
from urllib.parse import urlsplit

from mirage.bundle.errors import BundleError
from mirage.bundle.format.limits import MIB
from mirage.bundle.remote.faults import configuration_faults, named_faults

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig
    from obstore.store import ObjectStore as Backend

SCHEMES = ("s3", "gs", "az", "abfs", "abfss", "https")
HUB = "hf"
EXAMPLES = "s3://BUCKET/PREFIX, gs://BUCKET/PREFIX and az://CONTAINER/PREFIX"
PART_BYTES = 8 * MIB  # of one request: bounds memory, and what a broken connection loses
TIMEOUT_S = 60.0  # of one request; a part needs 0.14 MB/s
CONNECT_TIMEOUT_S = 5.0
RETRIES = 3
RETRY_TIMEOUT_S = 30.0


class Object(NamedTuple):
    """The contents of an object, and the tag that names this state of it."""

    contents: bytes
    tag: str


class Entry(NamedTuple):
    """The name of an object, and when it was written."""

    name: str
    modified: datetime


class Readable(Protocol):
    """What versions are copied from; the methods are as those of `ObjectStore`."""

    @property
    def url(self) -> str: ...

    def get(self, name: str, limit_bytes: int) -> bytes: ...

    def download(self, name: str, file: BinaryIO, size_bytes: int) -> None: ...


@dataclass(frozen=True)
class ObjectStore:
    """The objects whose names begin with `url`.

    Names are relative paths. Every method raises BundleError `remote_denied`,
    `remote_unreachable` or `bucket_missing`.
    """

    url: str
    backend: "Backend"

    def read(self, name: str, limit_bytes: int, unless: str | None = None) -> Object | None:
        """The object; None if its tag is still `unless`.

        Raises BundleError `object_missing`, and `file_too_large` before a larger one is read.
        """
        import obstore
        from obstore.exceptions import NotModifiedError

        with named_faults(self.url, name):
            try:
                found = obstore.get(
                    self.backend,
                    name,
                    options=None if unless is None else {"if_none_match": unless},
                )
            except NotModifiedError:
                return None
            if found.meta["size"] > limit_bytes:
                raise BundleError(
                    "file_too_large",
                    f"{self.url}/{name} has {found.meta['size']} bytes; at most {limit_bytes} are"
                    " read",
                )
            return Object(bytes(found.bytes()), found.meta["e_tag"] or "")

    def get(self, name: str, limit_bytes: int) -> bytes:
        """The contents of an object; raises like `read`."""
        found = self.read(name, limit_bytes)
        assert found is not None  # without a tag there is always an answer
        return found.contents

    def size(self, name: str) -> int | None:
        """The bytes of an object; None if it does not exist."""
        import obstore

        try:
            with named_faults(self.url, name):
                return obstore.head(self.backend, name)["size"]
        except BundleError as error:
            if error.reason != "object_missing":
                raise
            return None

    def exists(self, name: str) -> bool:
        """Whether there is an object of this name."""
        return self.size(name) is not None

    def create(self, name: str, contents: bytes | Path) -> None:
        """Write an object that does not exist yet, in one step; a file is read into memory.

        Raises BundleError `object_exists`. After a lost answer the object may be one's own: compare
        its contents.
        """
        import obstore

        with named_faults(self.url, name):
            obstore.put(self.backend, name, contents, mode="create")

    def swap(self, name: str, contents: bytes, tag: str | None) -> None:
        """Replace an object if its tag is still `tag`; None: if it still does not exist.

        Raises BundleError `object_changed`.
        """
        import obstore

        with named_faults(self.url, name):
            if tag is not None:
                obstore.put(self.backend, name, contents, mode={"e_tag": tag})
                return
        try:
            self.create(name, contents)
        except BundleError as error:
            if error.reason != "object_exists":
                raise
            raise BundleError("object_changed", f"{error} since it was looked for") from None

    def upload(self, name: str, contents: bytes | Path) -> None:
        """Write bytes or a file in parts, whether or not the object exists, in one step."""
        import obstore

        with named_faults(self.url, name):
            obstore.put(self.backend, name, contents, chunk_size=PART_BYTES, max_concurrency=2)

    def download(self, name: str, file: BinaryIO, size_bytes: int) -> None:
        """Append the first `size_bytes` of an object to a file, in parts.

        Raises BundleError `object_missing`, and `file_size` if it is shorter.
        """
        import obstore

        for start in range(0, size_bytes, PART_BYTES):
            end = min(start + PART_BYTES, size_bytes)
            with named_faults(self.url, name):
                part = obstore.get_range(self.backend, name, start=start, end=end)
            if len(part) != end - start:
                raise BundleError(
                    "file_size",
                    f"{self.url}/{name} has {start + len(part)} bytes; {size_bytes} are expected",
                )
            file.write(part)

    def folders(self, prefix: str = "") -> list[str]:
        """The sorted first parts of names under `prefix/` that have more parts: a LIST."""
        import obstore

        with named_faults(self.url, prefix):
            found = obstore.list_with_delimiter(self.backend, prefix)
        return sorted(path.rsplit("/", 1)[-1] for path in found["common_prefixes"])

    def entries(self, prefix: str) -> list[Entry]:
        """All objects under `prefix/`, in the order of names: LISTs, of a thousand each."""
        import obstore

        with named_faults(self.url, prefix):
            found = [entry for page in obstore.list(self.backend, prefix) for entry in page]
        return sorted(Entry(entry["path"], entry["last_modified"]) for entry in found)

    def delete(self, names: Sequence[str]) -> None:
        """Remove objects; those that do not exist are no error."""
        import obstore

        with named_faults(self.url):
            for name in names:
                obstore.delete(self.backend, name)


def open_objects(url: str, *, timeout_s: float = TIMEOUT_S, retries: int = RETRIES) -> ObjectStore:
    """The objects under a URL; nothing is sent yet. Credentials are those of the environment.

    timeout_s: of each request. Raises BundleError `url_invalid`, `extra_missing` without obstore,
    and `remote_denied`.
    """
    url = url.rstrip("/")
    _check(url)
    try:
        from obstore.store import HTTPStore, from_url
    except ImportError:
        raise BundleError(
            "extra_missing",
            f"{url} needs obstore; run pip install -e '.[s3]' in a checkout of Mirage",
        ) from None
    with configuration_faults(url):
        backend = from_url(url, client_options=_client(timeout_s), retry_config=_patience(retries))
    if isinstance(backend, HTTPStore):
        raise BundleError("url_invalid", f"{url} is no object storage; allowed are {EXAMPLES}")
    return ObjectStore(url, backend)


def is_hub(url: str) -> bool:
    """Whether a URL is that of a repository of the Hugging Face Hub."""
    return url.startswith(f"{HUB}://")


def is_url(text: str) -> bool:
    """Whether a text is a URL rather than a path: it has `://`."""
    return "://" in text


def _check(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "file":
        raise BundleError("url_invalid", f"{url} is a folder; give its path instead of a URL")
    if parts.scheme == HUB:
        raise BundleError(
            "url_invalid",
            f"{url:.200} is a repository of the Hugging Face Hub, which takes only"
            f" `bundle push` and `bundle pull`; for everything else use {EXAMPLES}",
        )
    if parts.scheme not in SCHEMES or not parts.netloc:
        raise BundleError(
            "url_invalid", f"{url!r:.200} is no URL of a bucket; allowed are {EXAMPLES}"
        )
    if parts.password or parts.query or parts.fragment:
        raise BundleError(
            "url_invalid",
            f"the URL of {parts.scheme}://{parts.hostname} has a password, a query or a fragment;"
            " credentials are taken from the environment",
        )


def _client(timeout_s: float) -> "ClientConfig":
    # Options given here replace those of the environment, such as AWS_ALLOW_HTTP. Plain HTTP is
    # used only if the operator names an endpoint that begins with http://.
    return {
        "timeout": timedelta(seconds=timeout_s),
        "connect_timeout": timedelta(seconds=CONNECT_TIMEOUT_S),
        "allow_http": True,
    }


def _patience(retries: int) -> "RetryConfig":
    return {"max_retries": retries, "retry_timeout": timedelta(seconds=RETRY_TIMEOUT_S)}
