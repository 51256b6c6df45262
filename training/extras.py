"""The optional packages of this project."""


def how_to_install(extra: str) -> str:
    """The command that installs an extra; no package index has this project."""
    return f"run pip install -e '.[{extra}]' in a checkout of Mirage"
