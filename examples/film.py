"""Draw the film of the README: twelve persons who change into others, enlarged four times.

    make serve
    python examples/film.py docs/film.webp

Each person has a role, such as mage, and follows a closed path through four points of latent space.
The service computes the frames with `avatars` and enlarges them with `icon-x4`; this program sets
them side by side.
"""

import sys

from PIL import Image

from mirage.client import Client

URL = sys.argv[2] if len(sys.argv) > 2 else "http://localhost:8000"
SEED = 11
PATHS = {  # for each role, the images of the seed that a person passes, chosen by hand
    "mage": (0, 4, 11, 7),
    "astronaut": (0, 1, 3, 11),
    "cook": (7, 11, 8, 10),
    "crown": (4, 8, 10, 7),
    "firefighter": (0, 4, 6, 8),
    "elf": (0, 1, 4, 7),
    "pilot": (1, 8, 5, 10),
    "headscarf": (0, 3, 4, 7),
    "police-officer": (1, 8, 4, 10),
    "student": (2, 9, 5, 1),
    "health-worker": (1, 2, 8, 10),
    "santa": (2, 8, 5, 6),
}
COLUMNS = 6
SIDE, GAP = 96, 8  # pixels of a person on the screen, and between two
FRAME_MS = 60
CHANGE, REST = 12, 13  # frames of a change, and between two: 4 * 25 * 60 ms are 6 s


def person(client: Client, role: str, path: tuple[int, ...]) -> list[Image.Image]:
    """The frames of one person, on white."""
    points = [{"seed": SEED, "index": index, "label": role} for index in path]
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
    rows = len(PATHS) // COLUMNS
    size = (COLUMNS * step + GAP, rows * step + GAP)
    frames = [Image.new("RGB", size, "white") for _ in range(length)]
    for place, (role, path) in enumerate(PATHS.items()):
        row, column = divmod(place, COLUMNS)
        delay = 5 * column + 15 * row
        pictures = person(client, role, path)
        for number, frame in enumerate(frames):
            picture = pictures[(number - delay) % length]
            frame.paste(picture, (GAP + column * step, GAP + row * step))
    return frames


if __name__ == "__main__":
    with Client(URL) as client:
        first, *others = film(client)
    options = {"duration": FRAME_MS, "loop": 0, "quality": 38, "method": 6}
    # Saves a quarter of the bytes, and takes some minutes.
    first.save(sys.argv[1], save_all=True, append_images=others, minimize_size=True, **options)
