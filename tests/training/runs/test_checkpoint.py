import errno
import os
import resource
import warnings
from pathlib import Path

import pytest
import torch

from mirage.bundle.store import durable
from mirage.training.errors import DataError
from mirage.training.networks.base import Architecture
from mirage.training.networks.families import FAMILIES
from mirage.training.runs.checkpoint import (
    checkpoints,
    load_latest,
    load_weights,
    save_checkpoint,
    save_weights,
    set_damaged_aside,
)
from mirage.training.runs.run_dir import Run

ARCHITECTURE = Architecture(
    family="strided", latent_dim=4, widths=(8,), height=4, width=4, channels=1, num_classes=2
)


def test_keeps_the_newest_two(tmp_path: Path) -> None:
    for nimg in (8, 16, 1000):
        save_checkpoint(tmp_path, nimg, {"weight": torch.tensor(nimg)})
    assert [path.name for path in checkpoints(tmp_path)] == [
        "checkpoint-000001000.pt",
        "checkpoint-000000016.pt",
    ]
    assert load_latest(tmp_path)["nimg"] == 1000


@pytest.mark.parametrize("damage", [b"", b"PK not a zip", None])
def test_skips_a_damaged_checkpoint_with_a_warning(tmp_path: Path, damage: bytes | None) -> None:
    save_checkpoint(tmp_path, 8, {})
    newest = save_checkpoint(tmp_path, 16, {"weight": torch.arange(1000)})
    newest.write_bytes(newest.read_bytes()[:-100] if damage is None else damage)
    with pytest.warns(UserWarning, match="checkpoint-000000016.pt is damaged"):
        assert load_latest(tmp_path)["nimg"] == 8


def test_keeps_the_given_number(tmp_path: Path) -> None:
    for nimg in range(8, 80, 8):
        save_checkpoint(tmp_path, nimg, {}, keep=4)
    assert [int(path.stem[-9:]) for path in checkpoints(tmp_path)] == [72, 64, 56, 48]


def test_keeps_also_the_newest_healthy_checkpoint(tmp_path: Path) -> None:
    for nimg in range(8, 80, 8):
        save_checkpoint(tmp_path, nimg, {}, keep=2, healthy_until=min(nimg, 33))
    assert [int(path.stem[-9:]) for path in checkpoints(tmp_path)] == [72, 64, 32]


def test_skips_a_checkpoint_that_is_not_accepted(tmp_path: Path) -> None:
    for nimg in (8, 16):
        save_checkpoint(tmp_path, nimg, {"weight": torch.zeros(nimg)})

    def accept(checkpoint: dict) -> None:
        torch.nn.Linear(8, 1, bias=False).load_state_dict({"weight": checkpoint["weight"][None]})

    with pytest.warns(UserWarning, match="checkpoint-000000016.pt is damaged and skipped"):
        assert load_latest(tmp_path, accept)["nimg"] == 8


@pytest.mark.parametrize("lack", [MemoryError, torch.OutOfMemoryError])
def test_a_checkpoint_that_does_not_fit_into_memory_is_not_damaged(
    tmp_path: Path, lack: type[Exception]
) -> None:
    for nimg in (8, 16):
        save_checkpoint(tmp_path, nimg, {})

    def accept(checkpoint: dict) -> None:
        if checkpoint["nimg"] == 16:
            raise lack("out of memory")

    with pytest.raises(DataError, match=r"checkpoint-000000016.pt does not fit into memory"):
        load_latest(tmp_path, accept)


def test_fails_without_a_usable_checkpoint_unless_restart_is_allowed(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 8, {}).write_bytes(b"")
    with (
        pytest.warns(UserWarning, match="checkpoint-000000008.pt is damaged"),
        pytest.raises(DataError, match=r"no checkpoint in .* can be used .*--allow-restart"),
    ):
        load_latest(tmp_path)
    with pytest.warns(UserWarning, match="checkpoint-000000008.pt is damaged"):
        assert load_latest(tmp_path, allow_restart=True) is None
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000000008.pt"]


