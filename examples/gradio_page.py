"""A page with sliders on the API. Install gradio and run `mirage serve` first."""

import gradio

from mirage.client import Client

client = Client("http://localhost:8000")
models = [model.name for model in client.models() if model.task == "generate" and model.released]


def draw(model: str, seed: float, count: float, truncation: float) -> list:
    images = client.generate(int(count), model=model, seed=int(seed), truncation=truncation)
    return [(image.pil(), f"seed {image.seed}, index {image.index}") for image in images]


gradio.Interface(
    draw,
    [
        gradio.Dropdown(models, label="Model"),
        gradio.Number(7, precision=0, label="Seed"),
        gradio.Slider(1, 64, 16, step=1, label="Images"),
        gradio.Slider(0.1, 1, 1, label="Truncation"),
    ],
    gradio.Gallery(columns=8, label="Images"),
    title="Mirage",
).launch()
