"""The code location: `workspace.yaml` and `dagster -m sonnys_pipeline.definitions` point here."""

from sonnys_pipeline.orchestration.build import build_defs

defs = build_defs()
