"""The reference is what the code says; `python docs/reference.py` writes it again."""

import pytest

from docs.reference import DOCS, PAGES, help_of, updated


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_up_to_date(page: str) -> None:
    assert (DOCS / page).read_text(encoding="utf-8") == updated(page)


def test_every_argument_of_a_command_is_listed() -> None:
    text = (DOCS / "cli.md").read_text(encoding="utf-8")
    part = text.split("\n## mirage train\n")[1].split("\n## ")[0]
    flags = {word for word in help_of(["train"]).split() if word.startswith("--")}
    named = {word.rstrip(",;:].") for word in flags} - {"--help"}
    assert len(named) > 20
    assert (
        sorted(flag for flag in named if f"`{flag}" not in part and f", {flag}" not in part) == []
    )
