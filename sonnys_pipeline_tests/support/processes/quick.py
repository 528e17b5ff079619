"""Environments in which Dagster's processes wait shorter than they do in production."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[3]
#: PYTHONPATH with the repository, for helpers that run as `python -m sonnys_pipeline_tests...`, and the shorter waits.
QUICK_PATH = os.pathsep.join([str(Path(__file__).parents[1] / "quick_dagster"), str(ROOT)])
#: For tests in which marts do not matter: none is made, because each costs a run.
FOLLOW_NOTHING = {"TESTS_CONDITIONS_EVERY": "86400"}
#: For tests that wait for messages and missed mornings.
ALL_QUICK = {"TESTS_ALERTS_EVERY": "4", "TESTS_MORNINGS_EVERY": "2"}
