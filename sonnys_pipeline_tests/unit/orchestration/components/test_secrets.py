"""EC-01: text of `defs.yaml` is rendered as text, and what it yields is never quoted in an error."""

import dagster as dg
import pytest

from sonnys_pipeline.config.settings import SettingsError
from sonnys_pipeline.orchestration.components.secrets import rendered, rendered_settings


def context(**scope: object) -> dg.ResolutionContext:
    return dg.ResolutionContext.default().with_scope(**scope)


@pytest.mark.parametrize("value", ["0017", "1e5", "1_000", "0x1F", "None", "[1]", "a b"])
def test_text_stays_text(monkeypatch, value):
    """A key that looks like a number or a list is sent as it is."""
    monkeypatch.setenv("KEY", value)

    assert rendered(context(), "api_key", "{{ env.KEY }}") == value
    assert rendered(context(), "api_key", value) == value


def test_what_is_missing_is_named(monkeypatch):
    """The attribute and its variables; a default counts as set."""
    monkeypatch.delenv("KEY", raising=False)
    for template in ("{{ env.KEY }}", "{{ env.KEY if true }}"):
        with pytest.raises(SettingsError, match=r"^api_key: KEY is not set; put it into the environment, or into the "):
            rendered(context(), "api_key", template)
    assert rendered(context(), "api_key", "{{ env('KEY', 'else') }}") == "else"
    assert rendered_settings(context(), {"pii": "{{ env('KEY', 'drop') }}", "max_retries": 3}) == {
        "pii": "drop", "max_retries": 3
    }  # fmt: skip


def test_a_wrong_template_quotes_nothing():
    """A function of the project may raise with a secret in its message."""

    def key() -> str:
        raise LookupError("secret")

    for template in ("{{ key() }}", "{{ key", "{{ nothing.KEY }}"):
        with pytest.raises(SettingsError, match=r"^api_key: the template cannot be rendered \(") as wrong:
            rendered(context(key=key), "api_key", template)
        assert "secret" not in str(wrong.value)
        assert wrong.value.__cause__ is None
