"""Tables of scores by method: text for a terminal, and Markdown for a card."""

from collections.abc import Iterator, Mapping

Columns = Mapping[str, tuple[str, bool]]
"""For each score what it is, and whether larger is better."""
ByMethod = Mapping[str, Mapping[str, float]]
"""The scores of each method, by name."""


def text_table(columns: Columns, methods: ByMethod) -> Iterator[str]:
    """Lines of text: one row per score that any method has, one column per method."""
    yield f"{'score':<16}" + "".join(f"{name:>11}" for name in methods)
    for score, meaning, values in _rows(columns, methods):
        row = "".join(f"{'' if value is None else f'{value:.4f}':>11}" for value in values)
        yield f"{score:<16}{row}  {meaning}"


def markdown_table(columns: Columns, methods: ByMethod, titles: Mapping[str, str]) -> Iterator[str]:
    """Lines of Markdown with the same rows; titles: of the methods whose name is no title."""
    yield f"| score | {' | '.join(titles.get(name, name) for name in methods)} | what it is |"
    yield "|---" * (len(methods) + 2) + "|"
    for score, meaning, values in _rows(columns, methods):
        cells = " | ".join("" if value is None else f"{value:.4g}" for value in values)
        yield f"| {score} | {cells} | {meaning} |"


def _rows(columns: Columns, methods: ByMethod) -> Iterator[tuple[str, str, list[float | None]]]:
    for score, (meaning, more) in columns.items():
        values = [scores.get(score) for scores in methods.values()]
        if any(value is not None for value in values):
            yield score, f"{meaning}; {'more' if more else 'less'} is better", values
