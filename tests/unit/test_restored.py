"""What a restore exchanges: the app's own folder keeps who may enter it, and nothing that is mounted moves."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

import pytest
from hostsmith.hostkit.linux import acl
from hostsmith.resources.release.restored import Exchanged
from local_host import LocalHost, mode

as_root = pytest.mark.skipif(os.getuid() != 0, reason="to mount, and to give rights, takes root")


@pytest.fixture
def folders(place: Path) -> tuple[Path, Path]:
    for name in ("shared", "fresh"):
        (place / name).mkdir(mode=0o700)
        (place / name / "from").write_text(name)
    return place / "shared", place / "fresh"


@as_root
def test_who_may_enter_the_folder_may_enter_what_comes_in_its_place(
    host: LocalHost, folders: tuple[Path, Path]
) -> None:
    shared, fresh = folders
    list_before = acl.passable(0o750, [pwd.getpwnam("www-data").pw_uid])
    with_list = os.open(shared, os.O_RDONLY)
    os.fchmod(with_list, 0o750)
    acl.write(with_list, list_before, str(shared))
    os.close(with_list)
    assert host.converge(Exchanged(str(shared), str(fresh))).states == ["changed"]
    assert (shared / "from").read_text() == "fresh"
    assert mode(shared) == 0o750
    assert os.getxattr(shared, "system.posix_acl_access") == list_before


def test_a_link_is_not_replaced_by_a_folder(host: LocalHost, folders: tuple[Path, Path]) -> None:
    shared, fresh = folders
    shared.rename(shared.with_name("disk"))
    shared.symlink_to("disk")
    assert (
        "is a link, which the restore would replace with a folder"
        in host.converge(Exchanged(str(shared), str(fresh))).error
    )
    assert shared.is_symlink()


@as_root
def test_what_is_mounted_below_is_not_left_behind(host: LocalHost, folders: tuple[Path, Path]) -> None:
    shared, fresh = folders
    (shared / "me dia").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", shared / "me dia"], check=True)
    try:
        error = host.converge(Exchanged(str(shared), str(fresh))).error
    finally:
        subprocess.run(["umount", shared / "me dia"], check=True)
    assert f"{shared}/me dia is mounted below" in error
    assert (shared / "from").read_text() == "shared"
