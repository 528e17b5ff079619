"""DG-04: what `deploy/` and its guide name is there: commands, modules, files, variables, keys, versions.

No container engine and no cluster is needed; `systemd-analyze`, where there is one, reads the units as systemd does.
"""

import configparser
import importlib
import importlib.util
import logging
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from dagster._cli import create_dagster_cli
from dagster._config import validate_config
from dagster._core.instance.config import dagster_instance_config_schema

from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.orchestration.services import daemon, web
from sonnys_pipeline.orchestration.services.ui import CODE_LOCATION

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
GUIDE = ROOT / "docs" / "many-workers.md"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
COMMON = DEPLOY / "systemd" / "sonnys-.service.d" / "common.conf"
INSTANCES = [DEPLOY / "dagster.yaml", DEPLOY / "dagster-postgres.yaml", DEPLOY / "celery" / "dagster.yaml"]
DOCKERFILE = (DEPLOY / "container" / "Dockerfile").read_text()
KNOWN = {f"SONNYS_{name.upper()}" for name in Settings.model_fields}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
#: Verbs of ours and of Dagster's, to be parsed by themselves; Celery's are looked at below.
PROGRAMS: dict[str, click.Command] = {
    "dagster": create_dagster_cli(),
    "sonnys-webserver": web.command(),
    "sonnys-daemon": daemon.command(),
}


def loaded(path: Path) -> dict[str, Any]:
    """A YAML file."""
    return yaml.safe_load(path.read_text())


def compose() -> dict[str, Any]:
    """The services of the compose file, by name."""
    return loaded(DEPLOY / "container" / "compose.yaml")["services"]


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command line of ours in `deploy/` and in the guide, each with where it stands."""
    for line in re.findall(r"^(?:dagster|sonnys|celery).*$", GUIDE.read_text(), re.MULTILINE):
        yield GUIDE.name, shlex.split(line)
    for unit in UNITS:
        yield unit.name, shlex.split(section(unit, "Service")["execstart"])
    for name, service in compose().items():
        if service["image"] == "sonnys-pipeline":
            yield name, service["command"]
    for words in re.findall(r"CMD (\[.*\])", DOCKERFILE):
        yield "Dockerfile", yaml.safe_load(words)


def section(unit: Path, name: str) -> dict[str, str]:
    """A section of a unit; a directive that stands there several times has all its values in one."""

    class Several(dict):  # type: ignore[type-arg]
        def __setitem__(self, key, value):
            super().__setitem__(key, self[key] + value if isinstance(value, list) and key in self else value)

    parser = configparser.ConfigParser(dict_type=Several, strict=False, interpolation=None)
    parser.read(unit)
    return {key: " ".join(value.split("\n")) for key, value in parser[name].items()}


@pytest.mark.parametrize(
    ("where", "words"), list(commands()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_commands_are_commands(where, words):
    """The program comes with a dependency, its options are understood, the modules that it names are there."""
    program = Path(words[0]).name
    assert (Path(sys.executable).parent / program).exists(), where
    for module in (word for word in words if word.startswith("sonnys_pipeline.")):
        assert importlib.util.find_spec(module) is not None, words
    if program in PROGRAMS:
        command, rest = PROGRAMS[program], words[1:]
        while isinstance(command, click.Group) and rest and rest[0] in command.commands:
            command, rest = command.commands[rest[0]], rest[1:]
        command.make_parser(click.Context(command)).parse_args(list(rest))
    else:
        assert words[1:4] == ["-A", "sonnys_pipeline.orchestration.worker", "worker"]


@pytest.mark.parametrize("path", INSTANCES, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_instances_are_what_dagster_understands(path):
    """Every key is known, every value of its kind; there are no passwords."""
    config = loaded(path)
    schema = dagster_instance_config_schema()

    for key, value in config.items():
        assert key in schema, key
        found = validate_config(schema[key].config_type, value)
        assert found.success, found.errors
    assert config["telemetry"] == {"enabled": False}
    assert config["run_monitoring"]["enabled"] is True
    assert "password: " not in re.sub(r"password:\s*\n\s*env:", "", path.read_text())


def test_the_instance_for_workers_names_a_launcher():
    """Its configuration is understood; lost runs are looked for more often than they are lost, and queued ones wait."""
    config = loaded(DEPLOY / "celery" / "dagster.yaml")
    named = config["run_launcher"]
    launcher = getattr(importlib.import_module(named["module"]), named["class"])

    assert validate_config(launcher.config_type(), named["config"]).success
    assert config["run_monitoring"]["poll_interval_seconds"] <= named["config"]["silence_seconds"]
    assert config["run_monitoring"]["start_timeout_seconds"] >= 3600
    assert config["run_retries"] == {"enabled": True, "max_retries": 2, "retry_on_asset_or_op_failure": False}


def test_the_guide_has_every_process_and_leads_somewhere():
    """Code server, web server, daemon and worker are started; each link names a file or folder of this checkout."""
    started = {Path(words[0]).name for where, words in commands() if where == GUIDE.name}
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", GUIDE.read_text())

    assert started == {"dagster", "sonnys-webserver", "sonnys-daemon", "celery"}
    assert len(links) >= 5
    assert [link for link in links if not (GUIDE.parent / link).exists()] == []


def variables(path: Path) -> set[str]:
    """Variables of ours that a file names."""
    return set(re.findall(r"\bSONNYS_\w+", path.read_text()))


@pytest.mark.parametrize(
    "path",
    [GUIDE, *sorted(path for path in DEPLOY.rglob("*") if path.is_file())],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_variables_exist(path):
    """A variable that nothing reads would be a setting that does not work; no file knows a password."""
    assert variables(path) <= KNOWN
    for value in re.findall(r"(?:PASSWORD|API_KEY|PII_KEY)[\"']?[=:](?!\?)\s*(\S+)", path.read_text()):
        assert value.startswith(("${", "…")), value


def test_all_processes_of_a_deployment_share_their_stores():
    """Ledger, budget, broker and Dagster's storage are the same for every service, and all of them are named."""
    stores = {"SONNYS_LEDGER_URL", "SONNYS_BUDGET_URL", "SONNYS_CELERY_BROKER_URL"}
    asked = set(re.findall(r"DAGSTER_POSTGRES_\w+", (DEPLOY / "celery" / "dagster.yaml").read_text()))
    ours = {name: service for name, service in compose().items() if service["image"] == "sonnys-pipeline"}

    assert set(ours) == {"code", "webserver", "daemon", "worker"}
    for service in ours.values():
        assert stores | asked == set(service["environment"])
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    assert {tuple(sorted(service["environment"].items())) for service in ours.values()} == {
        tuple(sorted(ours["code"]["environment"].items()))
    }


