"""The errors of an import that are not the file's fault."""


class ChoiceError(Exception):
    """An option does not fit the graph. The message names the option and what is allowed."""


class ReplayError(Exception):
    """The bundle does not make the images that the source makes."""
