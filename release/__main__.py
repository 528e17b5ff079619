"""Make a release of the last commit in `dist/`: wheel, sdist, bill of materials and checksums. `make release` calls it.

Nothing is published. Any step that fails ends it: builds that differ, a version without a section in the changelog, a
wheel whose demo does not land days in an empty environment, a dependency with a licence that is not allowed.
"""

import hashlib
import shutil
import sys

from release.build import ROOT, ReleaseError, build_twice, git, require_section
from release.licences import bill_of_materials, refused
from release.trial import demo_of_wheel

DIST = ROOT / "dist"


def main() -> None:
    """Empty `dist/`, make the release in it, and print what was measured."""
    if changed := git(ROOT, "status", "--porcelain"):
        raise ReleaseError(f"uncommitted changes would not be in the release; commit or stash them first:\n{changed}")
    files = build_twice(ROOT)
    require_section(next(iter(files)).split("-")[1], (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    print("Built twice, byte for byte the same.")
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    for name, content in files.items():
        (DIST / name).write_bytes(content)
    (wheel,) = DIST.glob("*.whl")
    print(demo_of_wheel(wheel))
    sbom = bill_of_materials(wheel)
    if wrong := refused(sbom.read_text(encoding="utf-8")):
        raise ReleaseError("licences that are not allowed: " + "; ".join(wrong))
    print("Licences of all dependencies are allowed.")
    made = {path.name: path.read_bytes() for path in sorted(DIST.iterdir())}
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in made.items())
    (DIST / "SHA256SUMS").write_text(sums, encoding="utf-8")
    for name, content in made.items():
        print(f"dist/{name}  {len(content):,} bytes")


if __name__ == "__main__":
    try:
        main()
    except ReleaseError as error:
        sys.exit(f"release: {error}")
