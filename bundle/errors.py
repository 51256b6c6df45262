"""The error that this package raises for invalid bundles and stores."""

from collections.abc import Mapping
from typing import Literal

Reason = Literal[
    "not_found",  # no such folder of models, model or version
    "name_invalid",  # not a valid model name or version number
    "locked",  # another process is publishing, releasing, pruning or training a version
    "version_exists",  # the folder to publish to already exists
    "release_unreadable",  # release.json exists but cannot be parsed
    "not_released",  # the model has no release to roll back
    "no_previous",  # the release has no predecessor to roll back to
    "canary_mismatch",  # the canary's inputs, outputs or labels differ from the release's
    "direction_invalid",  # not a vector of the model's latents, or not a valid name
    "direction_exists",  # the name of a direction, or the number that it names, is taken
    "direction_unknown",  # no direction has this name
    "directions_unreadable",  # directions-<version>.json exists but cannot be parsed
    "manifest_invalid",
    "format_newer",  # made by a newer Mirage
    "manifest_mismatch",  # name or version differ from the folder's
    "file_missing",
    "file_unlisted",
    "file_link",  # a symbolic or hard link
    "file_unreadable",  # not a regular file, or no permission
    "file_size",  # differs from the manifest
    "file_too_large",
    "file_hash",
    "graph_unreadable",  # not ONNX, or truncated
    "graph_feature",  # external data, functions, subgraphs, sparse tensors …
    "graph_version",  # opset or IR
    "graph_operator",
    "graph_interface",  # inputs or outputs differ from the manifest
    "graph_constant",
    "graph_invalid",  # rejected by the ONNX checker
    "graph_too_large",
    "golden_invalid",
    "weights_invalid",
    "ensemble",  # an ensemble where a single model is required
    "url_invalid",  # not a URL of object storage
    "extra_missing",  # the package that speaks to object storage is not installed
    "remote_denied",  # no credentials, or not enough
    "remote_unreachable",  # no answer in time, or an error of the server
    "bucket_missing",
    "object_missing",
    "object_exists",  # an object that may only be created exists already
    "object_changed",  # another writer replaced it since it was read
    "members_invalid",  # a member is an ensemble itself, or has other inputs, outputs or labels
]

EXIT_CODES: Mapping[Reason, int] = {
    "remote_unreachable": 1,  # trying again may help
    "extra_missing": 2,
    "url_invalid": 2,
    "locked": 5,
    "object_changed": 5,
}


class BundleError(Exception):
    """A fault of a bundle or a store.

    reason: a fixed code that may be sent to clients. The message is for operators; it may contain
    paths.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason

    def exit_code(self) -> int:
        """What a command ends with: 1 to try again, 2 wrong usage, 3 bad data, 5 locked."""
        return EXIT_CODES.get(self.reason, 3)
