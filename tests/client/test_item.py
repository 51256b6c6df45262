"""Files of sounds and sequences, from a server and without one."""

import asyncio
import io
import tarfile
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirage.bundle.format.latents import draw_latents
from mirage.bundle.store.release import release
from mirage.client import AsyncClient, BadAnswer, Client
from mirage.client.__main__ import main
from mirage.service.app import create_app
from mirage.service.settings import Settings
from tests.client.servers import serving
from tests.client.test_draw import Captured, draw, files
from tests.generators import ToySequences, ToySounds, publish_generator

KINDS = [("speech", ".wav", "audio/wav"), ("dna", ".txt", "text/plain")]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    publish_generator(root, ToySounds(), "speech")
    publish_generator(root, ToySequences(labels=()), "dna")
    for name in ("speech", "dna"):
        release(root, name, 1)
    return root


@pytest.fixture(scope="module")
def url(root: Path) -> Iterator[str]:
    with serving(create_app(Settings(models=root, default_model="dna", threads=1))) as url:
        yield url


@pytest.mark.parametrize(("model", "suffix", "media_type"), KINDS)
def test_files_have_their_type_and_origin(
    url: str, model: str, suffix: str, media_type: str
) -> None:
    with Client(url, page_size=4) as client:
        made = client.generate_files(10, seed=7, model=model)
    assert [(file.seed, file.index) for file in made] == [(7, index) for index in range(10)]
    assert {(file.suffix, file.media_type) for file in made} == {(suffix, media_type)}


def test_a_sequence_is_a_line_of_text(url: str) -> None:
    toy = ToySequences(labels=())
    with Client(url) as client:
        made = client.generate_files(3, seed=7)
    texts = toy.texts(draw_latents(7, 0, 3, toy.latent_dim)[0])
    assert [file.data.decode() for file in made] == [f"{text}\n" for text in texts]


def test_a_sound_is_a_wav(url: str) -> None:
    with Client(url) as client:
        (made,) = client.generate_files(1, seed=7, model="speech", labels="high")
    with wave.open(io.BytesIO(made.data)) as file:
        assert (file.getframerate(), file.getnframes()) == (8000, ToySounds().length)
    assert made.label == 1


def test_both_clients_make_the_same_files(url: str) -> None:
    async def call() -> list[bytes]:
        async with AsyncClient(url, page_size=4) as client:
            return [file.data for file in await client.generate_files(10, seed=7)]

    with Client(url) as client:
        assert asyncio.run(call()) == [file.data for file in client.generate_files(10, seed=7)]


def test_generate_returns_only_images(url: str) -> None:
    with Client(url) as client, pytest.raises(BadAnswer, match="speech@1 makes audio/wav, not im"):
        client.generate(model="speech")


def test_a_walk_is_a_file_of_text(url: str, tmp_path: Path) -> None:
    path = tmp_path / "walk.txt"
    with Client(url) as client:
        client.interpolate_to_file([1, 2], path, steps=4)
    assert len(path.read_text().splitlines()) == 5


@pytest.mark.parametrize(("model", "suffix", "media_type"), KINDS)
@pytest.mark.parametrize("name", ["out", "out.tar"])
def test_draw_writes_what_generate_writes(
    url: str, root: Path, tmp_path: Path, model: str, suffix: str, media_type: str, name: str
) -> None:
    served, drawn = tmp_path / "served" / name, tmp_path / "drawn" / name
    arguments = ["--count", "9", "--seed", "7"]
    assert main(["generate", "--url", url, "--model", model, "-o", str(served), *arguments]) == 0
    assert draw(root, drawn, *arguments, model=model) == 0
    assert files(drawn.parent) == files(served.parent)
    if name == "out":
        assert len(list(drawn.glob(f"*{suffix}"))) == 9
    else:
        with tarfile.open(drawn) as archive:
            assert archive.getnames()[0] == f"000000{suffix}"
    assert draw(root, drawn, *arguments, model=model) == 0  # it is complete


@pytest.mark.parametrize(("model", "suffix", "media_type"), KINDS)
def test_shards_are_verified(
    root: Path, tmp_path: Path, model: str, suffix: str, media_type: str, capsys: Captured
) -> None:
    shards = tmp_path / "shards"
    arguments = ["--count", "9", "--seed", "7", "--shard-size", "4", "--processes", "1"]
    assert draw(root, shards, *arguments, model=model) == 0
    verify = ["draw", "--verify", "-o", str(shards), "--processes", "1"]
    assert main(verify) == 0
    (first, *_) = sorted(shards.glob("*.tar"))
    data = bytearray(first.read_bytes())
    data[512] ^= 0x80  # the first byte of the first file
    first.write_bytes(data)
    for index in shards.glob("*index*"):
        index.unlink()
    assert main(verify) != 0
    assert "is damaged" in capsys.readouterr().err


def test_parquet_shards_hold_images(root: Path, tmp_path: Path, capsys: Captured) -> None:
    pytest.importorskip("pyarrow")
    arguments = ["--count", "4", "--shard-size", "4", "--processes", "1", "--format", "parquet"]
    assert draw(root, tmp_path / "shards", *arguments, model="speech") != 0
    assert "Parquet shards hold images" in capsys.readouterr().err


def test_one_file_has_the_suffix_of_the_model(root: Path, tmp_path: Path, capsys: Captured) -> None:
    assert draw(root, tmp_path / "one.wav", "--count", "1", model="speech") == 0
    assert (tmp_path / "one.wav").read_bytes().startswith(b"RIFF")
    assert draw(root, tmp_path / "one.png", "--count", "1", model="speech") != 0
    assert "speech makes .wav files" in capsys.readouterr().err
