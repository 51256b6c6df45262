"""How much of a bundle is read at most, so that a hostile one costs little."""

from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """Upper bounds, each checked before the thing that it bounds is read or allocated."""

    manifest_bytes: int = 4 * MIB
    model_bytes: int = 256 * MIB
    golden_bytes: int = 256 * MIB  # packed and unpacked
    weights_bytes: int = 1024 * MIB
    weights_header_bytes: int = 4 * MIB
    other_bytes: int = 64 * MIB
    graph_fields: int = 500_000
    value_elements: int = 2**28  # of one image's share of one intermediate value

    def file_bytes(self, name: str) -> int:
        """The most bytes that the file `name` of a bundle may have."""
        named = {
            "model.onnx": self.model_bytes,
            "golden.npz": self.golden_bytes,
            "weights.safetensors": self.weights_bytes,
        }
        return named.get(name, self.other_bytes)


DEFAULT_LIMITS = Limits()
