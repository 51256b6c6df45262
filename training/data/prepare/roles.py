"""Roles of persons in emoji, such as cook or mage: what remains without skin tone and gender."""

from mirage.training.data.groups import EMOJI, group_names

ROLES = {
    "1f33e": "farmer",
    "1f373": "cook",
    "1f37c": "parent",
    "1f384": "santa",
    "1f393": "student",
    "1f3a4": "singer",
    "1f3a8": "artist",
    "1f3eb": "teacher",
    "1f3ed": "factory-worker",
    "1f46e": "police-officer",
    "1f470": "veil",
    "1f471": "blond-hair",
    "1f472": "skullcap",
    "1f473": "turban",
    "1f476": "baby",
    "1f477": "construction-worker",
    "1f47c": "angel",
    "1f481": "tipping-hand",
    "1f482": "guard",
    "1f486": "massage",
    "1f487": "haircut",
    "1f4bb": "technologist",
    "1f4bc": "office-worker",
    "1f527": "mechanic",
    "1f52c": "scientist",
    "1f575": "detective",
    "1f645": "gesturing-no",
    "1f646": "gesturing-ok",
    "1f647": "bowing",
    "1f64b": "raising-hand",
    "1f64d": "frowning",
    "1f64e": "pouting",
    "1f680": "astronaut",
    "1f692": "firefighter",
    "1f926": "facepalm",
    "1f935": "tuxedo",
    "1f937": "shrug",
    "1f977": "ninja",
    "1f9b0": "red-hair",
    "1f9b1": "curly-hair",
    "1f9b2": "bald",
    "1f9b3": "white-hair",
    "1f9cf": "deaf",
    "1f9d1": "adult",
    "1f9d2": "child",
    "1f9d3": "elder",
    "1f9d4": "beard",
    "1f9d5": "headscarf",
    "1f9d6": "sauna",
    "1f9d9": "mage",
    "1f9db": "vampire",
    "1f9dd": "elf",
    "1fac5": "crown",
    "2695": "health-worker",
    "2696": "judge",
    "2708": "pilot",
}
"""Names by the last code point of the emoji without a gender, after those of CLDR (Unicode
Technical Standard #35, part 2)."""


def role_of(name: str) -> str:
    """The role of the emoji of a file name; of an unknown one, its code points."""
    (person,) = group_names(EMOJI, [name])
    return ROLES.get(person.split("_")[-1], person)
