"""Batch sizes that are the same in all processes."""

import os

from mirage.service.sharing.batch_sizes import MAX_VERSIONS, SharedBatchSizes


def test_all_processes_use_the_first_measurement() -> None:
    sizes = SharedBatchSizes()
    if (pid := os.fork()) == 0:
        os._exit(sizes.agree("toy@1", 16))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 16
    assert sizes.agree("toy@1", 4) == 16
    assert sizes.agree("toy@2", 4) == 4


def test_the_oldest_entry_is_overwritten() -> None:
    sizes = SharedBatchSizes()
    for version in range(MAX_VERSIONS + 1):
        sizes.agree(f"toy@{version}", 8)
    assert sizes.agree("toy@0", 4) == 4
    assert sizes.agree(f"toy@{MAX_VERSIONS}", 4) == 8
