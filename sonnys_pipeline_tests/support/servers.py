"""Real PostgreSQL, Redis and S3 servers for the tests, on loopback, gone when the tests are.

The first two are Debian's packages; S3 is moto's server, from the package registry, which keeps objects in memory.

Where a program is missing its tests are skipped, with one line at the end of the run that names the package. `CI=true`
makes an error of it, so that CI cannot pass without these tests. PostgreSQL refuses to run as root:
under root both servers run as `nobody`, in a folder of their own.
"""

import os
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import NoReturn, Self

import pytest
import requests

#: Seconds until a server counts as stuck; two orders above what it takes.
STUCK = 60.0
#: Whether a missing program is an error, as on machines that are to run every test.
IS_CI = os.environ.get("CI", "").lower() not in {"", "0", "false"}
#: Stands in every URL that the fixtures give out, so that tests can look for it where it must not stand.
PASSWORD = "server-password-4711"


class Server:
    """A server's process on a port of its own; it keeps port and data when it is killed and started again.

    Attributes:
        environment: of the process; left out, ours.
    """

    environment: Mapping[str, str] | None = None
    _runs_as_nobody = True

    def __init__(self, command: Callable[[int, Path], Sequence[str]], stop_with: signal.Signals) -> None:
        """Choose port and folder; `command` says what is run there."""
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="sonnys-tests-"))
        if self._runs_as_nobody:
            own_by_nobody(self.folder)
        self._command = command
        self._stop_with = stop_with
        self._process: subprocess.Popen[bytes] | None = None
        # Whoever starts it has to live as long as it does: a process dies with the thread that started it, see below.
        self._starter = ThreadPoolExecutor(1, "server")

    def start(self) -> None:
        """Run it, and wait until it listens."""
        with (self.folder / "log").open("ab") as log:
            command = self._command(self.port, self.folder)
            command = unprivileged(command) if self._runs_as_nobody else dying(command)
            started = self._starter.submit(
                subprocess.Popen,
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=self.environment,
            )
            self._process = started.result()
        deadline = time.monotonic() + STUCK
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{command} does not listen:\n{(self.folder / 'log').read_text()[-3000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End it at once, all connections with it; nothing is tidied up, what it has acknowledged is on its disk."""
        if self._process is not None:
            self._process.send_signal(self._stop_with)
            self._process.wait(STUCK)
            self._process = None

    @contextmanager
    def to_be_killed(self) -> Iterator[Self]:
        """For a test that kills it: it runs again afterwards."""
        try:
            yield self
        finally:
            if self._process is None:
                self.start()

    def remove(self) -> None:
        """End it and delete its folder."""
        self.kill()
        self._starter.shutdown()
        shutil.rmtree(self.folder)


class PostgresServer(Server):
    """PostgreSQL with one user, `postgres`, and a database for each test that asks."""

    def __init__(self) -> None:
        """Make a cluster, and start it."""
        postgres = program("postgres", "postgresql", *sorted(Path("/usr/lib/postgresql").glob("*/bin")))
        self._bin = Path(postgres).resolve().parent  # where initdb lies, too
        # SIGQUIT is an immediate shutdown: as a crash, but the processes of all connections end with it.
        super().__init__(self._run, signal.SIGQUIT)
        password = self.folder / "password"
        password.write_text(PASSWORD)
        own_by_nobody(password)
        make = [str(self._bin / "initdb"), "--pgdata", str(self.folder / "data"), "--username", "postgres"]
        make += [
            "--auth",
            "scram-sha-256",
            "--pwfile",
            str(password),
            "--no-sync",
            "--encoding",
            "UTF8",
            "--locale",
            "C",
        ]
        subprocess.run(unprivileged(make), check=True, capture_output=True, cwd="/")
        self.start()

    def _run(self, port: int, folder: Path) -> list[str]:
        settings = {
            "port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off",
            "shared_buffers": "16MB", "max_connections": 80,
        }  # fmt: skip
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self._bin / "postgres"), "-D", str(folder / "data"), *options]

    def new_database(self) -> str:
        """The URL of an empty database."""
        import psycopg

        name = f"test_{secrets.token_hex(6)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type] # a name of ours
        return self.url(name)

    def start(self) -> None:
        """Run it, and wait until it takes connections."""
        import psycopg

        super().start()
        deadline = time.monotonic() + STUCK
        while True:  # it listens before it has recovered
            with suppress(psycopg.OperationalError), psycopg.connect(self.url("postgres")):
                return
            assert time.monotonic() < deadline, (self.folder / "log").read_text()[-3000:]
            time.sleep(0.05)

    def url(self, database: str) -> str:
        """The URL of a database."""
        return f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self.port}/{database}"


class RedisServer(Server):
    """Redis with a password, which keeps nothing on disk: killed, it has forgotten everything."""

    def __init__(self) -> None:
        """Start it."""
        self._program = program("redis-server", "redis-server")
        super().__init__(self._run, signal.SIGKILL)
        self.start()

    def _run(self, port: int, folder: Path) -> list[str]:
        options = ["--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--requirepass", PASSWORD]
        return [self._program, "--port", str(port), *options]

    @property
    def url(self) -> str:
        """The URL of its first database."""
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def flush(self) -> None:
        """Forget everything."""
        import redis

        with redis.Redis.from_url(self.url) as client:
            client.flushall()


class S3Server(Server):
    """S3 as moto serves it, which keeps objects in memory: killed, it has forgotten everything.

    A process of the tests' own interpreter, so it runs as they do.
    """

    _runs_as_nobody = False

    def __init__(self, **environment: str) -> None:
        """Start it, with these variables beside ours."""
        self.environment = {**os.environ, **environment}
        super().__init__(self._run, signal.SIGKILL)
        self.start()

    def _run(self, port: int, folder: Path) -> list[str]:
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]

    @property
    def settings(self) -> dict[str, str]:
        """The variables with which any S3 client of ours uses it."""
        return s3_settings(self.port)

    def new_bucket(self) -> str:
        """The URL of an empty bucket."""
        name = f"test-{secrets.token_hex(6)}"
        made = requests.put(f"http://127.0.0.1:{self.port}/{name}", headers=_AS_TESTER, timeout=STUCK)
        assert made.status_code == requests.codes.ok, made.text
        return f"s3://{name}"

    def copied_bucket(self, bucket: str) -> str:
        """The URL of a new bucket with the same objects."""
        source, copy = f"http://127.0.0.1:{self.port}/{bucket.removeprefix('s3://')}", self.new_bucket()
        with requests.Session() as session:
            session.headers.update(_AS_TESTER)
            for key in re.findall("<Key>(.+?)</Key>", session.get(f"{source}?list-type=2", timeout=STUCK).text):
                made = session.put(
                    f"http://127.0.0.1:{self.port}/{copy.removeprefix('s3://')}/{key}",
                    headers={"x-amz-copy-source": f"/{bucket.removeprefix('s3://')}/{key}"},
                    timeout=STUCK,
                )
                assert made.status_code == requests.codes.ok, made.text
        return copy

    def hang(self) -> None:
        """Answer nothing, and refuse nothing, until `go_on`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Answer what has come meanwhile."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


#: moto tells accounts apart by these, and does not look at the signature.
_AS_TESTER = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=tester/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, "
    "Signature=0"
}


def s3_settings(port: int) -> dict[str, str]:
    """The variables with which any S3 client of ours uses a server on this port of loopback."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": PASSWORD,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def program(name: str, package: str, *folders: Path) -> str:
    """A server's program; where there is none, see `do_without`."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *map(str, folders), "/usr/sbin"])
    found = shutil.which(name, path=path)
    if found:
        return found
    return do_without(name, package)


def do_without(name: str, package: str) -> NoReturn:
    """Skip whatever needs a program that is missing, and say which package brings it; under CI, fail."""
    if IS_CI:
        pytest.fail(f"no {name}, and CI leaves no test out: apt-get install {package} (.ci/packages does it)")
    pytest.skip(f"no {name} on this machine: the tests that need it are left out (apt-get install {package})")


def dying(command: Sequence[str]) -> list[str]:
    """The command, which dies with the tests, even if those are killed."""
    return ["setpriv", "--pdeathsig", "KILL", *command]


def unprivileged(command: Sequence[str]) -> list[str]:
    """The command as `nobody`, if we are root; it dies with the tests, even if those are killed."""
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", *command]
    return dying(command)


def own_by_nobody(path: Path) -> None:
    """Give a path to whom the servers run as."""
    if os.geteuid() == 0:
        shutil.chown(path, "nobody", "nogroup")


def free_port() -> int:
    """A port that nobody listens on, below those that systems hand out: it stays free while a server is down."""
    for port in random.sample(range(20_000, 30_000), 100):
        with socket.socket() as free, suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server for all tests of this process; a test that kills it starts it again."""
    server = PostgresServer()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis server for all tests of this process; a test that kills it starts it again."""
    server = RedisServer()
    yield server
    server.remove()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """An empty database."""
    return postgres_server.new_database()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """An empty Redis."""
    redis_server.flush()
    return redis_server.url


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """An S3 server for all tests of this process, whose clients read what botocore knows of S3 once: 1 MB of JSON."""
    from botocore.loaders import JSONFileLoader

    load = cache(JSONFileLoader().load_file)
    server = S3Server()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: load(path))
        yield server
    server.remove()


@pytest.fixture
def s3_url(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty bucket, in an environment in which it can be used."""
    for name, value in s3_server.settings.items():
        monkeypatch.setenv(name, value)
    yield s3_server.new_bucket()
    forget_s3_clients()


def forget_s3_clients() -> None:
    """Let the next one look at the environment; connected ones are shared within a process."""
    from s3fs import S3FileSystem

    S3FileSystem.clear_instance_cache()
