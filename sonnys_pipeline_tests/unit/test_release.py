"""EC-03: wheel and sdist: the same bytes from every build, the version of the tag, all files; extras and licences."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from release import bounds
from release.build import ROOT, ReleaseError, build, build_twice, git, require_section
from release.licences import refused

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
#: Opens what the package brings beside code: templates, migrations, the marker for type checkers.
USE_DATA = """
import json
from importlib.metadata import version
from importlib.resources import files
import sonnys_pipeline
from sonnys_pipeline.ledger.service import open_ledger
package = files("sonnys_pipeline")
print(json.dumps({
    "folder": str(package),
    "version": version("sonnys-pipeline"),
    "styles": "--" in package.joinpath("report/templates/report.css").read_text(),
    "typed": package.joinpath("py.typed").is_file(),
    "jobs": open_ledger("sqlite:///ledger.db").list_jobs(),
}))
"""


@pytest.fixture(scope="module")
def tagged(tmp_path_factory) -> Path:
    """A clone of this checkout whose last commit is tagged as a release."""
    clone = tmp_path_factory.mktemp("tagged") / "clone"
    git(ROOT, "clone", "--quiet", str(ROOT), str(clone))
    git(clone, "-c", "user.name=Test", "-c", "user.email=test@example.com", "tag", "-a", "v98.7.6", "-m", "a release")
    return clone


@pytest.fixture(scope="module")
def built(tagged) -> dict[str, bytes]:
    """Wheel and sdist, built twice."""
    return build_twice(tagged)


def test_two_builds_of_a_tag_are_equal_and_have_its_version(built):
    """The wheel from the sdist and the wheel from the checkout are one file, byte for byte."""
    assert sorted(built) == ["sonnys_pipeline-98.7.6-py3-none-any.whl", "sonnys_pipeline-98.7.6.tar.gz"]


def test_builds_that_differ_are_refused(tagged, monkeypatch):
    """A byte that comes from somewhere else than the commit is named by its file."""
    made = iter([{"one.whl": b"1", "one.tar.gz": b"2"}, {"one.whl": b"1", "one.tar.gz": b"3"}])
    monkeypatch.setattr("release.build.build", lambda *_: next(made))

    with pytest.raises(ReleaseError, match=r"differ: one\.tar\.gz;"):
        build_twice(tagged)


def test_both_hold_every_file_of_the_package_and_no_other(built, tagged):
    """Templates, migrations and `py.typed` too; nothing of the tests."""
    package = set(git(tagged, "ls-files", "sonnys_pipeline").splitlines())
    wheel, sdist = built.values()
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        in_wheel = {name for name in archive.namelist() if ".dist-info/" not in name}
    with tarfile.open(fileobj=io.BytesIO(sdist)) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}

    assert in_wheel == package
    assert in_sdist - package == {
        ".gitignore", "CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "constraints.txt", "pyproject.toml"
    }  # fmt: skip


def test_the_wheel_brings_the_files_that_it_opens(built, tmp_path):
    """Unpacked alone into an empty folder: a ledger is made by the migrations, templates and version are found."""
    (tmp_path / "wheel.zip").write_bytes(next(iter(built.values())))
    shutil.unpack_archive(tmp_path / "wheel.zip", tmp_path / "site")
    done = subprocess.run(
        [sys.executable, "-c", USE_DATA],
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    package = str(tmp_path / "site" / "sonnys_pipeline")
    assert json.loads(done.stdout) == {
        "folder": package, "version": "98.7.6", "styles": True, "typed": True, "jobs": []
    }  # fmt: skip


def test_a_shallow_clone_without_tags_is_built(tagged, tmp_path):
    """As CI services make them: the version is below every release, and names the commit."""
    shallow = tmp_path / "shallow"
    git(ROOT, "clone", "--quiet", "--depth", "1", "--no-tags", f"file://{tagged}", str(shallow))

    (wheel,) = build(shallow, tmp_path / "built", "--wheel")

    assert wheel.startswith("sonnys_pipeline-0.0.1.dev")
    assert git(shallow, "rev-parse", "--short=7", "HEAD") in wheel


def test_a_copy_without_git_is_built(tagged, tmp_path):
    """As an unpacked archive: its version says that nothing is known of it."""
    git(tagged, "archive", "--output", str(tmp_path / "copy.zip"), "HEAD")
    shutil.unpack_archive(tmp_path / "copy.zip", tmp_path / "copy")
    command = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--wheel",
        "--outdir",
        tmp_path / "out",
        tmp_path / "copy",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["sonnys_pipeline-0.0.0-py3-none-any.whl"]


def test_git_is_not_asked_at_run_time(tmp_path):
    """`sonnys --version` reads what the installation wrote, also where there is no git."""
    command = [Path(sys.executable).parent / "sonnys", "--version"]
    done = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("sonnys, version ")


def test_the_page_on_installation_lists_every_extra_with_its_weight():
    """And no other; those of this project's own people have no weight."""
    rows = re.findall(r"^\| (`.*) \| (.+) \| (.*) \| (.*) \|$", (ROOT / "docs/install.md").read_text(), re.MULTILINE)
    listed = {name: figures for names, _, *figures in rows for name in re.findall(r"`(\w+)`", names)}

    assert sorted(listed) == sorted(EXTRAS)
    assert all(re.fullmatch(r"\+\d+", figure) for name in listed.keys() - {"dev", "docs"} for figure in listed[name])


