import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mirage.bundle.__main__ import main
from mirage.bundle.store.release import Release, read_release
from tests.object_storage import Bucket


def test_a_version_goes_from_one_folder_to_another(
    here: Path, bucket: Bucket, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url, models = bucket.url(), ["--models", str(here)]
    assert main([*models, "push", "toy", "1", url]) == 0
    assert "toy@1: pushed, manifest sha256:" in capsys.readouterr().out
    assert main([*models, "push", "toy", "1", url]) == 0
    assert "was there already" in capsys.readouterr().out
    assert main([*models, "push", "toy", "3", url, "--next"]) == 0
    digest = capsys.readouterr().out.split()[-1]
    assert main(["release", "toy", "1", "--at", url]) == 0
    assert main(["release", "toy", "2", "--at", url, "--canary", "1", "--share", "0.5"]) == 0
    assert main(["list", "--at", url]) == 0
    out = capsys.readouterr().out
    assert "toy    2        released" in out
    assert "toy    1        canary 50%" in out
    pull = ["pull", url, "--to", str(tmp_path), "--model", "toy", "--digest", digest]
    assert main(pull) == 0
    assert digest in capsys.readouterr().out
    assert main(["rollback", "toy", "--at", url]) == 0
    assert main(["pull", url, "--to", str(tmp_path)]) == 0
    assert read_release(tmp_path, "toy") == Release(1, 2)
    assert main([*models, "push", "toy", "3", url, "--next"]) == 0
    assert main(["prune", "toy", "--keep", "1", "--at", url, "--dry-run"]) == 0
    assert "toy: nothing to remove" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["list", "--at", "bucket/models"], 2, "url_invalid"),
        (["list", "--at", "s3://nowhere/models"], 3, "there is no such bucket"),
        (["release", "toy", "1", "--at", "URL"], 3, "has no toy@1"),
        (["rollback", "toy", "--at", "URL"], 3, "not_released"),
        (["pull", "URL"], 3, "nothing is released"),
        (["pull", "URL", "--model", "toy"], 3, "toy has no released version"),
        (["pull", "URL", "--digest", "sha256:" + "0" * 64], 3, "--model"),
        (["push", "toy", "9", "URL"], 3, "not_found"),
        (["push", "../toy", "1", "URL"], 3, "name_invalid"),
    ],
)
def test_faults_are_told_in_words(
    arguments: list[str],
    code: int,
    words: str,
    bucket: Bucket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    url = bucket.url()
    assert main([url if word == "URL" else word for word in arguments]) == code
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--every", "0"], ["--digest", "md5:1"], ["--every", "x"]])
def test_wrong_flags_are_told_of(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    command = "follow" if flags[0] == "--every" else "pull"
    with pytest.raises(SystemExit) as ended:
        main([command, "s3://bucket/models", *flags])
    assert ended.value.code == 2
    assert flags[0] in capsys.readouterr().err


def test_a_server_that_is_gone_may_be_tried_again(
    monkeypatch: pytest.MonkeyPatch, bucket: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert main(["list", "--at", bucket.url()]) == 1
    assert "remote_unreachable" in capsys.readouterr().err


def test_follow_ends_at_sigterm(here: Path, bucket: Bucket, tmp_path: Path) -> None:
    url = bucket.url()
    main(["--models", str(here), "push", "toy", "1", url])
    main(["release", "toy", "1", "--at", url])
    to, ready = tmp_path / "models", tmp_path / "ready"
    command = [sys.executable, "-m", "mirage.bundle", "follow", url, "--to", str(to)]
    follower = subprocess.Popen(
        [*command, "--every", "0.2", "--ready", str(ready)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert follower.stderr is not None
        line = follower.stderr.readline()
        assert "toy: version 1 is released" in line
        assert read_release(to, "toy") == Release(1)
        bucket.asked.clear()
        assert bucket.asked.wait(60)  # with the poll after the first one, everything is there
    finally:
        follower.send_signal(signal.SIGTERM)
        follower.communicate(timeout=60)
    assert follower.returncode == 0
    assert ready.exists()
