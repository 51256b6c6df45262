import sys
from pathlib import Path

import huggingface_hub
import pytest

from mirage.bundle.__main__ import main
from mirage.bundle.errors import BundleError
from mirage.bundle.remote.hub.push import push_to_hub
from mirage.bundle.remote.hub.repository import open_repository
from tests.hub import REPOSITORY, URL, Hub


def fault_of(url: str) -> BundleError:
    with pytest.raises(BundleError) as caught:
        open_repository(url)
    return caught.value


def test_a_version_goes_from_one_folder_to_another(
    hub: Hub, here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    push = ["--models", str(here), "push", "toy"]
    assert main([*push, "1", URL]) == 0
    digest = capsys.readouterr().out.split()[-1]
    assert main([*push, "1", URL]) == 0
    assert "toy@1: was there already, manifest sha256:" in capsys.readouterr().out
    assert main([*push, "3", URL, "--next"]) == 0
    assert "toy@2: pushed" in capsys.readouterr().out
    pull = ["pull", URL, "--to", str(tmp_path)]
    assert main([*pull, "--version", "1", "--digest", digest]) == 0
    assert f"toy: version 1 is here, manifest {digest}" in capsys.readouterr().out
    assert main([*pull, "--digest", digest]) == 3
    assert main([*pull, "--model", "toy", "--model", "other"]) == 3
    assert "holds one model" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        ["list", "--at", URL],
        ["release", "toy", "1", "--at", URL],
        ["rollback", "toy", "--at", URL],
        ["prune", "toy", "--keep", "1", "--at", URL],
        ["follow", URL],
    ],
)
def test_the_hub_takes_only_push_and_pull(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) == 2
    assert "takes only `bundle push` and `bundle pull`" in capsys.readouterr().err


@pytest.mark.parametrize(
    "url", ["hf://toys", "hf://a/b/c", "hf://a/b?c", "hf:///b", "hf://a--b/.."]
)
def test_an_address_is_org_and_name(hub: Hub, url: str) -> None:
    assert fault_of(url).reason == "url_invalid"
    assert hub.requests == []


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (401, "remote_denied", "HF_TOKEN"),
        (403, "remote_denied", "HF_TOKEN"),
        (500, "remote_unreachable", "did not answer, or failed"),
    ],
)
def test_refusals_are_told_in_words(hub: Hub, status: int, reason: str, words: str) -> None:
    hub.status = status
    fault = fault_of(URL)
    assert fault.reason == reason
    assert words in str(fault)


def test_a_repository_that_is_not_there(hub: Hub) -> None:
    fault = fault_of("hf://people/nothing")
    assert fault.reason == "bucket_missing"
    assert "hf repos create" in str(fault)


def test_a_file_may_be_refused(hub: Hub, here: Path, tmp_path: Path) -> None:
    push_to_hub(here, "toy", 1, URL)
    repository = open_repository(URL)
    hub.status = 403
    with pytest.raises(BundleError, match="access denied") as caught:
        repository.manifest(1)
    assert caught.value.reason == "remote_denied"


def test_a_hub_that_is_gone_may_be_tried_again(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    fault = fault_of(URL)
    assert fault.reason == "remote_unreachable"
    assert fault.exit_code() == 1


def test_offline_mode_is_told_of(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in str(fault_of(URL))
    assert hub.requests == []


def test_the_client_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    fault = fault_of(f"hf://{REPOSITORY}")
    assert fault.reason == "extra_missing"
    assert "'.[hf]'" in str(fault)
