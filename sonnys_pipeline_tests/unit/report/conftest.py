"""The small lake of the report is shared."""

from sonnys_pipeline_tests.support.small_lake import land  # noqa: F401 - a fixture
