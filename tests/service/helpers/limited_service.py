"""`python -m tests.service.helpers.limited_service`: the service where a process may open
96 files.
"""

import resource
import sys

from mirage.service.__main__ import main

FILES = 96

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    sys.exit(main(sys.argv[1:]))
