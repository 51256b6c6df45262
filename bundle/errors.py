"""The one error of this package: a bundle, or a store of bundles, that is not as it should be."""

from typing import Literal

Reason = Literal[
    "not_found",  # no such folder of models, model or version
    "name_invalid",  # a model name or a version that cannot be one
    "locked",  # another process is publishing, releasing, pruning or making a version
    "version_exists",  # the folder to publish to is taken
    "release_unreadable",  # release.json is there and broken
    "not_released",  # the model has no release to roll back
    "no_previous",  # the release has no predecessor to go back to
    "canary_mismatch",  # the canary takes or makes other things than the release
    "manifest_invalid",
    "format_newer",  # made by a newer Mirage
    "manifest_mismatch",  # name or version differ from the folder's
    "file_missing",
    "file_unlisted",
    "file_link",  # a symbolic or hard link
    "file_unreadable",  # no plain file, or no permission
    "file_size",  # differs from the manifest
    "file_too_large",
    "file_hash",
    "graph_unreadable",  # no ONNX at all, or cut short
    "graph_feature",  # external data, functions, subgraphs, sparse tensors …
    "graph_version",  # opset or IR
    "graph_operator",
    "graph_interface",  # inputs or outputs are not as the manifest says
    "graph_constant",
    "graph_invalid",  # refused by the ONNX checker
    "graph_too_large",
    "golden_invalid",
    "weights_invalid",
    "ensemble",  # where a model of its own is needed
    "members_invalid",  # of an ensemble: ensembles themselves, or of another shape
]


class BundleError(Exception):
    """What is wrong with a bundle or a store: a public slug and a message for the log.

    The reason may be told to clients; the message may name paths and is for operators.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason
