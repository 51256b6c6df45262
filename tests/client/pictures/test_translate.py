"""`mirage translate`, and the call of the clients."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from mirage.bundle.store.release import release
from mirage.client import AsyncClient, Client
from mirage.client.__main__ import main
from tests.client.pictures.files import decoded, encoded, files, pixels
from tests.client.servers import Answer, Proxy
from tests.upscalers import ToyUpscaler, make_upscaler

TOY = ToyUpscaler(scale=1, task="translate", multiple=4)
WHOLE = encoded(pixels(8, 8))


@pytest.fixture
def styles(tmp_path: Path) -> Path:
    """A folder of models with one translator, and one upscaler."""
    root = tmp_path / "models"
    make_upscaler(root, "styled", TOY)
    make_upscaler(root)
    for name in ("styled", "larger"):
        release(root, name, 1)
    return root


def test_translates_a_folder_without_a_server(
    styles: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "styled"
    assert main(["translate", str(photos), "-o", str(output), "--models", str(styles)]) == 0
    assert capsys.readouterr().out == (
        f"{output}: 4 translated by styled@1, 0 existing, 0 failed\n"
    )
    found = files(output)
    assert [decoded(found[name]).shape for name in sorted(found)] == [
        (9, 13, 3),
        (90, 70, 3),
        (1, 1, 3),
        (30, 20, 3),
    ]


def test_scale_is_no_argument_of_a_translation(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["translate", str(photos), "-o", str(tmp_path / "out"), "--scale", "2"])


def test_both_clients_send_pictures_to_the_route(
    client: Client, proxy: Proxy, url: str, tmp_path: Path
) -> None:
    answer = Answer(200, {"x-model": "styled@1", "x-scale": "1"}, WHOLE)
    proxy.answers = [answer, answer, answer]
    made = client.translate(encoded(pixels(8, 8)), model="styled", version=1)
    assert np.array_equal(made.array(), decoded(WHOLE))
    client.translate_to_file(encoded(pixels(8, 8)), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == WHOLE

    async def translate() -> bytes:
        async with AsyncClient(url) as other:
            return (await other.translate(encoded(pixels(8, 8)))).png

    assert asyncio.run(translate()) == WHOLE
    assert [asked.path.partition("?")[0] for asked in proxy.requests] == ["/translate"] * 3


def test_unknown_options_are_refused(client: Client) -> None:
    with pytest.raises(TypeError, match="scale is not an option; allowed are model, version"):
        client.translate(WHOLE, scale=2)  # type: ignore[call-arg]
