"""Sizes on which processes agree."""

import os

from mirage.service.sharing.batch_sizes import MOST, SharedSizes


def test_what_is_measured_first_holds_for_all_processes() -> None:
    sizes = SharedSizes()
    if (pid := os.fork()) == 0:
        os._exit(sizes.agree("toy@1", 16))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 16
    assert sizes.agree("toy@1", 4) == 16
    assert sizes.agree("toy@2", 4) == 4


def test_the_memory_does_not_grow_and_the_oldest_are_forgotten() -> None:
    sizes = SharedSizes()
    for version in range(MOST + 1):
        sizes.agree(f"toy@{version}", 8)
    assert sizes.agree("toy@0", 4) == 4
    assert sizes.agree(f"toy@{MOST}", 4) == 8
