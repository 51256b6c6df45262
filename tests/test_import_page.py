"""The code of docs/import.md runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mirage.bundle.__main__ import main

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "import.md").read_text(encoding="utf-8")


def code(heading: str) -> str:
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    (block,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    return str(block)


def run(text: str, *flags: str) -> str:
    command = [sys.executable, *flags, "-c", text]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_five_lines_use_a_bundle_without_this_package() -> None:
    lines = [line for line in code("A bundle without Mirage").splitlines() if line]
    assert len(lines) == 5
    seen = (
        "import sys\n"
        "assert not any(name.split('.')[0] in ('mirage', 'torch') for name in sys.modules)\n"
        "print(images.dtype, images.shape, images.std() > 50)"
    )
    assert run("\n".join([*lines, seen]), "-I") == "uint8 (16, 28, 28, 1) True\n"


def test_every_option_is_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["import", "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    rows = "\n".join(line for line in PAGE.splitlines() if line.startswith("| `--"))
    assert options - {"--help", "--models"} == set(re.findall(r"--[a-z-]+", rows))
