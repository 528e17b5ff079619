"""RB-01: every id that code, tests and documents name leads to a page of this repository."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ID = re.compile(r"\b(?:LJ|DG|BM|JS|BX|LV|KT|RS|EC|RB)-\d{2}\b")
REQUIREMENTS = (ROOT / "docs" / "requirements.md").read_text(encoding="utf-8")
PROMISED = set(re.findall(rf"^\| ({ID.pattern}) \|", REQUIREMENTS, re.MULTILINE))


def texts() -> dict[str, str]:
    """Everything that may name an id, by path."""
    found = [*(ROOT / "sonnys_pipeline").rglob("*.py"), *(ROOT / "sonnys_pipeline_tests").rglob("*.py")]
    found += [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*")]
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in found if path.is_file()}


def test_every_id_is_a_promise() -> None:
    """No reader looks an id up in vain."""
    dangling = {
        f"{path}: {name}" for path, text in texts().items() for name in set(ID.findall(text)) if name not in PROMISED
    }
    assert len(PROMISED) > 50
    assert dangling == set()


def test_every_departure_of_the_live_api_has_its_line() -> None:
    """`L1` to `L18`, as code and tests name them."""
    lines = set(re.findall(r"^\| (L\d+) \|", (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        name
        for path, text in texts().items()
        if path.endswith(".py")
        for group in re.findall(r"contract, (?:L\d+(?:[, ]+(?:and |to )?)?)+", text)
        for name in re.findall(r"L\d+", group)
    }
    assert named
    assert named - lines == set()


def test_links_between_documents_lead_somewhere() -> None:
    """Relative links of every page."""
    lost = [
        f"{path}: {target}"
        for path, text in texts().items()
        if path.endswith(".md")
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text)
        if not (ROOT / path).parent.joinpath(target).exists()
    ]
    assert lost == []
