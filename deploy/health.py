"""Exits with 0 if the service in this container is ready. Runs often, so it imports little."""

import os
import socket
import sys

REQUEST = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
TIMEOUT_S = 4


def ready(port: int) -> bool:
    """Whether /readyz on a port responds with 200."""
    try:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection:
            connection.sendall(REQUEST)
            return connection.recv(64).split()[1:2] == [b"200"]
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(not ready(int(os.environ.get("MIRAGE_PORT") or 8000)))
