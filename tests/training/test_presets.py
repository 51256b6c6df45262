from dataclasses import replace

import pytest

from mirage.training.auto import Facts, choose
from mirage.training.config import TrainConfig, build_config
from mirage.training.networks.families import FAMILIES
from mirage.training.tasks.generate import architecture_of

DIGITS = Facts(images=60_000, height=28, width=28, channels=1, classes=10, device="cpu")


def chosen(**facts: object) -> TrainConfig:
    return build_config("auto", {}, replace(DIGITS, **facts))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize(("height", "width"), [(28, 28), (32, 32), (64, 96), (20, 12), (256, 256)])
def test_networks_fit_the_images(device: str, height: int, width: int) -> None:
    config = chosen(device=device, height=height, width=width)
    sheet = {"shape": [height, width, 1], "classes": list("0123456789")}
    architecture = architecture_of(config, sheet)
    assert min(architecture.base) >= 4
    assert architecture.family in FAMILIES


def test_dense_convolutions_on_a_cpu_and_grouped_ones_on_a_gpu() -> None:
    assert chosen(device="cpu").family == "strided"
    assert chosen(device="cuda").family == "residual"


def test_finer_stages_are_narrower_on_a_gpu_as_in_the_paper() -> None:
    widths = chosen(device="cuda", height=256, width=256).widths
    assert widths == (768, 768, 768, 768, 384, 192, 96)


def test_gamma_grows_with_the_pixels() -> None:
    small, large = chosen(height=64, width=64), chosen(height=128, width=128)
    assert large.gamma.start == 4 * small.gamma.start


def test_few_images_are_augmented_and_many_are_not() -> None:
    for device in ("cpu", "cuda"):
        few, many = (chosen(images=images, device=device) for images in (3_000, 60_000))
        assert few.augment[0] == "translate"
        assert few.augment_target is not None
        assert many.augment == ()
    assert chosen(images=3_000, channels=3, device="cuda").augment[-1] == "colour"


FEW = replace(DIGITS, images=950, height=32, width=32, channels=4, classes=6, flat=0.05)


def test_few_flat_images_on_a_cpu_get_the_recipe_of_avatars_with_smaller_networks() -> None:
    ours, preset = build_config("auto", {}, FEW), build_config("avatars", {})
    news = {"preset": "auto", "palette": 16, "widths": (128, 96, 64, 32), "hidden": 128}
    assert ours == preset.model_copy(update=news)


@pytest.mark.parametrize("channels", [1, 3])
def test_that_recipe_fits_other_channels(channels: int) -> None:
    config = build_config("auto", {}, replace(FEW, channels=channels))
    assert config.warm_start_kimg > 0
    assert config.augment == ("translate", "zoom", "cutout")


def test_that_recipe_fits_other_images() -> None:
    config = build_config("auto", {}, replace(FEW, height=64, width=96, channels=3, flat=0.01))
    assert (config.widths, config.blocks) == ((128, 96, 64, 32, 24), (0, 1, 1, 1, 0))
    assert (config.palette, config.bilateral) == (0, 0)
    assert config.augment == ("translate", "zoom", "cutout")
    assert build_config("auto", {}, replace(FEW, images=40)).batch_size == 10


@pytest.mark.parametrize(("height", "width"), [(28, 28), (36, 36), (20, 12), (250, 256), (128, 64)])
def test_that_recipe_fits_any_size(height: int, width: int) -> None:
    config = build_config("auto", {}, replace(FEW, height=height, width=width))
    architecture = architecture_of(config, {"shape": [height, width, 4], "classes": []})
    assert min(architecture.base) >= 4


def test_many_images_and_those_for_a_gpu_do_not() -> None:
    assert chosen().warm_start_kimg == chosen(channels=3).warm_start_kimg == 0
    assert build_config("auto", {}, replace(FEW, device="cuda")).family == "residual"


def test_the_batch_is_limited_by_the_data() -> None:
    assert chosen(images=40).batch_size == 10


def test_gives_reasons() -> None:
    settings, reasons = choose(replace(DIGITS, images=30_000))
    assert settings["family"] == "strided"
    told = "\n".join(reasons)
    for said in ("slow on a CPU", "30000 images", "28x28", "batch size 32", "kimg"):
        assert said in told


def test_settings_can_still_be_changed() -> None:
    config = build_config("auto", {"batch_size": 16, "lr.start": 1e-4}, DIGITS)
    assert (config.batch_size, config.lr.start, config.preset) == (16, 1e-4, "auto")