def test_extras_that_are_named_exist():
    """In documents, messages and deployments: what a reader copies can be installed."""
    files = [
        ROOT / "README.md",
        *(path for name in ("docs", "deploy", "sonnys_pipeline") for path in (ROOT / name).rglob("*")),
    ]
    texts = [path.read_text(errors="replace") for path in files if path.suffix in {".md", ".py", ".yaml"}]
    named = {
        name
        for text in texts
        for names in re.findall(r"sonnys-pipeline\[([a-z0-9,]+)\]", text)
        for name in names.split(",")
    }

    assert {"pandas", "polars", "postgres", "redis", "s3"} <= named
    assert named - EXTRAS.keys() == set()


@pytest.mark.parametrize("extra", sorted(EXTRAS.keys() - {"dev"}))
def test_tests_run_with_every_extra(extra):
    """`dev` holds what each extra installs, with the same bounds."""
    assert set(EXTRAS[extra]) <= set(EXTRAS["dev"])


@pytest.mark.parametrize(
    ("licences", "is_allowed"),
    [
        ([{"license": {"id": "MIT"}}], True),
        ([{"expression": "GPL-3.0-only OR BSD-3-Clause"}], True),
        ([{"expression": "BSD-3-Clause AND 0BSD"}], True),
        ([{"license": {"name": "License :: OSI Approved :: Apache Software License"}}], True),
        ([{"license": {"id": "ISC"}}, {"license": {"name": "License :: OSI Approved :: BSD License"}}], True),
        ([{"license": {"id": "AGPL-3.0-only"}}], False),
        ([{"expression": "MIT AND GPL-2.0-only"}], False),
        ([{"expression": "(GPL-2.0-only OR MIT) AND BSD-3-Clause"}], False),
        ([{"license": {"id": "MIT"}}, {"license": {"name": "License :: Other/Proprietary License"}}], False),
        ([], False),
    ],
)
def test_licences_that_are_not_on_the_list_are_refused(licences, is_allowed):
    """By name and version of the package, with what to do; also where the package does not say its licence."""
    component = {"name": "somebody", "version": "1.0"} | ({"licenses": licences} if licences else {})

    lines = refused(json.dumps({"components": [component]}))

    assert [line.partition(" (")[0] for line in lines] == ([] if is_allowed else ["somebody 1.0"])


def test_the_lowest_versions_are_the_lower_bounds():
    """Each direct dependency has the first version of its bound in `constraints-lowest.txt`."""
    lines = (ROOT / "constraints-lowest.txt").read_text().splitlines()
    pinned = {canonicalize_name(name): Version(pin) for name, _, pin in (line.partition("==") for line in lines[1:])}
    users = [*PROJECT["dependencies"], *(one for name in EXTRAS.keys() - {"dev", "docs"} for one in EXTRAS[name])]

    for wanted in map(Requirement, users):
        (bound,) = (Version(each.version) for each in wanted.specifier if each.operator == ">=")
        pin = pinned[canonicalize_name(wanted.name)]
        assert pin.release[: len(bound.release)] == bound.release, f"{wanted}: run python -m release.bounds write"


def test_each_python_is_tried_and_an_absent_one_is_named(monkeypatch, capsys):
    """The versions of the classifiers, from the lowest one allowed; what is not installed or fails ends in an error."""
    tried = []

    def try_versions(python, *_, every):
        tried.append(python)
        if python == "/bin/python3.12":
            raise ReleaseError("tests fail")

    absent = bounds.pythons()[-1]
    monkeypatch.setattr(bounds, "try_versions", try_versions)
    monkeypatch.setattr(bounds, "interpreter", lambda name: None if name == absent else f"/bin/python{name}")

    with pytest.raises(ReleaseError, match=f"^Python 3.12: tests fail; Python {absent} was not tried: install it"):
        bounds.try_pythons(every=False)

    assert PROJECT["requires-python"] == f">={bounds.pythons()[0]}"
    assert tried == [f"/bin/python{name}" for name in bounds.pythons()[:-1]]
    assert f"Python {absent}: not found" in capsys.readouterr().out


def test_an_interpreter_is_found_on_the_path(monkeypatch):
    """By its version; one that nobody has is not found, and not downloaded."""
    monkeypatch.setenv("PATH", f"{sys.base_prefix}/bin")

    found = bounds.interpreter(f"{sys.version_info.major}.{sys.version_info.minor}")

    assert found is not None
    assert Path(found).is_file()
    assert bounds.interpreter("3.99") is None


def test_a_release_needs_its_section_in_the_changelog():
    """Under its version and day; a build between releases needs none."""
    changelog = "## [Unreleased]\n\n## [0.2.0] - 2026-12-01\n\n### Added\n"

    require_section("0.2.0", changelog)
    require_section("0.2.1.dev3+g1234567", changelog)
    for version in ("0.2", "0.1.0", "0.3.0"):
        with pytest.raises(ReleaseError, match=rf"no section of {version};"):
            require_section(version, changelog)
