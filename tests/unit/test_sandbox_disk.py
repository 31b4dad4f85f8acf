"""Where the disks of sandbox hosts can be."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostsmith.errors import SandboxError
from hostsmith.sandbox.disk import require_file_system

CONTAINER = """\
22 1 0:20 / / rw - overlay overlay rw,lowerdir=/a
23 22 0:21 / /proc rw - proc proc rw
24 22 0:22 / /var/lib/hostsmith rw shared:1 - tmpfs tmpfs rw
"""


def test_in_a_container_it_says_what_to_mount(tmp_path: Path) -> None:
    (tmp_path / "mounts").write_text(CONTAINER.replace("/var/lib/hostsmith", "/srv"))
    with pytest.raises(SandboxError, match="mount -t tmpfs tmpfs /var/lib/hostsmith"):
        require_file_system(Path("/var/lib/hostsmith"), str(tmp_path / "mounts"))


def test_another_file_system_mounted_there_will_do(tmp_path: Path) -> None:
    (tmp_path / "mounts").write_text(CONTAINER)
    require_file_system(Path("/var/lib/hostsmith"), str(tmp_path / "mounts"))
