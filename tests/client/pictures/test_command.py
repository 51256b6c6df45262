"""`mirage upscale` against the real service, in its own process, and with interruptions."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mirage.client.__main__ import main
from mirage.client.lock import lock_folder
from tests.client.ended import KILLED_BEFORE_A_RENAME, ended
from tests.client.pictures.files import decoded, encoded, files, pixels, write
from tests.client.servers import Answer, Proxy

Captured = pytest.CaptureFixture[str]
TARGETS = ["a.png", "b.png", "sub/c.png", "sub/d.png"]
BROKEN = Answer(200, {"x-model": "larger@1", "x-scale": "2"}, encoded(pixels(2, 2))[:-1], lost=True)

# The service cannot be imported.
WITHOUT_THE_SERVICE = """
import sys
sys.modules["mirage.service"] = None
from mirage.client.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def run(url: str, source: Path, output: Path, *arguments: str) -> int:
    return main(arguments_of(url, source, output, *arguments))


def arguments_of(url: str, source: Path, output: Path, *arguments: str) -> list[str]:
    return ["upscale", "--url", url, str(source), "-o", str(output), *arguments]


def posted(proxy: Proxy) -> list[bytes]:
    """The pictures that the server received."""
    return [asked.body for asked in proxy.requests if asked.path == "/upscale"]


def test_enlarges_a_folder(url: str, photos: Path, tmp_path: Path, capsys: Captured) -> None:
    output = tmp_path / "large"
    assert run(url, photos, output) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{output}: 4 enlarged by larger@1, 0 existing, 0 failed\n"
    assert captured.err == ""
    found = files(output)
    assert sorted(found) == TARGETS
    sides = [decoded(found[name]).shape[:2] for name in TARGETS]
    assert sides == [(18, 26), (180, 140), (2, 2), (60, 40)]


def test_without_a_server_the_bytes_are_the_same(
    url: str, models_root: Path, photos: Path, tmp_path: Path
) -> None:
    models = ["--models", str(models_root)]
    for scale in ([], ["--scale", "1.5"]):
        served, local = tmp_path / f"served{len(scale)}", tmp_path / f"local{len(scale)}"
        assert run(url, photos, served, *scale) == 0
        assert main(["upscale", str(photos), "-o", str(local), *models, *scale]) == 0
        assert files(local) == files(served)
        assert sorted(files(local)) == TARGETS


def test_a_single_picture(url: str, photos: Path, tmp_path: Path) -> None:
    assert run(url, photos / "a.png", tmp_path / "out" / "x.png", "--scale", "2") == 0
    assert run(url, photos / "a.png", tmp_path / "out") == 0
    assert sorted(files(tmp_path / "out")) == ["a.png", "x.png"]


def test_does_not_send_pictures_again(
    url: str, proxy: Proxy, photos: Path, tmp_path: Path, capsys: Captured
) -> None:
    run(url, photos, tmp_path / "large")
    before = files(tmp_path / "large")
    (tmp_path / "large" / "b.png").unlink()
    proxy.reset()
    assert run(url, photos, tmp_path / "large") == 0
    assert posted(proxy) == [(photos / "b.jpg").read_bytes()]
    assert files(tmp_path / "large") == before
    assert "1 enlarged by larger@1, 3 existing, 0 failed" in capsys.readouterr().out


def test_a_folder_killed_between_files_is_completed_identically(
    url: str, photos: Path, tmp_path: Path
) -> None:
    once, again = tmp_path / "once", tmp_path / "again"
    assert run(url, photos, once) == 0
    for renames in (0, 1, 2):
        arguments = arguments_of(url, photos, again)
        assert ended(KILLED_BEFORE_A_RENAME, renames, arguments) == -signal.SIGKILL
        whole = {name: data for name, data in files(again).items() if not name.endswith(".part")}
        assert whole.items() <= files(once).items()
    assert run(url, photos, again) == 0
    assert files(again).items() >= files(once).items()


def test_a_picture_that_fails_does_not_stop_the_others(
    url: str, photos: Path, tmp_path: Path, capsys: Captured
) -> None:
    (photos / "broken.png").write_bytes(b"no picture")
    write(photos / "a.jpg", 3, 3)
    write(tmp_path / "large" / "sub" / "d.png", 5, 5)
    before = files(tmp_path / "large")
    assert run(url, photos, tmp_path / "large") == 3
    captured = capsys.readouterr()
    assert captured.out.endswith(": 3 enlarged by larger@1, 0 existing, 3 failed\n")
    assert f"{photos / 'broken.png'}: 400 " in captured.err
    assert f"{photos / 'a.png'}: {tmp_path / 'large' / 'a.png'} is the enlargement" in captured.err
    assert "exists with 5x5 pixels, not 40x60; remove it" in captured.err
    assert captured.err.endswith("error: 3 pictures failed; run again to retry them\n")
    assert sorted(files(tmp_path / "large")) == TARGETS
    assert before.items() <= files(tmp_path / "large").items()


