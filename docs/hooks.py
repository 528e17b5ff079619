"""What MkDocs adds to the pages of this folder: documents of the root, files that pages link, and generated sections.

Pages link files by their place in the repository, which is read on its own, too. On the site a document of the root
(README, CONTRIBUTING and so on) is a page like the others, and any other file that is linked is text below `source/`.
"""

import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.orchestration.build import build_defs

ROOT = Path(__file__).parents[1]
#: Documents outside of docs/ that are pages of the site, and their names there.
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
}
#: The target of a link, unless it has a scheme or is a heading of its own page.
TARGET = re.compile(r"(?<=\]\()(?![a-z]+:|#)[^)#\s]+")
#: Groups of assets in the order in which a day flows through them.
FLOW = ("landing", "dimensions", "people", "tables", "marts", "reports")
#: Packages whose public names users may rely on, in the order of the page.
PUBLIC = ("sonnys_pipeline.client", "sonnys_pipeline.lake", "sonnys_pipeline.orchestration")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the documents of the root, and every file that a page links."""
    texts = {place: (ROOT / place).read_text(encoding="utf-8") for place in PAGES}
    texts |= {f"docs/{file.src_uri}": file.content_string for file in files.documentation_pages()}
    for place, name in PAGES.items():
        files.append(File.generated(config, name, content=texts[place]))
    for place in sorted({target for origin, text in texts.items() for target in targets(origin, text)}):
        if (ROOT / place).exists() and place not in PAGES and not place.startswith("docs/"):
            files.append(source(config, place))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page with its links as they are on the site, and what is generated for it at its end."""
    del config, files
    uri = page.file.src_uri
    origin = next((place for place, name in PAGES.items() if name == uri), f"docs/{uri}")
    if uri.startswith("source/"):
        return markdown

    def moved(link: re.Match[str]) -> str:
        return posixpath.relpath(shown_at(resolved(origin, link[0])), posixpath.dirname(uri) or ".")

    return TARGET.sub(moved, markdown) + "".join(GENERATED.get(uri, lambda: iter(()))())


def targets(origin: str, text: str) -> Iterator[str]:
    """What a document links, as places of the repository."""
    return (resolved(origin, link) for link in TARGET.findall(text))


def resolved(origin: str, link: str) -> str:
    """The place in the repository that a link of a document means."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(origin), link))


def shown_at(place: str) -> str:
    """Where on the site a file of the repository is shown."""
    if place in PAGES or place.startswith("docs/"):
        return PAGES.get(place, place.removeprefix("docs/"))
    return f"source/{place}.md" if (ROOT / place).is_dir() else f"source/{place}.txt"


def source(config: MkDocsConfig, place: str) -> File:
    """A file as text; a folder as one page with the text of each of its files."""
    path = ROOT / place
    if path.is_file():
        return File.generated(config, shown_at(place), abs_src_path=str(path))
    below = sorted(one for one in path.rglob("*") if one.is_file() and "__pycache__" not in one.parts)
    parts = (f"## {one.relative_to(path)}\n\n````\n{one.read_text(encoding='utf-8')}\n````\n" for one in below)
    text = "\n".join([f"# {place}\n", *parts])
    return File.generated(config, shown_at(place), content=text, inclusion=InclusionLevel.NOT_IN_NAV)


def commands() -> Iterator[str]:
    """Every verb with its options, from Click."""
    yield "\n\n## Every command and option\n"
    yield "\n::: mkdocs-click\n    :module: sonnys_pipeline.cli\n    :command: main\n    :prog_name: sonnys\n"
    yield "    :depth: 2\n    :style: plain\n    :list_subcommands: true\n"


def settings() -> Iterator[str]:
    """Type, bounds and default of each setting, from the model."""
    yield "\n\n## Types, bounds and defaults\n\nFrom the model `Settings`.\n"
    yield "\n| variable | type | default |\n|---|---|---|\n"
    for name, schema in Settings.model_json_schema()["properties"].items():
        default = schema.get("default") or ""
        if name == "rate_limit":
            default = "{requests}/{seconds:g}".format(**default)
        yield f"| `SONNYS_{name.upper()}` | {kind(schema)} | {f'`{default}`' if default else 'not set'} |\n"


def kind(schema: dict[str, Any]) -> str:
    """A type of JSON Schema in words, with its bounds."""
    if "anyOf" in schema:
        return kind(next(one for one in schema["anyOf"] if one.get("type") != "null"))
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    word = FORMATS.get(schema.get("format", schema.get("type", "")), "`requests/seconds`")
    return ", ".join([word, *(f"{words} {schema[key]:,}" for key, words in BOUNDS.items() if key in schema)])


def assets() -> Iterator[str]:
    """Assets with their columns, then checks, jobs, schedules and sensors, from the Dagster definitions."""
    definitions = build_defs(settings=Settings())
    specs = sorted(definitions.resolve_all_asset_specs(), key=lambda one: (FLOW.index(one.group_name), str(one.key)))
    yield "\n\n## Every asset and its columns\n\nFrom the Dagster definitions.\n"
    for spec in specs:
        yield f"\n### {spec.key.to_user_string()}\n\n{spec.description}\n"
        if columns := spec.metadata.get("dagster/column_schema"):
            yield "\n| column | type | meaning |\n|---|---|---|\n"
            for column in columns.schema.columns:
                yield f"| `{column.name}` | {cell(column.type)} | {cell(column.description)} |\n"
    yield "\n## Checks\n\n| asset | check | blocks | what it looks for |\n|---|---|---|---|\n"
    for check in (one for checks in definitions.asset_checks or () for one in checks.check_specs):
        blocks = "yes" if check.blocking else "no"
        yield f"| {check.asset_key.to_user_string()} | `{check.name}` | {blocks} | {cell(check.description)} |\n"
    yield "\n## Jobs, schedules and sensors\n\n| name | what it does |\n|---|---|\n"
    for one in (*(definitions.jobs or ()), *(definitions.schedules or ()), *(definitions.sensors or ())):
        yield f"| `{one.name}` | {cell(one.description)} |\n"


def cell(text: str | None) -> str:
    """Text in one cell of a table."""
    return " ".join((text or "").split()).replace("|", "\\|").replace("<", "&lt;")


def modules() -> Iterator[str]:
    """The public names, from their docstrings."""
    options = "    options:\n      show_root_heading: false\n      show_root_toc_entry: false\n"
    for name in PUBLIC:
        yield f"\n\n## {name}\n\n::: {name}\n{options}"


#: Types of JSON Schema in words.
FORMATS = {
    "integer": "whole number", "number": "number", "string": "text", "password": "secret", "date": "date",
    "path": "folder",
}  # fmt: skip
BOUNDS = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to"}
#: What is generated at the end of a page when the site is built.
GENERATED: dict[str, Callable[[], Iterator[str]]] = {
    "command-line.md": commands,
    "settings.md": settings,
    "tables.md": assets,
    "python-api.md": modules,
}
