"""Draw the film of the README: twelve persons who change into others, enlarged four times.

    make serve
    python examples/film.py docs/film.webp

Each person follows a closed path through four points of latent space, in one skin tone. The service
computes the frames with `avatars` and enlarges them with `icon-x4`; this program sets them side by
side.
"""

import sys

from PIL import Image

from mirage.client import Client

URL = sys.argv[2] if len(sys.argv) > 2 else "http://localhost:8000"
SEED = 11
PATHS = [  # for each skin tone, the images of the seed that two persons pass, chosen by hand
    [(0, 6, 24, 12), (30, 36, 24, 6)],
    [(1, 19, 37, 43), (13, 37, 31, 1)],
    [(26, 8, 44, 14), (32, 14, 26, 8)],
    [(9, 3, 15, 39), (39, 45, 15, 3)],
    [(4, 28, 40, 10), (22, 28, 4, 40)],
    [(17, 5, 35, 23), (29, 17, 47, 35)],
]
SIDE, GAP = 96, 8  # pixels of a person on the screen, and between two
FRAME_MS = 60
CHANGE, REST = 12, 13  # frames of a change, and between two: 4 * 25 * 60 ms are 6 s


def person(client: Client, tone: int, path: tuple[int, ...]) -> list[Image.Image]:
    """The frames of one person, on white."""
    points = [{"seed": SEED, "index": index, "label": tone} for index in path]
    frames = client.interpolate(
        points, steps=CHANGE, loop=True, truncation=0.6, model="avatars", upscale="icon-x4"
    )
    pictures = []
    for frame in frames:
        image = Image.new("RGBA", frame.pil().size, "white")
        image.alpha_composite(frame.pil())
        pictures.append(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS))
    legs = [pictures[start : start + CHANGE] for start in range(0, len(pictures), CHANGE)]
    return [picture for leg in legs for picture in [leg[0]] * REST + leg]


def film(client: Client) -> list[Image.Image]:
    """All persons in a grid; neighbours change one after the other."""
    step = SIDE + GAP
    length = 4 * (CHANGE + REST)
    size = (len(PATHS) * step + GAP, 2 * step + GAP)
    frames = [Image.new("RGB", size, "white") for _ in range(length)]
    for tone, paths in enumerate(PATHS):
        for row, path in enumerate(paths):
            delay = 5 * tone + 15 * row
            pictures = person(client, tone, path)
            for number, frame in enumerate(frames):
                picture = pictures[(number - delay) % length]
                frame.paste(picture, (GAP + tone * step, GAP + row * step))
    return frames


if __name__ == "__main__":
    with Client(URL) as client:
        first, *others = film(client)
    options = {"duration": FRAME_MS, "loop": 0, "quality": 38, "method": 6}
    # Saves a quarter of the bytes, and takes some minutes.
    first.save(sys.argv[1], save_all=True, append_images=others, minimize_size=True, **options)
