from pathlib import Path

import pytest

from mirage.training.data.prepare.credits import write_credits
from mirage.training.errors import DataError

COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: views

Files: *
Copyright: 2020, The Packagers
License: GPL-2+

Files: hills/lake_by_Ann.jpg
 hills/sea_*.jpg
Copyright: 2018, Ann Ode
           2019, Bob Ode
License: CC-BY-SA-4.0

Files: debian/*
Copyright: 2021, Nobody
License: Expat

License: Expat
 Permission is hereby granted
 .
 to any person
"""


@pytest.fixture
def copyright_file(tmp_path: Path) -> Path:
    path = tmp_path / "copyright"
    path.write_text(COPYRIGHT)
    return path


def test_each_picture_has_the_authors_and_the_licence_of_the_last_stanza_that_fits(
    copyright_file: Path, tmp_path: Path
) -> None:
    names = ["lake_by_Ann.jpg", "more/sea_2.jpg", "sky.jpg"]
    write_credits(copyright_file, names, tmp_path / "CREDITS.md")
    assert (tmp_path / "CREDITS.md").read_text().splitlines()[2:] == [
        "| lake_by_Ann.jpg | 2018, Ann Ode; 2019, Bob Ode | CC-BY-SA-4.0 |",
        "| more/sea_2.jpg | 2018, Ann Ode; 2019, Bob Ode | CC-BY-SA-4.0 |",
        "| sky.jpg | 2020, The Packagers | GPL-2+ |",
    ]


def test_a_picture_without_an_author_is_named(tmp_path: Path) -> None:
    path = tmp_path / "copyright"
    path.write_text(COPYRIGHT.replace("Files: *", "Files: README"))
    with pytest.raises(DataError, match=r"does not cover 1 of 2 pictures: sky\.jpg"):
        write_credits(path, ["lake_by_Ann.jpg", "sky.jpg"], tmp_path / "CREDITS.md")
    assert not (tmp_path / "CREDITS.md").exists()


def test_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "copyright"
    path.write_text("Copyright 2020 Ann Ode. All rights reserved.\n")
    with pytest.raises(DataError, match="does not begin with Format: https"):
        write_credits(path, ["a.jpg"], tmp_path / "CREDITS.md")
