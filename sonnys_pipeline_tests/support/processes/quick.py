"""Environments in which Dagster's processes wait shorter than they do in production."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[3]
#: PYTHONPATH with the repository, for helpers that run as `python -m sonnys_pipeline_tests...`, and the shorter waits.
QUICK_PATH = os.pathsep.join([str(Path(__file__).parents[1] / "quick_dagster"), str(ROOT)])
