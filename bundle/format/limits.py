"""Bounds on what is read of a bundle, so that a malicious one cannot exhaust memory or time."""

from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """Upper bounds, each checked before anything is read or allocated."""

    manifest_bytes: int = 4 * MIB
    model_bytes: int = 256 * MIB
    golden_bytes: int = 256 * MIB  # compressed, and decompressed
    weights_bytes: int = 1024 * MIB
    weights_header_bytes: int = 4 * MIB
    other_bytes: int = 64 * MIB
    graph_fields: int = 500_000
    value_elements: int = 2**28  # of one intermediate tensor, per image

    def file_bytes(self, name: str) -> int:
        """The largest allowed size of the file `name`, in bytes."""
        named = {
            "model.onnx": self.model_bytes,
            "golden.npz": self.golden_bytes,
            "weights.safetensors": self.weights_bytes,
        }
        return named.get(name, self.other_bytes)


DEFAULT_LIMITS = Limits()
