"""The samples and the card of published versions, loaded or not."""

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path

from mirage.bundle.errors import BundleError
from mirage.bundle.format.manifest import Manifest
from mirage.bundle.format.verify import read_manifest
from mirage.bundle.store.layout import version_path
from mirage.service.api.state import Service
from mirage.service.api.verified_files import VerifiedFiles
from mirage.service.errors import ModelRefused, NotFound

log = logging.getLogger(__name__)

SAMPLES, CARD = "samples.png", "README.md"


@dataclass(frozen=True)
class Attachment:
    """A file of the version in the folder `path`, checked against its manifest."""

    path: Path
    manifest: Manifest
    name: str
    files: VerifiedFiles

    @property
    def etag(self) -> str:
        """The ETag, a hash of the file."""
        return f'"{self.manifest.files[self.name].sha256}"'

    def is_known(self, if_none_match: str) -> bool:
        """Return whether an If-None-Match header contains the ETag."""
        tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
        return not tags.isdisjoint((self.etag, "*"))

    async def read(self) -> bytes:
        """Read and verify the file. Raises ModelRefused."""
        try:
            return await asyncio.to_thread(self.files.read, self.path, self.manifest, self.name)
        except BundleError as error:
            raise _refusal(self.manifest.name, self.manifest.version, error) from error


async def find_attachment(
    service: Service, model: str, version: int | None, name: str
) -> Attachment:
    """Find a file of a version, by default of the released one.

    Raises NoSuchModel, NotFound if the version lacks the file, NotReady if the storage cannot be
    read, and ModelRefused for a broken version.
    """
    version = await service.models.published(model, version)
    path = version_path(service.settings.models, model, version)
    try:
        manifest = await asyncio.to_thread(read_manifest, path)
    except BundleError as error:
        raise _refusal(model, version, error) from error
    if name not in manifest.files:
        raise NotFound(f"{model}@{version} has no {name}")
    return Attachment(path, manifest, name, service.files)


def _refusal(model: str, version: int, error: BundleError) -> ModelRefused:
    log.error(
        "attachment refused name=%s version=%d reason=%s: %s", model, version, error.reason, error
    )
    return ModelRefused(f"version {version} of {model} did not pass verification: {error.reason}")
