"""The examples in the client's README run, and its tables are complete."""

import re
import shlex
import tarfile
from pathlib import Path

import pytest

from mirage.client import Options
from mirage.client.__main__ import main
from tests.client.pictures.files import write

README = (Path(__file__).parents[2] / "client" / "README.md").read_text(encoding="utf-8")
EXAMPLE_URL = "http://localhost:8000"


TOYS = {"mnist": "toy", "avatars": "toy", "icon-x4": "larger", "photo-x4": "larger"}


def in_toys(example: str) -> str:
    """The same with toy models."""
    for shipped, toy in TOYS.items():
        example = example.replace(shipped, toy)
    return example


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_library_examples_run(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "photo.jpg", 9, 13, "JPEG")
    example = blocks("python")[number]
    assert EXAMPLE_URL in example
    example = example.replace(EXAMPLE_URL, url)
    example = in_toys(example)
    exec(compile(example, "README.md", "exec"), {})


def test_command_line_examples_run(
    url: str, models_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "photos" / "a" / "b.jpg", 9, 13, "JPEG")
    (tmp_path / "models").symlink_to(models_root)
    (commands,) = blocks("sh")
    for command in in_toys(commands.replace(EXAMPLE_URL, url)).splitlines():
        program, *arguments = shlex.split(command)
        assert program == "mirage-client"
        assert main(arguments) == 0
    assert len(list(tmp_path.glob("threes/*.png"))) == 500
    assert len(list(tmp_path.glob("classes/3/*.png"))) == 50
    assert [path.name for path in tmp_path.glob("large*/a/b.png")] == ["b.png", "b.png"]
    with tarfile.open("digits.tar") as digits:
        assert len(digits.getnames()) == 1500
    assert [path.name for path in sorted(tmp_path.glob("shards-*.tar"))] == [
        "shards-000000.tar",
        "shards-000001.tar",
        "shards-000002.tar",
    ]


def test_lists_every_option() -> None:
    table = README.split("| option of")[1].split("\n\n")[0]
    first_cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    listed = {name for cell in first_cells for name in re.findall("`([^`]+)`", cell)}
    assert listed == {"count", *Options.__annotations__}
