"""The files under deploy/ do what their guides say, as far as that can be seen without Docker.

A check takes the text of one file and returns a sentence for each thing that is wrong with it;
small bad files show that each can fail.  Linters of others are run where the machine has them;
deploy/rehearse.sh takes the image's steps for real.
"""

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from alcove.server.settings import Settings
from alcove.server.settings_sources import find_setting
from tests.deploy.certificate import make_certificate

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def script(path: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run one of our scripts and return what it did."""
    environment = {"PATH": os.environ["PATH"], **variables}
    command = [str(DEPLOY / path), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


# ---- The image ----

Instruction = tuple[str, str]


def instructions(dockerfile: str) -> list[Instruction]:
    """Return what a Dockerfile says: each instruction's name and its arguments on one line."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines) + "\n")
    parts = [line.partition(" ") for line in joined.splitlines() if line.strip()]
    return [(name, " ".join(arguments.split())) for name, _, arguments in parts]


def arguments_of(name: str, said: list[Instruction]) -> list[str]:
    return [arguments for one, arguments in said if one == name]


def shell_commands(said: list[Instruction]) -> list[str]:
    """Return the commands that are run while the image is built."""
    return [part.strip() for run in arguments_of("RUN", said) for part in run.split("&&")]


def image_faults(dockerfile: str) -> list[str]:
    """Return what would make an image that nobody should run."""
    said = instructions(dockerfile)
    faults = []
    for base in arguments_of("FROM", said):
        _, _, tag = base.split()[0].partition(":")
        if not tag or tag.startswith("latest"):
            faults.append(f"a base that changes under us: {base}")
    user = (["root", *arguments_of("USER", said)])[-1]
    if user.partition(":")[0] in ("root", "0"):
        faults.append("it runs as root")
    faults += [
        f"a secret in a layer: {arguments}"
        for arguments in arguments_of("ENV", said) + arguments_of("ARG", said)
        if re.search(r"(?i)(password|secret|token|_key)\w*=", arguments)
    ]
    for command in shell_commands(said):
        if re.search(r"\bpip\b.* (install|wheel|download)\b", command):
            is_pinned = "--require-hashes" in command and "--only-binary :all:" in command
            if not (is_pinned or "--no-index" in command):
                faults.append(f"not checked by a hash: {command}")
        if re.match(r"(curl|wget)\b", command):
            faults.append(f"fetched unchecked: {command}")
    faults += [f"unpacks or fetches on its own: ADD {what}" for what in arguments_of("ADD", said)]
    faults += [f"there is no {name}" for name in NEEDED if not arguments_of(name, said)]
    return faults


NEEDED = ("WORKDIR", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "CMD")


def copied(said: list[Instruction]) -> list[str]:
    """Return the paths of ours that go into the image."""
    copies = [arguments.split() for arguments in arguments_of("COPY", said)]
    return [path for words in copies if not words[0].startswith("--") for path in words[:-1]]


def let_in(dockerignore: str) -> list[str]:
    """Return what a .dockerignore that refuses everything else lets in."""
    lines = [line for line in dockerignore.splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    return [line[1:] for line in lines if line.startswith("!")]


def test_the_image_is_pinned_hashed_and_not_run_by_root() -> None:
    assert image_faults(read("deploy/Dockerfile")) == []


def test_the_image_keeps_to_the_words_that_hosts_know() -> None:
    said = instructions(read("deploy/Dockerfile"))
    assert arguments_of("FROM", said)[-1].startswith("python:3.11-slim")
    assert arguments_of("WORKDIR", said)[-1] == "/app"
    assert arguments_of("VOLUME", said) == ['["/app/data"]']
    assert arguments_of("EXPOSE", said) == [str(Settings().port)]
    assert arguments_of("CMD", said) == [
        '["alcove", "serve", "--host", "0.0.0.0", "--behind-proxy"]'
    ]


def test_docker_is_given_what_the_image_copies_and_nothing_else() -> None:
    wanted = copied(instructions(read("deploy/Dockerfile")))
    assert sorted(wanted) == sorted(let_in(read(".dockerignore")))
    assert [path for path in wanted if not (ROOT / path).exists()] == []


def test_the_rehearsal_takes_the_steps_of_the_image() -> None:
    said = instructions(read("deploy/Dockerfile"))
    steps = [step for step in shell_commands(said) if step.startswith("python -m")]
    rehearsed = re.findall(r"^python -m .*$", read("deploy/rehearse.sh"), re.MULTILINE)
    assert len(steps) == 5
    assert rehearsed == steps


BUILT = """\
FROM python:3.11-slim
RUN pip install --only-binary :all: --require-hashes -r a.txt \\
    # A comment in between.
    && pip install --no-index a
WORKDIR /app
VOLUME ["/app/data"]
EXPOSE 8888
USER 1:1
STOPSIGNAL SIGTERM
HEALTHCHECK CMD true
CMD ["a"]
"""


@pytest.mark.parametrize(
    ("good", "bad", "fault"),
    [
        ("python:3.11-slim", "python", "a base that changes under us: python"),
        ("python:3.11-slim", "python:latest", "a base that changes under us: python:latest"),
        ("USER 1:1\n", "", "it runs as root"),
        ("USER 1:1", "USER 1\nUSER 0:0", "it runs as root"),
        ("WORKDIR", "ENV A_PASSWORD=b\nWORKDIR", "a secret in a layer: A_PASSWORD=b"),
        (
            " --require-hashes",
            "",
            "not checked by a hash: pip install --only-binary :all: -r a.txt",
        ),
        (" --no-index", "", "not checked by a hash: pip install a"),
        ("&& pip", "&& curl a && pip", "fetched unchecked: curl a"),
        ("WORKDIR", "ADD a b\nWORKDIR", "unpacks or fetches on its own: ADD a b"),
        ("HEALTHCHECK CMD true\n", "", "there is no HEALTHCHECK"),
    ],
)
def test_a_bad_image_is_found(good: str, bad: str, fault: str) -> None:
    assert image_faults(BUILT) == []
    assert good in BUILT
    assert image_faults(BUILT.replace(good, bad)) == [fault]


# ---- What is installed in it ----


def pins(lock: str) -> dict[str, frozenset[str]]:
    """Return the name and version of everything that a lock file pins, and its hashes."""
    blocks = re.findall(r"^(\S+==\S+)(.*\n(?:    .*\n)*)", lock, re.MULTILINE)
    return {name: frozenset(re.findall(r"--hash=(\S+)", rest)) for name, rest in blocks}


def names(requirements: str) -> list[str]:
    lines = [line.split("#")[0].strip() for line in requirements.splitlines()]
    return [re.split(r"[<>=;\s]", line)[0] for line in lines if line]


@pytest.mark.parametrize("lock", ["deploy/build.txt", "deploy/postgres.txt"])
def test_the_image_has_the_versions_that_the_tests_run_with(lock: str) -> None:
    ours, tested = pins(read(lock)), pins(read("requirements/dev.txt"))
    assert ours
    assert {name: hashes for name, hashes in ours.items() if tested.get(name) != hashes} == {}
    assert all(ours.values())


def test_the_image_has_what_the_project_asks_for() -> None:
    project = read("pyproject.toml")
    extra = re.search(r"^postgres = \[\"(.+)\"\]", project, re.MULTILINE)
    build = re.search(r"^requires = \[\"(.+)\"\]", project, re.MULTILINE)
    assert extra
    assert build
    assert names(extra.group(1)) == names(read("deploy/postgres.in"))
    assert names(build.group(1)) == names(read("deploy/build.in"))


# ---- Is it ready? ----


class Answer(BaseHTTPRequestHandler):
    """Answers every question with the status that its server was given."""

    def do_GET(self) -> None:
        assert isinstance(self.server, Answering)
        self.send_response(self.server.code if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Answering(ThreadingHTTPServer):
    code = 200

    def handle_error(self, *_: object) -> None:
        """Be silent about who asks a TLS server in plain text: that is expected here."""


@contextmanager
def answering(code: int, certificate: Path | None = None) -> Iterator[str]:
    """Run a server that answers with this status, and yield its port."""
    with Answering(("127.0.0.1", 0), Answer) as server:
        server.code = code
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield str(server.server_port)
        finally:
            server.shutdown()
            thread.join()


def test_a_server_that_says_so_is_ready() -> None:
    with answering(200) as port:
        assert script("health.py", ALCOVE_PORT=port).returncode == 0


def test_a_server_with_a_certificate_of_its_own_is_ready(tmp_path: Path) -> None:
    with answering(200, make_certificate(tmp_path)) as port:
        assert script("health.py", ALCOVE_PORT=port).returncode == 0


def test_a_server_that_says_otherwise_is_not_ready() -> None:
    with answering(503) as port:
        done = script("health.py", ALCOVE_PORT=port)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


def test_where_nobody_answers_nobody_is_ready() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # Bound, but nobody listens.
        done = script("health.py", ALCOVE_PORT=str(taken.getsockname()[1]))
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


def test_the_health_check_asks_on_the_port_of_the_server() -> None:
    assert f"PORT_DEFAULT = {Settings().port}\n" in read("deploy/health.py")


# ---- Docker Compose ----


def compose() -> Any:
    return yaml.safe_load(read("deploy/compose.yaml"))


def test_no_password_has_a_default() -> None:
    text = re.sub(r"#.*", "", read("deploy/compose.yaml"))
    variables = re.findall(r"\$\{?(\w+)(\S*?)[\s}]", text)
    assert sorted({name for name, _ in variables}) == ["ALCOVE_DOMAIN", "POSTGRES_PASSWORD"]
    assert [how for _, how in variables if not how.startswith(":?")] == []


def test_only_the_proxy_can_be_reached_from_outside() -> None:
    services = compose()["services"]
    assert [name for name in services if "ports" in services[name]] == ["caddy"]
    assert (
        compose()["networks"]["inside"] == compose()["networks"]["database"] == {"internal": True}
    )
    assert services["alcove"]["networks"] == ["inside", "database"]
    assert services["database"]["networks"] == ["database"]


def test_only_the_proxy_reaches_the_server() -> None:
    """Who can reach it could claim any address: it believes X-Forwarded-For."""
    services = compose()["services"]
    inside = [name for name in services if "inside" in services[name]["networks"]]
    assert inside == ["alcove", "caddy"]


def test_every_container_is_limited_and_what_is_kept_is_in_a_volume() -> None:
    whole = compose()
    for name, service in whole["services"].items():
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["restart"] == "unless-stopped", name
        assert not service.get("privileged", False), name
        image, _, tag = service["image"].partition(":")
        assert image
        assert tag not in ("", "latest"), name
        named = [volume.partition(":")[0] for volume in service["volumes"]]
        assert [one for one in named if one[0] != "." and one not in whole["volumes"]] == []
    assert whole["services"]["alcove"]["volumes"] == ["alcove-data:/app/data"]


def test_compose_sets_only_what_can_be_set() -> None:
    environment = compose()["services"]["alcove"]["environment"]
    assert [name for name in environment if find_setting(name) is None] == []
    assert sorted(environment) == ["ALCOVE_DATABASE_URL", "ALCOVE_PUBLIC_URL"]


def test_there_are_two_clients_and_they_start_only_when_asked_for() -> None:
    services = compose()["services"]
    assert [name for name in services if "profiles" in services[name]] == ["client-1", "client-2"]
    assert services["client-1"]["volumes"] != services["client-2"]["volumes"]


def test_the_server_is_given_the_time_that_a_stop_takes() -> None:
    seconds = int(compose()["services"]["alcove"]["stop_grace_period"].removesuffix("s"))
    unit = dict(unit_lines(read("deploy/alcove.service")))
    assert seconds >= 2 * Settings().drain_timeout_s
    assert int(unit["TimeoutStopSec"]) == seconds


def test_a_new_password_is_made_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        file = tmp_path / name
        done = script("make-env.sh", "chat.example.org", ENV_FILE=str(file))
        assert done.returncode == 0
        assert file.stat().st_mode & 0o777 == 0o600
        made.append(file.read_text(encoding="utf-8"))
        first, second = made[-1].splitlines()
        assert first == "ALCOVE_DOMAIN=chat.example.org"
        assert re.fullmatch(r"POSTGRES_PASSWORD=[0-9a-f]{48}", second)
        assert second.partition("=")[2] not in done.stdout + done.stderr
    assert made[0] != made[1]


def test_a_password_that_is_there_stays(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("mine", encoding="utf-8")
    done = script("make-env.sh", "chat.example.org", ENV_FILE=str(file))
    assert done.returncode == 1
    assert "is there already" in done.stderr
    assert file.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("domain", ["", "a b", "https://a.example", ".a", "a-", "a\nB=c", "$(a)"])
def test_what_is_no_name_makes_no_file(tmp_path: Path, domain: str) -> None:
    done = script("make-env.sh", domain, ENV_FILE=str(tmp_path / "env"))
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_passwords_stay_out_of_the_repository_and_out_of_the_image() -> None:
    assert ".env" in read("deploy/.gitignore").splitlines()
    allowed = let_in(read(".dockerignore"))
    assert [path for path in allowed if fnmatch("deploy/.env", path) or path == "deploy"] == []


# ---- Caddy and systemd ----


def test_the_proxy_keeps_the_figures_from_the_world_and_no_log() -> None:
    text = re.sub(r"(?m)^\s*#.*$", "", read("deploy/Caddyfile"))
    assert re.search(r"@figures path /metrics /metrics/\*\n\s*respond @figures 404\n", text)
    assert f"reverse_proxy {{$ALCOVE_UPSTREAM:127.0.0.1:{Settings().port}}}" in text
    assert re.search(r"^\s*(log|trusted_proxies|tls)\b", text, re.MULTILINE) is None


def unit_lines(text: str) -> list[tuple[str, str]]:
    """Return the settings of a systemd unit, in order."""
    lines = [line for line in text.splitlines() if line and line[0] not in "#["]
    return [(name, value) for name, _, value in (line.partition("=") for line in lines)]


HARDENED = {
    "User": "alcove",
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "CapabilityBoundingSet": "",
    "StateDirectory": "alcove",
    "StateDirectoryMode": "0700",
    "UMask": "0077",
}


def test_the_service_may_write_to_its_data_and_nowhere_else() -> None:
    lines = unit_lines(read("deploy/alcove.service"))
    unit = dict(lines)
    assert {name: unit.get(name) for name in HARDENED} == HARDENED
    assert [name for name, _ in lines if name in ("ReadWritePaths", "AmbientCapabilities")] == []
    assert "--data /var/lib/alcove" in unit["ExecStart"]


# ---- Figures ----


def test_prometheus_asks_the_server_itself_and_shows_its_token() -> None:
    [job] = yaml.safe_load(read("deploy/prometheus.yml"))["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"127.0.0.1:{Settings().port}"]}]
    assert list(job["authorization"]) == ["credentials_file"]


def test_the_dashboard_draws_figures_that_there_are() -> None:
    counted = re.findall(r'"(alcove_\w+)"', read("src/alcove/server/io/figures.py"))
    panels = json.loads(read("deploy/grafana.json"))["panels"]
    drawn = [
        re.sub(r"_(total|bucket|sum|count)$", "", name)
        for panel in panels
        for target in panel["targets"]
        for name in re.findall(r"alcove_\w+", target["expr"])
    ]
    assert len(drawn) > len(panels)
    assert [name for name in drawn if name not in counted] == []


# ---- The linters of others, where they are ----


def unit_to_verify(folder: Path) -> str:
    """Return a copy of the unit whose program exists: systemd looks for it."""
    file = folder / "alcove.service"
    text = read("deploy/alcove.service").replace("/opt/alcove/bin/alcove", sys.executable)
    file.write_text(text, encoding="utf-8")
    return str(file)


LINTERS = [
    "hadolint deploy/Dockerfile",
    "caddy validate --adapter caddyfile --config deploy/Caddyfile",
    "docker-compose --file deploy/compose.yaml --profile clients config --quiet",
    "systemd-analyze verify UNIT",
    "systemd-analyze security --offline=true --threshold=20 UNIT",
    "promtool check config --syntax-only deploy/prometheus.yml",
    "shellcheck deploy/make-env.sh deploy/rehearse.sh",
]


@pytest.mark.parametrize("linter", LINTERS)
def test_linters_find_nothing(linter: str, tmp_path: Path) -> None:
    command = linter.replace("UNIT", unit_to_verify(tmp_path)).split()
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not on this machine")
    environment = {"ALCOVE_DOMAIN": "chat.example.org", "POSTGRES_PASSWORD": "00"}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# ---- For real ----


@pytest.mark.slow
def test_the_steps_of_the_image_lead_to_a_server_that_starts_and_stops() -> None:
    done = script("rehearse.sh", **{**os.environ, "PYTHON": sys.executable})
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("== The rehearsal went well\n")
