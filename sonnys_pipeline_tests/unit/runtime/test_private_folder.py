"""RB-02: folders of the state are their owner's alone, whoever has prepared them, and whatever the umask says."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from sonnys_pipeline.config.settings import Settings, SettingsError
from sonnys_pipeline.runtime.private_folder import ForeignFolderError, private_folder, write_private_file


@pytest.fixture(autouse=True)
def _no_umask() -> Iterator[None]:
    """Nothing is taken away by the umask: what is closed, we have closed."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_every_folder_that_is_made_is_closed(tmp_path: Path) -> None:
    """Those above it, too; what was there stays as it is."""
    tmp_path.chmod(0o755)
    folder = private_folder(tmp_path / ".sonnys" / "demo" / "dagster")
    assert [mode(folder), mode(folder.parent), mode(folder.parent.parent), mode(tmp_path)] == [0o700] * 3 + [0o755]


@pytest.mark.parametrize("was", [0o777, 0o755, 0o750, 0o701])
def test_a_folder_of_ours_is_closed(tmp_path: Path, was: int) -> None:
    """To group and others."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(was)
    assert mode(private_folder(tmp_path / "state")) == 0o700


@pytest.mark.parametrize(
    ("owner", "rights", "said"),
    [(4711, 0o777, "belongs to user 4711"), (4711, 0o700, "belongs to user 4711"), (0, 0o777, "open to everybody"),
     (0, 0o2770, None), (1000, 0o777, None)],
)  # fmt: skip
def test_folders_of_others_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: int, rights: int, said: str | None
) -> None:
    """But for root's, which is how volumes of containers come, unless everybody may write there."""
    folder = tmp_path / "state"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can give folders away")
    os.chown(folder, owner, owner)
    folder.chmod(rights)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    if said is None:
        assert private_folder(folder) == folder
        return
    with pytest.raises(ForeignFolderError, match=said):
        private_folder(folder)
    with pytest.raises(SettingsError, match=rf"SONNYS_STATE_DIR: .*{said}.*a directory of your own"):
        Settings(state_dir=folder).prepared_state_dir()


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """Its owner's alone; a link in its place is replaced, and nothing is left beside it."""
    (tmp_path / "outside").write_text("mine")
    (tmp_path / "a").symlink_to(tmp_path / "outside")
    write_private_file(tmp_path / "a", "new")
    assert ((tmp_path / "a").read_text(), (tmp_path / "outside").read_text()) == ("new", "mine")
    assert mode(tmp_path / "a") == 0o600
    (tmp_path / "b").mkdir()
    with pytest.raises(OSError, match="irectory"):
        write_private_file(tmp_path / "b", "new")
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", "outside"}
