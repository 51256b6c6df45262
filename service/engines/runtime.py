"""The software that the bytes of an image depend on, besides the bundle."""

from importlib.metadata import version

import onnxruntime

from mirage.service.host import instruction_set


def software() -> dict[str, str]:
    """The versions of Mirage and onnxruntime, and the instruction set of the machine."""
    return {
        "mirage": version("mirage-gan"),
        "onnxruntime": onnxruntime.__version__,
        "instruction_set": instruction_set(),
    }