def test_failures_are_the_same_without_a_server(
    models_root: Path, photos: Path, tmp_path: Path, capsys: Captured
) -> None:
    (photos / "broken.png").write_bytes(b"no picture")
    models = ["--models", str(models_root)]
    assert main(["upscale", str(photos), "-o", str(tmp_path / "large"), *models]) == 3
    assert f"{photos / 'broken.png'}: the body is no picture" in capsys.readouterr().err
    assert sorted(files(tmp_path / "large")) == TARGETS


def test_a_response_that_breaks_off_is_a_failure_of_its_picture(
    url: str, proxy: Proxy, photos: Path, tmp_path: Path, capsys: Captured
) -> None:
    write(photos / "0.png", 2, 2)
    listed = Answer(200, {}, b'{"models": []}')
    proxy.answers = [listed, BROKEN]
    options = ["--parallel", "1", "--patience-s", "0", "--model", "larger"]
    assert run(url, photos, tmp_path / "large", *options) == 3
    assert f"{photos / '0.png'}: POST /upscale failed: " in capsys.readouterr().err
    assert sorted(files(tmp_path / "large")) == TARGETS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scale", "3"], "scale is 3; larger@1 enlarges 2 times"),
        (["--model", "gone"], "404 "),
        (["--model", "toy"], "model is toy, whose task is generate"),
        (["--version", "7"], "version is 7"),
    ],
)
def test_what_concerns_all_pictures_ends_the_command(
    url: str,
    proxy: Proxy,
    photos: Path,
    tmp_path: Path,
    capsys: Captured,
    arguments: list[str],
    message: str,
) -> None:
    assert run(url, photos, tmp_path / "large", "--parallel", "1", *arguments) == 3
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert message in captured.err
    assert captured.out == ""
    assert len(posted(proxy)) <= 2
    assert files(tmp_path / "large") == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scale", "3"], "scale is 3; larger@1 enlarges 2 times, and 1 < s ≤ 2 is allowed"),
        (["--model", "gone"], "gone"),
        (["--model", "toy"], "model is toy, whose task is generate, not upscale"),
        (["--model", "unreleased"], "no version of unreleased is released"),
    ],
)
def test_explains_unusable_models_without_a_server(
    models_root: Path,
    photos: Path,
    tmp_path: Path,
    capsys: Captured,
    arguments: list[str],
    message: str,
) -> None:
    models = ["--models", str(models_root)]
    assert main(["upscale", str(photos), "-o", str(tmp_path / "large"), *models, *arguments]) == 3
    assert message in capsys.readouterr().err
    assert not (tmp_path / "large").exists()


def test_names_the_package_that_is_missing(photos: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_THE_SERVICE]
    arguments = ["upscale", str(photos), "-o", str(tmp_path / "large")]
    result = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert (
        "run pip install -e '.[cpu]' in a checkout of Mirage, or name a server with --url"
        in result.stderr
    )


def test_fails_at_once_without_a_server_at_the_url(
    photos: Path, tmp_path: Path, capsys: Captured
) -> None:
    assert run("http://127.0.0.1:1", photos, tmp_path / "large") == 1
    assert capsys.readouterr().err.startswith("error: GET /models failed: ")


def test_two_commands_cannot_write_to_one_folder(
    url: str, photos: Path, tmp_path: Path, capsys: Captured
) -> None:
    with lock_folder(tmp_path / "large"):
        assert run(url, photos, tmp_path / "large") == 5
    assert "error: another process is writing to" in capsys.readouterr().err


def test_sends_a_bounded_number_of_requests_at_once(
    url: str, proxy: Proxy, photos: Path, tmp_path: Path
) -> None:
    for number in range(8):
        shutil.copy(photos / "a.png", photos / f"{number}.png")
    assert run(url, photos, tmp_path / "large", "--parallel", "3") == 0
    assert proxy.most_running <= 3
    assert len(posted(proxy)) == 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x", "-o", "y", "--scale", "1"], "--scale: it is 1; more than 1 is allowed"),
        (["x", "-o", "y", "--scale", "nan"], "--scale: it is nan; more than 1 is allowed"),
        (["x"], "required: -o/--output"),
        (["x", "-o", "y.jpg"], "--output is y.jpg; a single picture ends in .png"),
        (["x", "-o", "y.WebP"], "--output is y.WebP; a single picture ends in .png"),
        (["x", "-o", "y", "--url", "http://a", "--models", "m"], "--models is for pictures that"),
        (["x", "-o", "y", "--key-file", "k"], "--key-file needs --url"),
    ],
)
def test_explains_wrong_usage(arguments: list[str], message: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["upscale", *arguments])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
