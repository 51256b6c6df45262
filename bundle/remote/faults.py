"""Errors of object stores, as errors of this package."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from mirage.bundle.errors import BundleError

MAX_MESSAGE = 300
# What clients ask the machine for when they have no credentials: AWS, Google, Azure.
METADATA = ("/latest/api/token", "/latest/meta-data", "/computeMetadata/", "/metadata/identity")
CREDENTIALS = (
    "set the provider's variables (of S3 AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and,"
    " if it is not Amazon's, AWS_ENDPOINT_URL), or give the machine a role"
)


@contextmanager
def named_faults(url: str, name: str = "") -> Iterator[None]:
    """Raise what an object store raises inside as BundleError; `name` is the object's.

    The reasons are `object_missing`, `object_exists`, `object_changed`, `bucket_missing`,
    `remote_denied` and `remote_unreachable`.
    """
    from obstore import exceptions

    where = f"{url}/{name}".rstrip("/")
    try:
        yield
    except FileNotFoundError as error:
        _raise_without_bucket(url, str(error))
        raise BundleError("object_missing", f"{where} does not exist") from None
    except exceptions.AlreadyExistsError:
        raise BundleError("object_exists", f"{where} exists") from None
    except exceptions.PreconditionError:
        raise BundleError("object_changed", f"{where} was changed by another writer") from None
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
        raise BundleError("remote_denied", f"{where}: access denied: {_tell(error)}") from None
    except exceptions.BaseError as error:
        _raise_without_bucket(url, str(error))
        if any(path in str(error) for path in METADATA):
            raise BundleError("remote_denied", f"{url}: no credentials; {CREDENTIALS}") from None
        raise BundleError("remote_unreachable", f"{where}: {_tell(error)}") from None


@contextmanager
def configuration_faults(url: str) -> Iterator[None]:
    """Raise what opening a URL raises inside as BundleError `url_invalid` or `remote_denied`."""
    from obstore.exceptions import BaseError

    try:
        yield
    except ValueError as error:
        raise BundleError("url_invalid", f"{url}: {error}") from None
    except BaseError as error:
        if "Unable to recognise" in str(error):
            raise BundleError("url_invalid", f"{url} is no URL of object storage") from None
        raise BundleError("remote_denied", f"{url}: {_tell(error)}; {CREDENTIALS}") from None


def _raise_without_bucket(url: str, message: str) -> None:
    if "NoSuchBucket" in message or "ContainerNotFound" in message:
        raise BundleError("bucket_missing", f"{url}: there is no such bucket") from None


def _tell(error: Exception) -> str:
    """The first line of an error, without queries of URLs, which may hold signatures."""
    first = str(error).split("\n", 1)[0]
    return re.sub(r"\?\S*", "", first)[:MAX_MESSAGE]