def test_fails_with_only_unhealthy_checkpoints_unless_restart_is_allowed(tmp_path: Path) -> None:
    run = Run(tmp_path)
    save_checkpoint(run.checkpoints, 8, {})
    run.set_aside(0)
    with pytest.raises(DataError, match=r"all are in unhealthy/.* --allow-restart"):
        load_latest(run.checkpoints)
    assert load_latest(run.checkpoints, allow_restart=True) is None


def test_renamed_damaged_checkpoints_do_not_count_as_newest(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 8, {})
    for nimg in (80, 88):
        save_checkpoint(tmp_path, nimg, {}, keep=3).write_bytes(b"damaged")
    set_damaged_aside(tmp_path, 8)
    save_checkpoint(tmp_path, 16, {})
    assert [path.name for path in checkpoints(tmp_path)] == [
        "checkpoint-000000016.pt",
        "checkpoint-000000008.pt",
    ]
    for nimg in (80, 88):
        aside = tmp_path / f"checkpoint-{nimg:09d}.pt.damaged"
        assert aside.read_bytes() == b"damaged"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk without room")
@pytest.mark.parametrize("numbers", [1, 100_000])
def test_a_full_disk_keeps_the_previous_checkpoint(tmp_path: Path, numbers: int) -> None:
    save_checkpoint(tmp_path, 8, {})
    (tmp_path / ".checkpoint-000000016.pt").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        save_checkpoint(tmp_path, 16, {"weight": torch.zeros(numbers)})
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000000008.pt"]


def test_a_disk_that_fills_up_in_the_middle_of_a_checkpoint_keeps_the_previous_one(
    tmp_path: Path,
) -> None:
    save_checkpoint(tmp_path, 8, {})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            save_checkpoint(tmp_path, 16, {"weight": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000000008.pt"]


def test_returns_none_without_checkpoints(tmp_path: Path) -> None:
    assert load_latest(tmp_path / "nowhere") is None


def test_ignores_a_partial_checkpoint(tmp_path: Path) -> None:
    (tmp_path / ".checkpoint-000000008.pt").write_bytes(b"half")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_latest(tmp_path) is None


def test_weights_include_their_architecture(tmp_path: Path) -> None:
    generator = FAMILIES["strided"].generator(ARCHITECTURE)
    path = tmp_path / "weights.safetensors"
    save_weights(path, ARCHITECTURE, {"nimg": "8"}, generator=generator.state_dict())
    architecture, state, header = load_weights(path, "generator")
    assert architecture == ARCHITECTURE
    assert header["nimg"] == "8"
    for name, value in generator.state_dict().items():
        assert torch.equal(state[name], value)


def test_weights_have_default_permissions(tmp_path: Path) -> None:
    path, plain = tmp_path / "weights.safetensors", tmp_path / "plain"
    save_weights(path, ARCHITECTURE, {}, generator={"weight": torch.zeros(1)})
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode


def test_unreadable_weights_raise_data_error(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"\xff" * 16)
    with pytest.raises(DataError, match=r"weights\.safetensors holds no generator"):
        load_weights(path, "generator")


@pytest.mark.parametrize("kind", ["checkpoint", "weights"])
def test_files_are_flushed_before_they_are_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Renamed first, it could be an empty file after lost power."""
    happened: list[str] = []

    def note(name: str) -> None:
        before = getattr(durable.os, name)

        def noting(*arguments: object) -> object:
            happened.append(name)
            return before(*arguments)

        monkeypatch.setattr(durable.os, name, noting)

    note("fsync")
    note("replace")
    if kind == "checkpoint":
        save_checkpoint(tmp_path, 8, {})
    else:
        save_weights(tmp_path / "w.safetensors", ARCHITECTURE, {}, generator={})
    assert happened == ["fsync", "replace", "fsync"]
