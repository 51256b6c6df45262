"""deploy/retrain.sh tells how a job ended; the engine is a script that ends as the test wants."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy/retrain.sh"
ENGINE = """#!/bin/sh
echo "docker $*" >> "$ASKED"
printf 'loss: 50%%\\r   error: what the job says\\na line after it\\n'
exit "$ENDS_WITH"
"""


def retrain(folder: Path, ends_with: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a copy of the script in a folder of its own."""
    for name in ("deploy", "runs", "bin"):
        (folder / name).mkdir()
    (folder / "deploy/retrain.sh").write_bytes(SCRIPT.read_bytes())
    (folder / "bin/docker").write_text(ENGINE)
    (folder / "bin/docker").chmod(0o755)
    environment = {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "ASKED": str(folder / "asked"),
        "ENDS_WITH": str(ends_with),
    }
    command = ["sh", str(folder / "deploy/retrain.sh"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_a_release_is_silent_and_leaves_its_log(tmp_path: Path) -> None:
    done = retrain(tmp_path, 0, "data/mine", "models/mine", "--kimg", "5")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (log,) = (tmp_path / "runs").iterdir()
    assert log.read_text().endswith("a line after it\n")
    asked = (tmp_path / "asked").read_text()
    assert "run --rm -T training retrain --data data/mine --to models/mine --release" in asked
    assert asked.endswith("--kimg 5\n")


@pytest.mark.parametrize(
    ("code", "why"),
    [(1, "resumes"), (3, "data"), (4, "gate"), (5, "another job"), (6, "collapsed")],
)
def test_any_other_end_is_told_with_its_code(tmp_path: Path, code: int, why: str) -> None:
    done = retrain(tmp_path, code, "data/mine", "models/mine")
    assert done.returncode == code
    first, last = done.stdout.splitlines()
    assert first == "error: what the job says"
    assert last.startswith(f"retraining models/mine ended with {code}: ")
    assert why in last


def test_without_a_model_it_says_how_it_is_called(tmp_path: Path) -> None:
    done = retrain(tmp_path, 0, "data/mine")
    assert done.returncode == 2
    assert done.stderr.startswith("deploy/retrain.sh data/mine models/mine")
