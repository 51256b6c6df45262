import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mirage.bundle.errors import BundleError
from mirage.bundle.format.manifest import FORMAT_VERSION
from mirage.bundle.format.verify import load_bundle
from mirage.bundle.store.layout import list_models, list_versions
from mirage.bundle.store.publish import new_version
from mirage.bundle.store.release import release
from tests.bundles import Toy, make_bundle, publish_toy, write_toy

ROOT = Path(__file__).parents[3]

# Publishes a toy, but exits before or after the n-th call of a function of `os`.
PUBLISH_AND_DIE = """
import os, sys
from pathlib import Path
from tests.bundles import make_bundle

root, name, call, moment = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
original, calls = getattr(os, name), 0

def deadly(*arguments, **options):
    global calls
    calls += 1
    if calls == call and moment == "before":
        os._exit(9)
    result = original(*arguments, **options)
    if calls == call:
        os._exit(9)
    return result

setattr(os, name, deadly)
make_bundle(root, seed=1)
"""
PUBLISH = """
import sys
from pathlib import Path
from tests.bundles import make_bundle
print(make_bundle(Path(sys.argv[1])).name)
"""


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_versions_are_numbered_from_1(tmp_path: Path) -> None:
    paths = [make_bundle(tmp_path) for _ in range(3)]
    assert paths == [tmp_path / "toy" / str(version) for version in (1, 2, 3)]


def test_a_published_version_is_complete(tmp_path: Path) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    manifest = load_bundle(make_bundle(tmp_path)).manifest
    assert (manifest.name, manifest.version, manifest.format_version) == ("toy", 1, FORMAT_VERSION)
    assert before <= manifest.created <= datetime.now(UTC)
    assert sorted(manifest.files) == [
        "README.md",
        "golden.npz",
        "model.onnx",
        "weights.safetensors",
    ]


def test_leaves_only_the_version_and_the_lock(tmp_path: Path) -> None:
    path = make_bundle(tmp_path)
    assert sorted(os.listdir(path.parent)) == [".lock", "1"]


def test_a_draft_is_hidden_until_published(tmp_path: Path) -> None:
    with new_version(tmp_path, "toy") as draft:
        write_toy(draft.path, Toy())
        assert list_models(tmp_path) == []
        path = draft.publish(Toy().description())
        assert path == tmp_path / "toy" / "1"
        assert list_versions(tmp_path, "toy") == [1]


def test_removes_an_unpublished_draft(tmp_path: Path) -> None:
    with new_version(tmp_path, "toy") as draft:
        write_toy(draft.path, Toy())
    assert not draft.path.exists()
    assert list_models(tmp_path) == []


def test_removes_a_failed_draft(tmp_path: Path) -> None:
    with pytest.raises(KeyError), new_version(tmp_path, "toy"):
        raise KeyError("trouble of the exporter")
    assert os.listdir(tmp_path / "toy") == [".lock"]


@pytest.mark.parametrize(
    ("toy", "missing", "reason"),
    [
        (Toy(), "golden.npz", "manifest_invalid"),
        (Toy(channels=3), None, "graph_interface"),
    ],
)
def test_does_not_publish_invalid_versions(
    toy: Toy, missing: str | None, reason: str, tmp_path: Path
) -> None:
    with new_version(tmp_path, "toy") as draft:
        write_toy(draft.path, toy)
        if missing:
            (draft.path / missing).unlink()
        with pytest.raises(BundleError) as caught:
            draft.publish(Toy().description())
    assert caught.value.reason == reason
    assert list_models(tmp_path) == []


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch])
def test_never_replaces_an_existing_version(make: Callable[[Path], None], tmp_path: Path) -> None:
    target = tmp_path / "toy" / "1"
    with new_version(tmp_path, "toy") as draft:
        write_toy(draft.path, Toy())
        make(target)
        with pytest.raises(BundleError, match="nothing was published") as caught:
            draft.publish(Toy().description())
    assert caught.value.reason == "version_exists"
    assert not (target / "manifest.json").exists()


def test_does_not_reuse_the_number_of_a_removed_release(tmp_path: Path) -> None:
    make_bundle(tmp_path)
    make_bundle(tmp_path)
    release(tmp_path, "toy", 2)
    (tmp_path / "toy" / "2").rename(tmp_path / "gone")
    assert make_bundle(tmp_path).name == "3"


def test_does_not_reuse_the_number_of_a_removed_canary(tmp_path: Path) -> None:
    make_bundle(tmp_path)
    record = '{"version": 1, "canary": {"version": 4, "share": 0.5}}'
    (tmp_path / "toy" / "release.json").write_text(record)
    assert make_bundle(tmp_path).name == "5"


def test_an_invalid_name_creates_no_folder(tmp_path: Path) -> None:
    with pytest.raises(BundleError), new_version(tmp_path / "models", "../evil"):
        pass
    assert os.listdir(tmp_path) == []


def test_concurrent_publishers_get_different_numbers(tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(run, PUBLISH, tmp_path) for _ in range(3)]
        numbers = sorted(future.result().stdout.strip() for future in runs)
    assert numbers == ["1", "2", "3"]
    for number in numbers:
        load_bundle(tmp_path / "toy" / number)


def test_a_publisher_waits_for_another(tmp_path: Path) -> None:
    done = threading.Event()

    def second() -> str:
        path = publish_toy(tmp_path, Toy(seed=2))
        done.set()
        return path.name

    with ThreadPoolExecutor(1) as pool, new_version(tmp_path, "toy") as draft:
        future = pool.submit(second)
        write_toy(draft.path, Toy())
        draft.publish(Toy().description())
        assert not done.is_set()
    assert future.result() == "2"


@pytest.mark.parametrize(
    ("function", "call", "moment"),
    [
        ("mkdir", 1, "after"),  # of the model
        ("mkdir", 2, "after"),  # of the draft, empty
        *[("fsync", call, "before") for call in range(1, 7)],  # four files, manifest, folder
        ("rename", 1, "before"),
    ],
)
def test_killed_before_the_rename_leaves_no_version(
    function: str, call: int, moment: str, tmp_path: Path
) -> None:
    result = run(PUBLISH_AND_DIE, tmp_path, function, call, moment)
    assert result.returncode == 9, result.stderr
    assert list_models(tmp_path) == []
    assert make_bundle(tmp_path).name == "1"
    assert sorted(os.listdir(tmp_path / "toy")) == [".lock", "1"]


@pytest.mark.parametrize(("function", "call"), [("rename", 1), ("fsync", 7)])
def test_killed_after_the_rename_leaves_a_complete_version(
    function: str, call: int, tmp_path: Path
) -> None:
    result = run(PUBLISH_AND_DIE, tmp_path, function, call, "after")
    assert result.returncode == 9, result.stderr
    load_bundle(tmp_path / "toy" / "1")
    assert make_bundle(tmp_path).name == "2"


def test_a_killed_release_leaves_the_old_or_the_new_release(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from mirage.bundle.store import release
if sys.argv[2] == "fsync":
    os.fsync = lambda descriptor: os._exit(9)
else:
    os.replace = lambda source, target: os._exit(9)
release.release(Path(sys.argv[1]), "toy", 2)
"""
    make_bundle(tmp_path)
    make_bundle(tmp_path)
    release(tmp_path, "toy", 1)
    for moment in ("fsync", "replace"):
        assert run(script, tmp_path, moment).returncode == 9
        record = json.loads((tmp_path / "toy" / "release.json").read_bytes())
        assert record == {"version": 1, "previous": None}
    assert release(tmp_path, "toy", 2).previous == 1
