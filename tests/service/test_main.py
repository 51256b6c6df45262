"""`python -m service verify`, and what wrong arguments are answered."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mirage.bundle.store.publish import new_version
from mirage.service.__main__ import main
from mirage.service.api.security.auth import read_keys
from tests.bundles import Toy, write_toy


def test_a_good_bundle_is_verified(models_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(models_root / "toy/1")]) == 0
    assert capsys.readouterr().out.startswith("toy@1 verified: 0 grey levels at most")


def test_a_bundle_whose_golden_images_differ_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with new_version(tmp_path, "toy") as draft:
        write_toy(draft.path, Toy())
        (draft.path / "model.onnx").write_bytes(Toy(seed=5).model().SerializeToString())
        path = draft.publish(Toy().description())
    assert main(["verify", str(path)]) == 4
    assert capsys.readouterr().err.startswith("error: the golden images differ: ")


def test_what_is_no_bundle_is_bad_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path)]) == 3
    assert capsys.readouterr().err.startswith("error: ")


def test_links_to_services_are_ignored_with_a_line_in_the_log(models_root: Path) -> None:
    """The file of keys that is not there ends it."""
    links = {"MIRAGE_PORT": "tcp://10.0.0.1:80", "MIRAGE_SERVICE_HOST": "10.0.0.1"}
    flags = ("--models", str(models_root), "--keys-file", str(models_root / "absent"))
    result = subprocess.run(
        [sys.executable, "-m", "service", "--host", "127.0.0.1", "--workers", "1", *flags],
        env={k: v for k, v in os.environ.items() if not k.startswith("MIRAGE_")} | links,
        capture_output=True,
        check=False,
        text=True,
    )
    lines = [line for line in result.stderr.splitlines() if "Kubernetes" in line]
    assert len(lines) == 1
    assert lines[0].endswith("Services ignored: MIRAGE_PORT, MIRAGE_SERVICE_HOST")
    assert "keys_file is" in result.stderr
    assert result.returncode == 3


def test_a_missing_argument_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["verify"])
    assert "bundle" in capsys.readouterr().err


def test_a_key_is_printed_once_and_its_hash_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys"
    assert main(["key", "ci", "--keys-file", str(path)]) == 0
    monkeypatch.setenv("MIRAGE_KEYS_FILE", str(path))
    assert main(["key", "web"]) == 0
    texts = capsys.readouterr().out.split()
    digests = [hashlib.sha256(text.encode()).digest() for text in texts]
    assert [(key.name, key.digest) for key in read_keys(path)] == [
        ("ci", digests[0]),
        ("web", digests[1]),
    ]


def test_a_key_that_cannot_be_made_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "keys"
    main(["key", "ci", "--keys-file", str(path)])
    assert main(["key", "ci", "--keys-file", str(path)]) == 2
    assert capsys.readouterr().err == f"error: name is 'ci'; {path} has it already\n"
    path.write_text("broken")
    assert main(["key", "web", "--keys-file", str(path)]) == 3
    assert capsys.readouterr().err.startswith("error: keys_file is ")


def test_a_key_needs_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["key", "ci"])
    assert "--keys-file" in capsys.readouterr().err


def test_a_value_out_of_bounds_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--port", "70000"]) == 2
    assert capsys.readouterr().err.startswith("error: MIRAGE_PORT is '70000'; ")


def test_tells_nobody_what_it_does(models_root: Path, tmp_path: Path) -> None:
    """onnxruntime keeps an id of the machine, to send with its telemetry, unless told not to."""
    places = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    subprocess.run(
        [sys.executable, "-m", "service", "verify", str(models_root / "toy/1")],
        env={**os.environ, **places},
        check=True,
        capture_output=True,
    )
    assert list(tmp_path.rglob("*")) == []
