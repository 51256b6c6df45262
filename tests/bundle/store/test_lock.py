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


def test_rejects_a_second_holder(tmp_path: Path) -> None:
    with (
        lock_model(tmp_path, wait=False),
        pytest.raises(BundleError, match="another process") as caught,
        lock_model(tmp_path, wait=False),
    ):
        pass
    assert caught.value.reason == "locked"


def test_a_job_lock_excludes_jobs_but_not_publishing(tmp_path: Path) -> None:
    with lock_job(tmp_path, wait=False):
        with lock_model(tmp_path, wait=False):
            pass
        with (
            pytest.raises(BundleError, match="running a job") as caught,
            lock_job(tmp_path, wait=False),
        ):
            pass
    assert caught.value.reason == "locked"


def test_a_waiting_process_gets_the_lock_after_the_holder(tmp_path: Path) -> None:
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


def test_the_lock_is_free_after_the_block(tmp_path: Path) -> None:
    for wait in (True, False):
        with lock_model(tmp_path, wait=wait):
            pass


def test_a_killed_holder_releases_the_lock(tmp_path: Path) -> None:
    holder = subprocess.run([sys.executable, "-c", HOLD_AND_DIE, tmp_path], check=False)
    assert holder.returncode == 9
    with lock_model(tmp_path, wait=False):
        pass


def test_exceptions_propagate(tmp_path: Path) -> None:
    with pytest.raises(BlockingIOError), lock_model(tmp_path, wait=False):
        raise BlockingIOError


def test_reports_a_missing_model(tmp_path: Path) -> None:
    with pytest.raises(BundleError) as caught, lock_model(tmp_path / "gone", wait=True):
        pass
    assert caught.value.reason == "not_found"


def test_does_not_follow_a_linked_lock_file(tmp_path: Path) -> None:
    (tmp_path / ".lock").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="symbolic links"), lock_model(tmp_path, wait=True):
        pass
    assert not (tmp_path / "outside").exists()
