from pathlib import Path

import pytest

from mirage.client.errors import PictureError
from mirage.client.pictures.folder import Job, find_conflicts, find_jobs
from tests.client.pictures.files import encoded, pixels, write


def test_finds_the_pictures_of_all_folders(tmp_path: Path) -> None:
    source, output = tmp_path / "photos", tmp_path / "large"
    for name in ("b.JPG", "a.png", "sub/deep/c.webp", "sub/d.jpeg"):
        write(source / name, 2, 2)
    (source / "notes.txt").write_text("no picture")
    write(source / ".hidden.png", 2, 2)
    write(source / ".trash" / "e.png", 2, 2)
    found = {
        str(job.picture.relative_to(source)): str(job.target.relative_to(output))
        for job in find_jobs(source, output)
    }
    assert list(found.items()) == [
        ("a.png", "a.png"),
        ("b.JPG", "b.png"),
        ("sub/d.jpeg", "sub/d.png"),
        ("sub/deep/c.webp", "sub/deep/c.png"),
    ]


def test_leaves_out_an_output_inside_of_the_source(tmp_path: Path) -> None:
    write(tmp_path / "a.png", 2, 2)
    write(tmp_path / "large" / "a.png", 4, 4)
    assert [job.picture for job in find_jobs(tmp_path, tmp_path / "large")] == [tmp_path / "a.png"]


def test_a_single_file_goes_to_a_file_or_into_a_folder(tmp_path: Path) -> None:
    picture = write(tmp_path / "a.b.jpg", 2, 2)
    for name in ("x.png", "x.PNG"):
        assert find_jobs(picture, tmp_path / name) == [Job(picture, tmp_path / name)]
    assert find_jobs(picture, tmp_path / "out") == [Job(picture, tmp_path / "out" / "a.b.png")]


def test_rejects_folders_without_pictures_and_the_source_as_output(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"has no pictures: no file ends in .jpeg, .jpg"):
        find_jobs(tmp_path, tmp_path / "large")
    with pytest.raises(PictureError, match="choose another"):
        find_jobs(tmp_path, tmp_path / ".." / tmp_path.name)
    with pytest.raises(FileNotFoundError):
        find_jobs(tmp_path / "gone", tmp_path / "large")
    picture = write(tmp_path / "a.png", 2, 2)
    with pytest.raises(PictureError, match="choose another"):
        find_jobs(picture, picture)


def test_one_target_belongs_to_one_picture(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "b.png"):
        write(tmp_path / "photos" / name, 2, 2)
    jobs = find_jobs(tmp_path / "photos", tmp_path / "large")
    ((job, error),) = find_conflicts(jobs).items()
    assert job.picture.name == "a.png"
    assert str(error).endswith("a.jpg already; rename one of them")


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(write(tmp_path / "a.jpg", 5, 7, "JPEG"), tmp_path / "large.png")


def test_a_target_of_the_right_size_is_done(job: Job) -> None:
    assert not job.is_done(2)
    for scale, (height, width) in {2: (10, 14), 1.5: (8, 10), None: (3, 3)}.items():
        write(job.target, height, width)
        assert job.is_done(scale)
    write(job.target, 14, 10)  # of a rotated picture
    assert job.is_done(2)


@pytest.mark.parametrize("contents", [b"", b"text", encoded(pixels(10, 14))[:-1]])
def test_a_target_that_is_no_whole_png_is_not_touched(job: Job, contents: bytes) -> None:
    job.target.write_bytes(contents)
    with pytest.raises(PictureError, match=r"large.png exists and is no whole PNG; remove it"):
        job.is_done(2)


def test_a_target_of_another_size_is_not_touched(job: Job) -> None:
    write(job.target, 15, 21)
    with pytest.raises(PictureError, match="exists with 21x15 pixels, not 14x10; remove it"):
        job.is_done(2)


def test_a_target_of_an_unreadable_picture_is_done(job: Job) -> None:
    write(job.target, 3, 3)
    job.picture.write_bytes(b"broken")
    assert job.is_done(2)
