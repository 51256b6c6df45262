"""The keys that are valid now."""

import asyncio
import logging
from pathlib import Path

import pytest

from mirage.service.api.security.auth import Keys, add_key
from mirage.service.errors import KeysError
from mirage.service.telemetry.metrics import Metrics


def opened(path: Path, metrics: Metrics) -> Keys:
    keys = Keys(path, metrics.keys_failures, metrics.keys_unreadable)
    asyncio.run(keys.open())
    return keys


def failures(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("mirage_keys_failures_total")


def unreadable(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("mirage_keys_unreadable")


def found(keys: Keys, text: str) -> str | None:
    key = keys.find(text.encode())
    return None if key is None else key.name


def test_a_key_is_found_by_its_text(tmp_path: Path) -> None:
    texts = {name: add_key(tmp_path / "keys", name) for name in ("first", "middle", "last")}
    keys = opened(tmp_path / "keys", Metrics())
    assert {name: found(keys, text) for name, text in texts.items()} == {n: n for n in texts}
    assert found(keys, texts["first"][:-1]) is None
    assert found(keys, "") is None


def test_added_and_removed_keys_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    first = add_key(path, "first")
    keys = opened(path, Metrics())
    second = add_key(path, "second")
    assert found(keys, second) is None
    asyncio.run(keys.refresh())
    assert found(keys, second) == "second"
    path.write_text(path.read_text().splitlines()[1])
    asyncio.run(keys.refresh())
    assert (found(keys, first), found(keys, second)) == (None, "second")


@pytest.mark.parametrize("broken", [True, False])
def test_a_file_that_breaks_leaves_the_keys_as_they_were(
    tmp_path: Path, broken: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told once, not every second."""
    path, metrics = tmp_path / "keys", Metrics()
    text = add_key(path, "ci")
    keys = opened(path, metrics)
    if broken:
        path.write_text("half a li")
    else:
        path.unlink()
    for _ in range(3):
        asyncio.run(keys.refresh())
    assert found(keys, text) == "ci"
    assert (failures(metrics), unreadable(metrics)) == (1, 1)
    (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert line.getMessage().startswith("the 1 keys stay as they were: keys_file is ")


def test_a_file_that_is_mended_counts_again(tmp_path: Path) -> None:
    path, metrics = tmp_path / "keys", Metrics()
    add_key(path, "ci")
    keys = opened(path, metrics)
    path.write_text("broken")
    asyncio.run(keys.refresh())
    path.unlink()
    text = add_key(path, "new")
    asyncio.run(keys.refresh())
    assert found(keys, text) == "new"


def test_a_file_that_is_emptied_revokes_all_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    text = add_key(path, "ci")
    keys = opened(path, Metrics())
    path.write_bytes(b"")
    asyncio.run(keys.refresh())
    assert found(keys, text) is None


def test_a_file_that_comes_back_as_it_was_is_readable_again(tmp_path: Path) -> None:
    path, metrics = tmp_path / "keys", Metrics()
    text = add_key(path, "ci")
    keys = opened(path, metrics)
    for _ in range(2):
        away = path.rename(tmp_path / "away")
        asyncio.run(keys.refresh())
        assert unreadable(metrics) == 1
        away.rename(path)
        asyncio.run(keys.refresh())
        assert (unreadable(metrics), found(keys, text)) == (0, "ci")
    assert failures(metrics) == 2


def test_a_change_that_could_not_be_read_is_read_at_the_next_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the file has not changed since."""
    path, metrics = tmp_path / "keys", Metrics()
    revoked = add_key(path, "revoked")
    keys = opened(path, metrics)
    path.write_bytes(b"")
    with monkeypatch.context() as patch:
        patch.setattr("mirage.service.api.security.auth.read_keys", fail)
        asyncio.run(keys.refresh())
    assert found(keys, revoked) == "revoked"
    asyncio.run(keys.refresh())
    assert found(keys, revoked) is None


@pytest.mark.parametrize("name", ["file_signature", "read_keys"])
def test_following_goes_on_after_a_fault_that_nobody_expects(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    path, metrics = tmp_path / "keys", Metrics()
    add_key(path, "first")
    keys = opened(path, metrics)
    second = add_key(path, "second")

    async def follow(fault: pytest.MonkeyPatch) -> None:
        following = asyncio.create_task(keys.follow())
        while not failures(metrics):
            await asyncio.sleep(0)
        fault.undo()
        while found(keys, second) is None:
            await asyncio.sleep(0)
        following.cancel()

    monkeypatch.setattr("mirage.service.api.security.auth.POLL_S", 0)
    with monkeypatch.context() as fault:
        fault.setattr(f"mirage.service.api.security.auth.{name}", fail)
        asyncio.run(asyncio.wait_for(follow(fault), 20))
    assert unreadable(metrics) == 0
    assert 'RuntimeError("can\'t start new thread")' in caplog.text


def fail(_: Path) -> None:
    raise RuntimeError("can't start new thread")


def test_a_broken_file_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match=r"keys_file is .*absent; No such file"):
        opened(tmp_path / "absent", Metrics())