def test_only_the_web_server_is_reached_from_outside_and_only_from_this_machine():
    """It has no password: whoever reaches it may launch runs."""
    published = {name: service["ports"] for name, service in compose().items() if "ports" in service}

    assert published == {"webserver": ["127.0.0.1:3000:3000"]}
    assert "--host 127.0.0.1" in section(DEPLOY / "systemd" / "sonnys-webserver.service", "Service")["execstart"]
    assert "--host 127.0.0.1" in section(DEPLOY / "systemd" / "sonnys-code.service", "Service")["execstart"]


def test_every_volume_and_dependency_of_the_compose_file_is_one_of_it():
    """Nothing is named that is not there; whoever waits for health, waits for one that is looked after."""
    whole = loaded(DEPLOY / "container" / "compose.yaml")
    for name, service in whole["services"].items():
        for volume in service.get("volumes", ()):
            assert volume.partition(":")[0] in whole["volumes"], name
        for other in service.get("depends_on", {}):
            assert "healthcheck" in whole["services"][other] or other == "code", name  # code's stands in the image


@pytest.mark.parametrize(("folder", "port"), [("systemd", 4000), ("container", 4000)])
def test_the_workspace_is_where_the_code_server_listens(folder, port):
    """Host and port of the one, and of the other."""
    (found,) = loaded(DEPLOY / folder / "workspace.yaml")["load_from"]
    words = dict(commands())["sonnys-code.service" if folder == "systemd" else "code"]

    assert found["grpc_server"]["port"] == int(words[words.index("--port") + 1]) == port
    assert found["grpc_server"]["host"] in {"127.0.0.1", *compose()}


