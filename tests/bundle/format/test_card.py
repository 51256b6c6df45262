"""The front matter of model cards, as a YAML parser reads it."""

import pytest
import yaml

from mirage.bundle.format.card import CardData, front_matter
from mirage.bundle.format.manifest import Score

CARD = CardData("cats@3", "unconditional-image-generation", "gan", "cc-by-4.0", ("ann/cats",))
SCORES = {"frechet": Score(value=2.5, floor=0.5, n=10_000), "coverage": Score(value=1e-05)}


def parsed(card: CardData, results: dict[str, dict[str, Score]]) -> dict[str, object]:
    first, *lines, last = front_matter(card, results)
    assert first == last == "---"
    found: dict[str, object] = yaml.safe_load("\n".join(lines))
    return found


def test_scores_are_a_model_index() -> None:
    assert parsed(CARD, {"Cats of Ann": SCORES}) == {
        "library_name": "onnxruntime",
        "pipeline_tag": "unconditional-image-generation",
        "tags": ["gan", "onnx"],
        "license": "cc-by-4.0",
        "datasets": ["ann/cats"],
        "metrics": ["frechet", "coverage"],
        "model-index": [
            {
                "name": "cats@3",
                "results": [
                    {
                        "task": {"type": "unconditional-image-generation"},
                        "dataset": {"type": "ann/cats", "name": "Cats of Ann"},
                        "metrics": [
                            {"type": "frechet", "value": 2.5},
                            {"type": "coverage", "value": 1e-05},
                        ],
                    }
                ],
            }
        ],
    }


def test_without_scores_and_data_sets_there_is_neither() -> None:
    card = CardData("cats@3", "image-to-image", "super-resolution", "mit")
    found = parsed(card, {"Cats": {}})
    assert found == {
        "library_name": "onnxruntime",
        "pipeline_tag": "image-to-image",
        "tags": ["super-resolution", "onnx"],
        "license": "mit",
    }


@pytest.mark.parametrize(
    "text",
    ["no", "a: b", "1.0", 'say "miau"', "x # y", "[a]", "Kätzchen", "- a", "line\nbreak", ""],
)
def test_any_text_is_read_as_it_is(text: str) -> None:
    card = CardData("cats@3", "image-to-image", "gan", text)
    found = parsed(card, {text: SCORES})
    assert found["license"] == text
    assert found["model-index"][0]["results"][0]["dataset"]["name"] == text  # type: ignore[index]
