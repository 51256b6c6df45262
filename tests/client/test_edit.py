"""Editing pictures with both clients and the command, against the real service."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from mirage.client import AsyncClient, BadAnswer, Client, Refused
from mirage.client.__main__ import main
from tests.client.servers import Answer, Proxy


def picture(client: Client) -> bytes:
    """An image of the model `plain`."""
    return client.generate(seed=3, model="plain")[0].png


def test_a_picture_is_found_again_and_moved(client: Client) -> None:
    same = client.edit(picture(client), model="plain")
    moved = client.edit(picture(client), model="plain", directions={0: np.float32(2)})  # type: ignore[dict-item]
    assert (same.model, same.version, same.label) == ("plain", 1, None)
    assert same.error < 0.05
    assert same.latents == moved.latents
    latents = np.array([same.latents], np.float32)
    latents[0, 0] += 2
    expected = client.generate(latents=latents, model="plain")[0]
    assert np.array_equal(moved.array(), expected.array())
    assert not np.array_equal(moved.array(), same.array())


def test_the_asyncio_client_gives_the_same(url: str, client: Client) -> None:
    async def edit() -> bytes:
        async with AsyncClient(url) as other:
            found = await other.edit(picture(client), model="plain", directions={"1": -1})
            return found.png

    expected = client.edit(picture(client), model="plain", directions={"1": -1})
    assert asyncio.run(edit()) == expected.png


def test_errors_are_those_of_the_server(client: Client) -> None:
    with pytest.raises(Refused, match="direction"):
        client.edit(picture(client), model="plain", directions={"9": 1})
    with pytest.raises(Refused, match="picture"):
        client.edit(b"no picture", model="plain")
    with pytest.raises(TypeError, match="colour is not an option; allowed are directions"):
        client.edit(b"", colour="red")  # type: ignore[call-arg]


FOUND = (
    b'{"latents": [[%s]], "model": "m", "version": %s, "label": null, "error": 1,'
    b' "typical_error": 1}'
)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"latents": []}',
        b"[1]",
        b"nothing",
        b"[" * 100_000,
        FOUND % (b"NaN", b"1"),
        FOUND % (b"1e400", b"1"),
        FOUND % (b"1", b"Infinity"),
    ],
    ids=["empty", "none", "list", "text", "nested", "nan", "infinite", "version"],
)
def test_answers_without_latents_are_not_taken(client: Client, proxy: Proxy, body: bytes) -> None:
    png = picture(client)
    proxy.answers.append(Answer(200, {"content-type": "application/json"}, body))
    with pytest.raises(BadAnswer, match="latents of the picture"):
        client.edit(png, model="plain")


def test_the_command_writes_the_edited_picture_beside_the_other(
    url: str, client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "face.png").write_bytes(picture(client))
    command = ["edit", str(tmp_path / "face.png"), "--url", url, "--model", "plain"]
    assert main([*command, "--direction", "0=1.5", "--direction", "1=-1"]) == 0
    expected = client.edit(picture(client), model="plain", directions={"0": 1.5, "1": -1})
    assert (tmp_path / "face-edited.png").read_bytes() == expected.png
    assert f"face-edited.png: by plain@1, error {expected.error:.4f}" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([*command, "--direction", "smile"])
    assert "'smile' is not NAME=AMOUNT" in capsys.readouterr().err
    for amount in ("abc", "nan", "-inf"):
        with pytest.raises(SystemExit, match="2"):
            main([*command, "--direction", f"0={amount}"])
        assert f"amount of 0 is '{amount}'; a number is allowed" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([*command, "--direction", "0=1", "--direction", "1=1", "--direction", "0=2"])
    assert "--direction names 0 more than once; once is allowed" in capsys.readouterr().err


def test_the_command_replaces_no_file(
    url: str, client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "face.png").write_bytes(picture(client))
    (tmp_path / "face-edited.png").write_bytes(b"mine")
    assert main(["edit", str(tmp_path / "face.png"), "--url", url, "--model", "plain"]) == 3
    assert "face-edited.png exists and is not replaced" in capsys.readouterr().err
    assert (tmp_path / "face-edited.png").read_bytes() == b"mine"


def test_the_command_names_a_picture_that_cannot_be_read(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nope.png"
    assert main(["edit", str(path), "--url", url]) == 3
    assert f"error: {path} cannot be read: No such file" in capsys.readouterr().err
