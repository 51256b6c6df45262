"""CPUs, memory and instruction sets, from files in the format of the kernel."""

import os
import platform
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from mirage.service.host import available_cpus, instruction_set, memory_bytes


@pytest.mark.parametrize(
    ("text", "cpus"), [("100000 100000\n", 1), ("50000 100000\n", 1), ("190000 100000\n", 1)]
)
def test_a_quota_limits_the_cpus_to_at_least_one(tmp_path: Path, text: str, cpus: int) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert available_cpus(tmp_path) == cpus


@pytest.mark.parametrize("text", ["max 100000\n", "nonsense", ""])
def test_without_a_quota_the_affinity_limits_the_cpus(tmp_path: Path, text: str) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert available_cpus(tmp_path) == len(os.sched_getaffinity(0))


def test_quotas_of_cgroup_version_1_are_read(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text("100000\n")
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    assert available_cpus(tmp_path) == 1


@pytest.fixture
def process(tmp_path: Path) -> Path:
    """The files in /proc of a process in the group /machine/service."""
    path = tmp_path / "process"
    path.mkdir()
    (path / "cgroup").write_text(
        "3:memory:/\n2:cpu,cpuacct:/machine/service\n0::/machine/service\n"
    )
    return path


@pytest.mark.parametrize("limited", ["machine/service", "machine", "."])
def test_the_smallest_quota_of_the_group_and_its_parents_counts(
    tmp_path: Path, process: Path, limited: str
) -> None:
    """systemd, Kubernetes and Docker set it on different levels."""
    tree = tmp_path / "tree"
    (tree / "machine/service/other").mkdir(parents=True)
    for group in (tree, tree / "machine", tree / "machine/service"):
        (group / "cpu.max").write_text("max 100000\n")
    (tree / "machine/service/other/cpu.max").write_text("1000 100000\n")  # not this process'
    assert available_cpus(tree, process) == len(os.sched_getaffinity(0))
    (tree / limited / "cpu.max").write_text("100000 100000\n")
    assert available_cpus(tree, process) == 1


@pytest.mark.parametrize("folder", ["cpu", "cpu,cpuacct"])
def test_quotas_of_parent_groups_in_version_1_are_read(
    tmp_path: Path, process: Path, folder: str
) -> None:
    group = tmp_path / "tree" / folder / "machine/service"
    group.mkdir(parents=True)
    (group / "cpu.cfs_quota_us").write_text("100000\n")
    (group / "cpu.cfs_period_us").write_text("100000\n")
    assert available_cpus(tmp_path / "tree", process) == 1


def test_groups_are_found_in_the_part_of_the_tree_that_a_container_sees(
    tmp_path: Path, process: Path
) -> None:
    tree = tmp_path / "tree"
    (tree / "service").mkdir(parents=True)
    (tree / "service/cpu.max").write_text("100000 100000\n")
    line = f"31 23 0:28 /machine {tree} rw,relatime - cgroup2 cgroup2 rw\n"
    (process / "mountinfo").write_text(line)
    assert available_cpus(tree, process) == 1


def test_only_relevant_instruction_sets_are_listed(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu avx2 avx fma hypervisor\n")
    assert instruction_set(cpuinfo).split()[1:] == ["avx", "fma", "avx2"]


def test_an_unknown_machine_has_no_instruction_sets(tmp_path: Path) -> None:
    assert len(instruction_set(tmp_path / "absent").split()) == 1


def test_memory_excludes_mapped_files(tmp_path: Path) -> None:
    (tmp_path / "statm").write_text("5000 300 100 7 0 900 0\n")
    assert memory_bytes(tmp_path) == 200 * resource.getpagesize()


def test_unknown_memory_is_zero(tmp_path: Path) -> None:
    assert memory_bytes(tmp_path) == 0


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_large_blocks_are_returned_to_the_system() -> None:
    program = """
from mirage.service.host import memory_bytes, return_large_blocks
return_large_blocks()
block = b"x" * 4 * 2**20
del block  # by which glibc would raise its limit
before, blocks, between = memory_bytes(), [], []
for _ in range(20):
    blocks.append(b"x" * 3 * 2**20)
    between.append(bytearray(1000))
del blocks
print(memory_bytes() - before)
"""
    command = [sys.executable, "-c", program]
    kept = [
        int(subprocess.run([*command[:2], text], capture_output=True, check=True).stdout)
        for text in (program, program.replace("\nreturn_large_blocks()", ""))
    ]
    assert kept[0] < 3 * 2**20 < kept[1]
