"""What `alcove doctor` looks at: each check returns what it found, and the cure if there is one.

Nothing here changes anything.  No check raises for what it finds: that is the finding.
"""

import http.client
import json
import os
import re
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct

from alcove import __version__

if TYPE_CHECKING:
    from alcove.client import Profile

WAIT_S: Final = 5.0
"""How long an answer is waited for."""
ANSWER_BYTES_MAX: Final = 1 << 20
PYTHON_MIN: Final = (3, 11)
CLOCK_S_MAX: Final = 300
"""So much may two clocks differ."""
FREE_BYTES_MIN: Final = 200 * 1000 * 1000
CONTAINER_MARKS: Final = ("/.dockerenv", "/run/.containerenv")

State = Literal["ok", "note", "wrong"]


class Finding(Struct, frozen=True):
    """What one check found."""

    name: str
    state: State
    text: str
    """One sentence."""
    cure: str = ""
    """What to do; empty where there is nothing to do."""


def ok(name: str, text: str) -> Finding:
    """Return that something is fine."""
    return Finding(name, "ok", text)


def wrong(name: str, text: str, cure: str) -> Finding:
    """Return that something is not."""
    return Finding(name, "wrong", text, cure)


# ---- The program ----


def python(found: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Look at the version of Python."""
    told = ".".join(map(str, found[:3]))
    if found[:2] < PYTHON_MIN:
        return wrong("python", f"This is Python {told}.", "Install Python 3.11 or newer.")
    return ok("python", f"Python {told}.")


def libraries(installed: Callable[[str], str] = metadata.version) -> Iterator[Finding]:
    """Compare the versions of what this program stands on with those that it asks for."""
    cure = f"Install it again: {sys.executable} -m pip install --force-reinstall NAME"
    bad = 0
    for asked in metadata.requires("alcove") or ():
        name, least = _asked(asked)
        if not name:
            continue
        try:
            found = installed(name)
        except metadata.PackageNotFoundError:
            bad += 1
            yield wrong("library", f"{name} is missing.", cure.replace("NAME", name))
            continue
        if _numbers(found) < _numbers(least):
            bad += 1
            text = f"{name} is {found}, and {least} or newer is needed."
            yield wrong("library", text, cure.replace("NAME", f"'{name}>={least}'"))
    if not bad:
        yield ok("libraries", "All are there, and new enough.")


def _asked(text: str) -> tuple[str, str]:
    """Return name and least version of a requirement that counts here."""
    wanted, _, marker = text.partition(";")
    is_other = "extra ==" in marker or ("win32" in marker and sys.platform == "win32")
    match = re.match(r"([A-Za-z0-9._-]+)[^>]*(?:>=([\d.]+))?", wanted)
    return ("", "") if is_other or match is None else (match[1], match[2] or "0")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(one) for one in re.findall(r"\d+", version)[:3])


def encryption() -> Finding:
    """Seal and open something, and sign and check something, with the suite in use."""
    cure = (
        f"Install the library of cryptography again ({sys.executable} -m pip install"
        " --force-reinstall cryptography); `alcove selftest` then tells more."
    )
    try:
        from alcove.mls import DEFAULT_SUITE, standard_suites  # noqa: PLC0415

        suite = standard_suites()[DEFAULT_SUITE]
        key, nonce = bytes(32), bytes(12)
        sealed = suite.aead_seal(key, nonce, b"alcove", b"")
        is_fine = suite.aead_open(key, nonce, sealed, b"") == b"alcove"
    except Exception as error:  # noqa: BLE001 - Whatever it is, that is the finding.
        return wrong("encryption", f"It does not work here ({type(error).__name__}).", cure)
    if not is_fine:
        return wrong("encryption", "What was sealed does not open again.", cure)
    return ok("encryption", "MLS (RFC 9420) with X25519 and ML-KEM-768, AES-256-GCM works here.")


# ---- What is kept here ----


def account(profile: "Profile") -> Iterator[Finding]:
    """Look at the folder of one account."""
    name = f"account {profile.name}"
    for problem in _folder(profile):
        yield problem
        return
    free = shutil.disk_usage(profile.folder).free
    if free < FREE_BYTES_MIN:
        text = f"Only {free // 1_000_000} MB are free on the disk of {profile.folder}."
        yield wrong(name, text, "Make space: nothing new can be stored without.")
        return
    yield ok(name, f"{profile.account} on {profile.server}, kept in {profile.folder}.")


def _folder(profile: "Profile") -> Iterator[Finding]:
    from alcove.client import ClientError, kept_by  # noqa: PLC0415

    name = f"account {profile.name}"
    mode = stat.S_IMODE(profile.folder.stat().st_mode)
    if sys.platform != "win32" and mode & 0o077:
        cure = f"chmod -R go-rwx {profile.folder}"
        yield wrong(name, f"Others on this machine can look into {profile.folder}.", cure)
    try:
        keeper = kept_by(profile.folder)
    except ClientError as error:
        yield wrong(name, str(error), "Bring that file back from a copy, or `alcove login` anew.")
        return
    if keeper is None or not profile.database.exists():
        text = "A part of it is missing: its key or its database."
        cure = "Bring the folder back from a copy, or `alcove login` again under another --profile."
        yield wrong(name, text, cure)
    elif not profile.account:
        cure = f"`alcove register --profile {profile.name}` or `alcove login` goes on."
        yield Finding(name, "note", "It was begun, and has no account yet.", cure)


# ---- The server ----


def server(address: Any) -> Iterator[Finding]:
    """Follow the way to a server, step by step, until one step fails."""
    name = str(address)
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError:
        text = f"Nobody knows where {address.host} is."
        cure = "Look whether the name is spelled right, and whether this machine is on the network."
        yield wrong(name, text, cure)
        return
    problem = _connects(name, address)
    if problem is not None:
        yield problem
        return
    yield from _answers(name, address, found[0][4][0])


def _connects(name: str, address: Any) -> Finding | None:
    """Return what keeps a connection from being made; None for nothing."""
    try:
        socket.create_connection((address.host, address.port), WAIT_S).close()
    except ConnectionRefusedError:
        inside = (
            "  This runs in a container, where localhost is the container itself: name the"
            " server's own name or address."
            if address.is_loopback and in_container()
            else ""
        )
        cure = (
            "Is the server running (`alcove status` on its machine)?  Are host and port right"
            f" (--server, or the settings)?  Here it is {address.host}, port {address.port}."
            f"{inside}"
        )
        return wrong(name, "The connection was refused: nothing listens there.", cure)
    except TimeoutError:
        cure = (
            "Mostly a firewall is in between: let the port through, and look whether the server"
            " listens on an address that others reach (--host)."
        )
        return wrong(name, f"Nothing answered within {WAIT_S:g} s.", cure)
    except OSError as error:
        cure = "Look at this machine's network, and at host and port."
        return wrong(name, f"It cannot be reached ({error.strerror or error}).", cure)
    return None


def _answers(name: str, address: Any, number: Any) -> Iterator[Finding]:
    try:
        said, at = _get(address)
    except ssl.SSLCertVerificationError:
        cure = (
            "Come by the invite link, which names a certificate that the server made itself; else"
            " ask the host whether it was changed, and go on only if so."
        )
        yield Finding(name, "note", "Its certificate is known to nobody here.", cure)
        return
    except (OSError, http.client.HTTPException, ValueError):
        cure = (
            "Is it an Alcove server?  Begin the address with https:// where it speaks TLS, and with"
            " http:// where it does not."
        )
        yield wrong(name, "Something listens there that does not answer as a server does.", cure)
        return
    if at is not None and abs(time.time() - at) > CLOCK_S_MAX:
        apart = round(abs(time.time() - at) / 60)
        cure = "Set the clock of the machine that is wrong; a time service keeps it right."
        yield wrong(
            "clock", f"This machine's clock and the server's are {apart} minutes apart.", cure
        )
    theirs = str(said.get("version", ""))
    if theirs.split(".")[:2] != __version__.split(".")[:2]:
        cure = "Update the older of the two."
        text = f"The server is Alcove {theirs or '?'}, and this program {__version__}."
        yield Finding("version", "note", text, cure)
    yield ok(
        name, f"Alcove {theirs} answers at {number}; registration: {said.get('registration')}."
    )


def _get(address: Any) -> tuple[dict[str, Any], float | None]:
    kind: Any = http.client.HTTPConnection
    if address.scheme == "https":
        kind = http.client.HTTPSConnection
    connection = kind(address.host, address.port, timeout=WAIT_S)
    try:
        connection.request("GET", "/status.json")
        answer = connection.getresponse()
        said = json.loads(answer.read(ANSWER_BYTES_MAX))
        date = answer.getheader("Date")
    finally:
        connection.close()
    if not isinstance(said, dict) or "version" not in said:
        raise ValueError
    return said, parsedate_to_datetime(date).timestamp() if date else None


def _is_alcove(number: int) -> bool:
    """Whether a server of Alcove answers at a port of this machine."""
    from alcove.client import parse_address  # noqa: PLC0415 - With it comes everything.

    try:
        _get(parse_address(f"http://127.0.0.1:{number}"))
    except (OSError, http.client.HTTPException, ValueError):
        return False
    return True


def port(number: int, *, is_ours: bool) -> Finding:
    """Look whether a server could listen here."""
    if is_ours:
        return ok("server here", "It runs: `alcove status` tells how.")
    name = f"port {number}"
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except PermissionError:
            cure = "Take a port from 1024 on (--port), with a proxy in front for 443."
            return Finding(name, "note", "Only the system's owner may listen there.", cure)
        except OSError:
            if _is_alcove(number):
                cure = "It is not of this data folder: --data or ALCOVE_DATA names another."
                return ok(name, f"A server of Alcove runs there.  {cure}")
            cure = (
                f"A server here would need another one (--port), or the end of that program: ss"
                f" -ltnp 'sport = :{number}' names it."
            )
            return Finding(name, "note", "Another program listens there.", cure)
    return ok(name, "It is free: `alcove serve` could take it.")


def database(settings: Any) -> Iterator[Finding]:
    """Look whether the server's database can be reached, where a server is set up here."""
    if not settings.database_url:
        return
    match = re.match(
        r"[a-z+]+://(?:[^@/]*@)?(\[[^\]]+\]|[^:/?]+)(?::(\d+))?", settings.database_url
    )
    host, number = (match[1].strip("[]"), int(match[2] or 5432)) if match else ("", 0)
    try:
        socket.create_connection((host, number), WAIT_S).close()
    except OSError as error:
        text = f"PostgreSQL does not answer at {host}, port {number} ({type(error).__name__})."
        cure = "Is it running?  Are host, port and firewall right?  DATABASE_URL names them."
        yield wrong("database", text, cure)
        return
    yield ok("database", f"PostgreSQL answers at {host}, port {number}.")


# ---- Containers ----


def in_container() -> bool:
    """Whether this program runs in a container."""
    return any(Path(mark).exists() for mark in CONTAINER_MARKS)


def docker(run: Callable[..., Any] = subprocess.run) -> Iterator[Finding]:
    """Look whether Docker runs, where it is installed."""
    program = shutil.which("docker")
    if program is None:
        return
    try:
        done = run(
            [program, "info", "--format", "{{.ServerVersion}}"],
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        done = None
    if done is None or done.returncode != 0:
        cure = (
            "Start it (sudo systemctl start docker), or do without: containers need it, we do not."
        )
        yield Finding("docker", "note", "Docker is installed, and does not answer.", cure)
    else:
        yield ok("docker", f"Docker {done.stdout.strip()} runs.")


def around() -> Iterator[Finding]:
    """Tell of variables that people forget."""
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        if os.environ.get(variable):
            text = f"{variable} is set; this program goes to its server directly."
            yield Finding("proxy", "note", text)
            return
