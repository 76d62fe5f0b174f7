#!/usr/bin/env python3
"""Ask the server on this machine whether it is ready: the exit status is 0 when it is.

For health checks, where nothing of ours may be needed to ask.  The port is that of ALCOVE_PORT, or
8888.  Plain HTTP is tried first, then TLS, for a server that has its own certificate.
"""

import http.client
import os
import ssl
import sys
from collections.abc import Iterator

PORT_DEFAULT = 8888
WAIT_SECONDS = 2.0
"""For each of the two tries: both together stay below what the Dockerfile allows."""


def ways(port: int) -> Iterator[http.client.HTTPConnection]:
    """Yield the ways to ask on this port, the likelier one first."""
    yield http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)
    # No certificate names 127.0.0.1, and nothing secret is asked or believed.
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    yield http.client.HTTPSConnection("127.0.0.1", port, timeout=WAIT_SECONDS, context=trusting)


def is_ready(port: int) -> bool:
    """Return whether a server on this port says that it is ready."""
    for connection in ways(port):
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            continue  # Not there, or not this way.
        finally:
            connection.close()
    return False


if __name__ == "__main__":
    sys.exit(0 if is_ready(int(os.environ.get("ALCOVE_PORT") or PORT_DEFAULT)) else 1)