def test_what_the_image_is_made_of_is_in_the_checkout_and_in_its_context():
    """Each source of a COPY exists, and is not kept out; nothing else comes in."""
    sources = []
    for line in re.findall(r"^COPY (.*)$", DOCKERFILE, re.MULTILINE):
        *found, _ = [word for word in line.split() if not word.startswith("--")]
        sources += [] if "--from=build" in line else found
    let_in = (DEPLOY / "container" / "Dockerfile.dockerignore").read_text().splitlines()

    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert {line.removeprefix("!") for line in let_in if line.startswith("!")} == set(sources)
    assert "*" in let_in


def test_the_image_installs_extras_that_exist_pinned_and_runs_as_nobody_special():
    """Extras of pyproject.toml, versions of constraints.txt, a user that is a number and not root."""
    extras = re.search(r"^ARG EXTRAS=(\S+)$", DOCKERFILE, re.MULTILINE)[1].split(",")

    assert set(extras) <= set(PROJECT["optional-dependencies"])
    assert {"celery", "postgres"} <= set(extras)
    assert "--constraint constraints.txt" in DOCKERFILE
    assert re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]
    assert f"FROM python:{sys.version_info.major}.11-" in DOCKERFILE
    assert PROJECT["requires-python"] == ">=3.11"


def helm() -> dict[str, Any]:
    """The chart's values."""
    return loaded(DEPLOY / "helm" / "values.yaml")


