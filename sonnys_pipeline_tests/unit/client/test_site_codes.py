"""LV-01, contract L7: codes compare without case, and a site that is listed in two ways is named once."""

from sonnys_pipeline.client import Site
from sonnys_pipeline.client.site_codes import fold, is_in, named_codes, unnamed_sites

LISTED = [Site(code="JOLIET", name="Joliet"), Site(code="Joliet", name="Joliet"), Site(code="BurbT2", name="Burbank"),
          Site(code="", name="Head Office"), Site(name="Online")]  # fmt: skip


def test_spellings_of_one_site_are_the_same() -> None:
    assert fold("BurbT2") == fold(" BURBT2 ") == "burbt2"
    assert fold(None) == fold("") == ""
    assert is_in("joliet", {"JOLIET"})
    assert not is_in("joliet", {"JOLIET2"})


def test_each_site_that_has_a_code_is_named_once_in_the_lists_order() -> None:
    assert named_codes(LISTED) == ["JOLIET", "BurbT2"]
    assert unnamed_sites(LISTED) == ["Head Office", "Online"]
