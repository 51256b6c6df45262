"""What `mirage encode` reads before it publishes a run."""

from pathlib import Path

import pytest

from mirage.bundle.format.verify import load_bundle
from mirage.training.__main__ import main
from tests.training.helpers.files import png, write_tree


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run on the pictures of `data`, read at half their size."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_tree(tmp_path / "data", {f"{n:02}.png": png(n, (16, 16)) for n in range(32)})
    sizes = ["widths=16,8", "hidden=16", "latent_dim=8", "batch_size=8"]
    command = ["train", "--data", str(tmp_path / "data"), "--preset", "mnist", "--kimg", "0.016"]
    command += ["--run", str(tmp_path / "run"), "--size", "8", "--threads", "1", "--device", "cpu"]
    assert main([*command, *(word for size in sizes for word in ("--set", size))]) == 0
    return tmp_path / "run"


def test_reads_the_data_of_a_run_as_its_training_did(run: Path, tmp_path: Path) -> None:
    to = tmp_path / "models" / "toy"
    data = str(tmp_path / "data")
    assert main(["encode", str(run), "--to", str(to), "--data", data, "--kimg", "0.1"]) == 0
    assert load_bundle(to / "2").manifest.has_encoder


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        (["--data", "nowhere"], 3),
        (["--data", "data", "--size", "12"], 3),
        (["--data", "data", "--seed", "-1"], 2),
        (["--data", "data", "--kimg", "1e308"], 2),
    ],
)
def test_nothing_is_published_for_data_and_numbers_that_do_not_fit(
    run: Path, tmp_path: Path, flags: list[str], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["encode", str(run), "--to", "models/toy", *flags]) == code
    assert not (tmp_path / "models").exists()


def test_nothing_is_published_in_a_version(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "models" / "toy" / "1"
    assert main(["encode", str(run), "--to", str(to), "--data", str(tmp_path / "data")]) == 2
    assert f"name the model: {to.parent}" in capsys.readouterr().err
    assert not to.exists()