def test_the_chart_is_that_of_dagsters_version():
    """The line that a reader copies names the version of constraints.txt; all services run one image."""
    pinned = re.search(r"^dagster==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)[1]

    assert f"--version {pinned} " in (DEPLOY / "helm" / "values.yaml").read_text()
    images = [helm()[part]["image"] for part in ("dagsterWebserver", "dagsterDaemon")]
    images.append(helm()["dagster-user-deployments"]["deployments"][0]["image"])
    assert len({(image["repository"], image["tag"]) for image in images}) == 1
    assert "k8s" in re.search(r"^ARG EXTRAS=(\S+)$", DOCKERFILE, re.MULTILINE)[1]


@pytest.fixture
def pod_launcher():
    """Dagster's launcher of pods; its import silences urllib3's logger, which other tests of this process listen to."""
    logger = logging.getLogger("urllib3")
    level = logger.level
    module = importlib.import_module("dagster_k8s.launcher")
    logger.setLevel(level)
    return module.K8sRunLauncher


def test_the_chart_is_told_what_dagster_understands(pod_launcher):
    """What becomes `dagster.yaml` in the cluster: monitoring, retries, the launcher of pods."""
    values, schema = helm(), dagster_instance_config_schema()
    monitoring = {
        re.sub(r"(?=[A-Z])", "_", key).lower(): value
        for key, value in values["dagsterDaemon"]["runMonitoring"].items()
    }  # fmt: skip
    launcher = values["runLauncher"]["config"]["k8sRunLauncher"]
    pods = {re.sub(r"(?=[A-Z])", "_", key).lower(): value for key, value in launcher["runK8sConfig"].items()}

    for key, value in {"run_monitoring": monitoring, **values["additionalInstanceConfig"]}.items():
        assert validate_config(schema[key].config_type, value).success, key
    assert values["runLauncher"]["type"] == pod_launcher.__name__
    found = validate_config(
        pod_launcher.config_type(),
        {
            "service_account_name": "sonnys", "instance_config_map": "sonnys", "dagster_home": "/opt/dagster",
            "image_pull_policy": launcher["imagePullPolicy"], "run_k8s_config": pods,
        },
    )  # fmt: skip
    assert found.success, found.errors


def test_secrets_of_the_cluster_come_from_secrets():
    """No variable with a password or a key stands in the values; those of personal account and stores are secrets."""
    deployment = helm()["dagster-user-deployments"]["deployments"][0]

    secret = {f"SONNYS_{name.upper()}" for name, kind in Settings.__annotations__.items() if "SecretStr" in str(kind)}

    assert {"SONNYS_API_KEY", "SONNYS_LEDGER_URL", "SONNYS_PII_KEY", "SONNYS_CELERY_BROKER_URL"} <= secret
    assert {variable["name"] for variable in deployment["env"]} <= KNOWN - secret
    assert {secret["name"] for secret in deployment["envSecrets"]} == {"sonnys-credentials", "sonnys-stores"}
    assert deployment["includeConfigInLaunchedRuns"] == {"enabled": True}


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_units_share_their_rules(unit):
    """The drop-in is theirs by name; who stops a unit gives a run the time for a checkpoint."""
    assert unit.name.startswith("sonnys-")
    assert section(unit, "Install")["wantedby"] == "multi-user.target"
    common = section(COMMON, "Service")
    assert common["user"] == "sonnys"
    assert common["umask"] == "0077"
    assert (common["nonewprivileges"], common["protectsystem"]) == ("yes", "strict")
    assert int(common["timeoutstopsec"]) > 5
    assert (common["killsignal"], common["restart"]) == ("SIGTERM", "on-failure")


def test_a_worker_alone_is_told_to_stop():
    """It hands the signal on: a second one would end the run without a checkpoint."""
    assert section(DEPLOY / "systemd" / "sonnys-worker@.service", "Service")["killmode"] == "mixed"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here (Debian: systemd)")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_the_units(tmp_path, unit):
    """No unknown directive, no wrong value; what it thinks of the exposure is `OK`, below 2 of 10."""
    for path in [*UNITS, COMMON]:
        copy = tmp_path / path.relative_to(DEPLOY / "systemd")
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(path.read_text().replace("/opt/sonnys/bin/", f"{Path(sys.executable).parent}/"))
    name = tmp_path / unit.name.replace("@", "@1")
    name.write_text((tmp_path / unit.name).read_text())
    units = {"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "PATH": "/usr/bin:/bin"}

    verify = ["systemd-analyze", "verify", "--man=no", name]
    said = subprocess.run(verify, env=units, capture_output=True, text=True, check=False)
    assert [line for line in said.stderr.splitlines() if "sonnys" in line] == []
    exposure = ["systemd-analyze", "security", "--offline=true", "--threshold=20", name]
    judged = subprocess.run(exposure, env=units, capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stdout[-2000:]


def test_every_door_calls_the_code_location_by_one_name():
    """Dagster keeps the switches of schedules under that name: `-m`, workspaces and pyproject.toml share them."""
    workspaces = [loaded(path) for path in (ROOT / "workspace.yaml", *sorted(DEPLOY.glob("*/workspace.yaml")))]
    names = [found["location_name"] for each in workspaces for entry in each["load_from"] for found in entry.values()]
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["dagster"]

    assert len(names) == 3
    assert {*names, tool["code_location_name"]} == {CODE_LOCATION} == {tool["module_name"]}


@pytest.mark.parametrize("path", INSTANCES, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_every_instance_notices_runs_whose_process_is_gone(path):
    """Its launcher can tell, monitoring asks it every half minute at least, and a run that is lost is retried."""
    config = loaded(path)
    named = config["run_launcher"]
    launcher = getattr(importlib.import_module(named["module"]), named["class"])

    assert launcher.supports_check_run_worker_health.fget(object()) is True
    assert config["run_monitoring"]["poll_interval_seconds"] <= 30
    assert config["run_retries"]["enabled"] is True
    assert config["run_retries"]["retry_on_asset_or_op_failure"] is False


def test_web_servers_and_daemons_of_a_deployment_are_ours():
    """Nothing starts Dagster's own; in the image even their names lead to ours, by which the chart starts them."""
    started = {Path(words[0]).name for _, words in commands()}

    for program in ("webserver", "daemon"):
        assert f"sonnys-{program}" in started
        assert f"dagster-{program}" not in started
        assert f"cp /opt/sonnys/bin/sonnys-{program} /opt/sonnys/bin/dagster-{program}" in DOCKERFILE
    names = {variable["name"] for variable in helm()["dagsterWebserver"]["env"]}
    assert names == {"DAGSTER_WEBSERVER_ALLOW_HOST"}
