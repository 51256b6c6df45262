"""Errors of the Hub's client, as errors of this package."""

from collections.abc import Iterator
from contextlib import contextmanager

from mirage.bundle.errors import BundleError, Reason

MAX_MESSAGE = 300
DENIED, CHANGED = (401, 403), (409, 412)
LOGIN = "run `hf auth login` or set HF_TOKEN"


@contextmanager
def hub_faults(where: str) -> Iterator[None]:
    """Raise what the client raises inside as BundleError; `where` is a URL.

    The reasons are `url_invalid`, `bucket_missing`, `remote_denied`, `object_missing`,
    `object_changed` and `remote_unreachable`.
    """
    import httpx2
    from huggingface_hub import errors

    try:
        yield
    except (
        ConnectionError,
        RuntimeError,  # an upload that failed
        ValueError,  # an invalid name, or a model card that the Hub does not accept
        errors.EntryNotFoundError,
        errors.XetDownloadError,
        httpx2.HTTPError,
    ) as error:
        # A failed look-up of a file reads as absence from the local cache; the cause says more.
        is_outer = isinstance(error, (RuntimeError, errors.LocalEntryNotFoundError))
        reason, words = _describe(error.__cause__ if is_outer and error.__cause__ else error)
        raise BundleError(reason, f"{where}: {words}") from None


def _describe(error: BaseException) -> tuple[Reason, str]:
    from huggingface_hub import errors

    status = error.response.status_code if isinstance(error, errors.HfHubHTTPError) else None
    if isinstance(error, errors.GatedRepoError):
        return "remote_denied", f"access must be requested on its page; then {LOGIN}"
    if isinstance(error, errors.RepositoryNotFoundError):  # also 401: the Hub hides private ones
        words = "there is no such repository, or it is private and the token does not open it"
        hint = f"create it with `hf repos create`, or {LOGIN}"
        return "remote_denied" if status in DENIED else "bucket_missing", f"{words}; {hint}"
    if status in DENIED:
        return "remote_denied", f"access denied ({status}); {LOGIN} with a token that may do this"
    if status in CHANGED:
        return "object_changed", "another writer committed to it; run the command again"
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return "object_missing", "does not exist"
    if isinstance(error, errors.HFValidationError):
        return "url_invalid", _tell(error)
    if isinstance(error, ValueError) and status in (None, 400):
        return "remote_denied", _tell(error)
    return "remote_unreachable", f"the Hub did not answer, or failed: {_tell(error)}"


def _tell(error: BaseException) -> str:
    return " ".join(str(error).split())[:MAX_MESSAGE] or type(error).__name__
