"""The front matter of a model card: YAML that hubs of models read."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mirage.bundle.format.manifest import Score

CARD = "README.md"
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./@-]*")
WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}  # which YAML may convert


@dataclass(frozen=True)
class CardData:
    """What the front matter says of a model.

    title: name@version. pipeline: the task, in the Hub's words. kind: a tag. datasets: ids of data
    sets on the Hugging Face Hub.
    """

    title: str
    pipeline: str
    kind: str
    license: str
    datasets: tuple[str, ...] = ()


def front_matter(card: CardData, results: Mapping[str, Mapping[str, Score]]) -> list[str]:
    """The lines of the front matter, with a `model-index` if there are scores.

    results: scores by the name of the samples that they were measured on.
    """
    return ["---", *_about(card), *_metrics(results), *_model_index(card, results), "---"]


def retitled(text: str, old: str, new: str) -> str:
    """A model card under another title, name@version, in the front matter and the heading."""
    for line in (f"- name: {old}\n", f"# {old}\n"):
        text = text.replace(line, line.replace(old, new), 1)
    return text


def _about(card: CardData) -> Iterator[str]:
    yield "library_name: onnxruntime"
    yield f"pipeline_tag: {card.pipeline}"
    yield f"tags: [{card.kind}, onnx]"
    yield f"license: {_scalar(card.license)}"
    if card.datasets:
        yield f"datasets: [{', '.join(map(_scalar, card.datasets))}]"


def _metrics(results: Mapping[str, Mapping[str, Score]]) -> Iterator[str]:
    names = dict.fromkeys(name for scores in results.values() for name in scores)
    if names:
        yield f"metrics: [{', '.join(names)}]"


def _model_index(card: CardData, results: Mapping[str, Mapping[str, Score]]) -> Iterator[str]:
    if not any(results.values()):
        return
    yield "model-index:"
    yield f"- name: {_scalar(card.title)}"
    yield "  results:"
    for data, scores in results.items():
        kind = card.datasets[0] if card.datasets else "samples"
        yield f"  - task: {{type: {card.pipeline}}}"
        yield f"    dataset: {{type: {_scalar(kind)}, name: {_scalar(data)}}}"
        yield "    metrics:"
        for name, score in scores.items():
            yield f"    - {{type: {name}, value: {_number(score.value)}}}"


def _number(value: float) -> str:
    """A number as YAML 1.1, whose numbers with an exponent need a point: 1.0e-05."""
    digits, mark, exponent = repr(value).partition("e")
    return f"{digits}{'' if '.' in digits else '.0'}{mark}{exponent}"


def _scalar(text: str) -> str:
    """A string as YAML, quoted as JSON unless it is a plain word."""
    if PLAIN.fullmatch(text) and text.lower() not in WORDS:
        return text
    return json.dumps(text, ensure_ascii=False)
