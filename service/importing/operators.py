"""Which graphs can be imported: opset, operators, and what the images depend on."""

from collections.abc import Iterable

import onnx
from onnx import GraphProto, ModelProto, NodeProto
from onnx.version_converter import ConvertError, convert_version

from mirage.bundle.errors import BundleError
from mirage.bundle.format.graph import OPERATORS

OPSET, IR_VERSION = 20, 10  # of bundles: what the oldest supported onnxruntime reads
SOURCE_OPSETS = range(13, OPSET + 1)
RANDOM = frozenset(
    "Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike".split()
)
ADVICE = {
    **dict.fromkeys(RANDOM, "it is random, so a seed would not determine an image; export with"
                            " constant noise"),
    "Dropout": "export the network in evaluation mode",
    "If": "subgraphs are not allowed; export for fixed choices",
    "Loop": "subgraphs are not allowed; export it unrolled",
    "Scan": "subgraphs are not allowed; export it unrolled",
}  # fmt: skip


def keep_needed(model: ModelProto, output: str) -> None:
    """Remove the nodes, constants and inputs that an output does not depend on."""
    graph = model.graph
    wanted = {output}
    for number in reversed(range(len(graph.node))):
        node = graph.node[number]
        if wanted.intersection(node.output):
            wanted.update(node.input)
        else:
            del graph.node[number]
    for values in (graph.input, graph.initializer):
        _keep(values, wanted)
    _keep(graph.output, {output})
    del graph.value_info[:]


def _keep(values: "Iterable[onnx.ValueInfoProto]", names: set[str]) -> None:
    kept = [value for value in values if value.name in names]
    del values[:]  # type: ignore[attr-defined]
    values.extend(kept)  # type: ignore[attr-defined]


def check_operators(graph: GraphProto) -> None:
    """Raise BundleError `graph_operator` for an operator that bundles may not have."""
    for node in graph.node:
        name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS:
            raise BundleError("graph_operator", f"the graph uses {name!r:.100}; {_advice(node)}")


def _advice(node: NodeProto) -> str:
    return ADVICE.get(node.op_type, f"allowed are {', '.join(sorted(OPERATORS))}")


def opset_of(model: ModelProto) -> int:
    """The opset of ONNX's own operators; raises BundleError `graph_version` for one not allowed."""
    versions: list[int] = [
        each.version for each in model.opset_import if each.domain in ("", "ai.onnx")
    ]
    if len(versions) != 1 or versions[0] not in SOURCE_OPSETS:
        raise BundleError(
            "graph_version",
            f"the graph has opset {', '.join(map(str, versions)) or 'none'};"
            f" {SOURCE_OPSETS.start} … {OPSET} are allowed",
        )
    return versions[0]


def convert(model: ModelProto) -> ModelProto:
    """Return the model in the opset and IR version of bundles; raises BundleError."""
    opset = opset_of(model)
    if opset != OPSET:
        try:
            model = convert_version(model, OPSET)
        except (ConvertError, RuntimeError, ValueError) as error:
            problem = " ".join(str(error).split())
            raise BundleError(
                "graph_version",
                f"the graph has opset {opset} and cannot be converted to {OPSET}: {problem:.300}",
            ) from None
    model.ir_version = IR_VERSION
    return model
