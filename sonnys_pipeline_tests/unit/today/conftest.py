"""The small lake, whose present is the day after its last landed one."""

from sonnys_pipeline_tests.support.small_lake import land  # noqa: F401 - a fixture
