"""How many workers there are, and what each of them gets."""

from pathlib import Path
from typing import Any

import pytest

from mirage.service.engines.providers import MAX_ENGINES
from mirage.service.processes.launch import plan_workers, share_of, shared_buckets
from mirage.service.settings import Settings
from mirage.service.sharing.rate_buckets import SharedBuckets


@pytest.fixture(autouse=True)
def linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")


def plan(**changes: Any) -> int:
    return plan_workers(Settings(**changes))


def test_each_cpu_that_is_allowed_has_a_worker() -> None:
    assert [plan(threads=threads) for threads in (1, 2, 5)] == [1, 2, 5]
    assert plan(threads=64) == MAX_ENGINES


def test_so_it_is_with_a_gpu() -> None:
    assert plan(threads=4, provider="cuda") == 4


def test_where_connections_cannot_be_handed_over_there_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert plan(threads=4) == 1


def test_the_settings_have_the_last_word() -> None:
    assert plan(threads=1, workers=3) == 3


def test_a_share_is_a_part_of_the_threads_and_of_the_queue() -> None:
    whole = Settings(threads=8, queue_images=1000, queue_megapixels=64.0)
    share = share_of(whole, 4)
    assert (share.threads, share.encode_threads) == (2, 2)
    assert (share.queue_images, share.queue_megapixels) == (256, 16.0)
    assert 4 * share.picture_memory_bytes == whole.picture_memory_bytes
    rest = {"threads", "encode_threads", "queue_images", "queue_megapixels", "picture_memory_bytes"}
    assert share.model_dump(exclude=rest) == whole.model_dump(exclude=rest)


def test_nobody_gets_less_than_one_thread_nor_a_queue_that_is_too_short_for_a_request() -> None:
    share = share_of(Settings(threads=2, queue_images=1024), 8)
    assert (share.threads, share.encode_threads, share.queue_images) == (1, 1, 256)
    assert share_of(Settings(queue_images=100), 8).queue_images == 100


def test_workers_share_buckets_only_if_a_caller_can_have_a_limit() -> None:
    assert shared_buckets(Settings()) is None
    for limited in (Settings(images_per_minute=60), Settings(keys_file=Path("keys"))):
        assert isinstance(shared_buckets(limited), SharedBuckets)
