import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from mirage.bundle.errors import BundleError
from mirage.bundle.store.lock import lock_job, lock_model

HOLD_AND_DIE = """
import os, sys
from pathlib import Path
from mirage.bundle.store.lock import lock_model
with lock_model(Path(sys.argv[1]), wait=False):
    os._exit(9)
"""


def test_a_second_holder_is_refused(tmp_path: Path) -> None:
    with (
        lock_model(tmp_path, wait=False),
        pytest.raises(BundleError, match="another process") as caught,
        lock_model(tmp_path, wait=False),
    ):
        pass
    assert caught.value.reason == "locked"


def test_a_job_keeps_other_jobs_away_and_no_publisher(tmp_path: Path) -> None:
    with lock_job(tmp_path, wait=False):
        with lock_model(tmp_path, wait=False):
            pass
        with (
            pytest.raises(BundleError, match="running a job") as caught,
            lock_job(tmp_path, wait=False),
        ):
            pass
    assert caught.value.reason == "locked"


def test_one_that_waits_comes_after_the_holder(tmp_path: Path) -> None:
    order: list[str] = []

    def wait_for_it() -> None:
        with lock_job(tmp_path, wait=True):
            order.append("second")

    waiting = Thread(target=wait_for_it)
    with lock_job(tmp_path, wait=False):
        waiting.start()
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]


def test_the_lock_is_free_after_its_holder(tmp_path: Path) -> None:
    for wait in (True, False):
        with lock_model(tmp_path, wait=wait):
            pass


def test_a_holder_that_dies_frees_the_lock(tmp_path: Path) -> None:
    holder = subprocess.run([sys.executable, "-c", HOLD_AND_DIE, tmp_path], check=False)
    assert holder.returncode == 9
    with lock_model(tmp_path, wait=False):
        pass


def test_trouble_of_the_holder_is_passed_on(tmp_path: Path) -> None:
    with pytest.raises(BlockingIOError), lock_model(tmp_path, wait=False):
        raise BlockingIOError


def test_no_model_has_no_lock(tmp_path: Path) -> None:
    with pytest.raises(BundleError) as caught, lock_model(tmp_path / "gone", wait=True):
        pass
    assert caught.value.reason == "not_found"


def test_a_linked_lock_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / ".lock").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="symbolic links"), lock_model(tmp_path, wait=True):
        pass
    assert not (tmp_path / "outside").exists()
