"""`python -m tests.service.helpers.unforkable_service`: the service where two more
processes are refused.

The first two, the workers at the start, are not.
"""

import errno
import os
import sys

from mirage.service.__main__ import main

if __name__ == "__main__":
    fork, calls = os.fork, 0

    def refuse() -> int:
        global calls
        calls += 1
        if calls in (3, 4):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return fork()

    os.fork = refuse
    sys.exit(main(sys.argv[1:]))
