"""What the tests do on a newcomer's machine: programs that are missing, and a shell that lets Ctrl-C be ignored."""

import subprocess
import sys
from pathlib import Path

import pytest

from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline_tests import conftest
from sonnys_pipeline_tests.support import servers

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(("is_ci", "ends"), [(False, pytest.skip.Exception), (True, pytest.fail.Exception)])
def test_a_missing_program_is_left_out_but_under_ci(
    monkeypatch: pytest.MonkeyPatch, is_ci: bool, ends: type[BaseException]
) -> None:
    """One line with the package either way."""
    monkeypatch.setattr(servers, "IS_CI", is_ci)
    with pytest.raises(ends, match=r"no such-program.*apt-get install its-package"):
        servers.program("such-program", "its-package")


def test_the_tests_heed_an_interrupt_also_in_the_background() -> None:
    """`nohup make test &`: what ignores SIGINT hands that on, so that children would never end by it."""
    script = (
        "import signal, subprocess, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); "
        "import sonnys_pipeline_tests.conftest; "
        "child = 'import signal; print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)'; "
        "sys.exit(subprocess.run([sys.executable, '-c', child], stdout=sys.stdout).returncode)"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["False"]


def test_a_developers_own_env_file_reaches_no_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `.env` in the checkout is passed over there; one that a test writes in a folder of its own is read."""
    (tmp_path / ".env").write_text("SONNYS_TIMEZONE=America/Denver\n")
    monkeypatch.chdir(tmp_path)
    assert Settings.load().timezone == "America/Denver"
    monkeypatch.setattr(conftest, "ROOT", tmp_path)
    assert Settings.load().timezone == "UTC"
    assert Settings().timezone == "UTC"
