"""Deploy with few operations: release folders, a symlink, a kept virtualenv."""

from pyinfra import host
from pyinfra.operations import server

site, release = host.data.site, host.data.release
folder = f"/srv/{site}"
path = f"{folder}/releases/{release}"

server.shell(
    name="code",
    commands=[f"mkdir {path} && git --git-dir={folder}/app.git archive main | tar -x -C {path}"],
)
server.shell(name="requirements", commands=[f"{folder}/require {path}/requirements.txt"])
server.shell(name="switch", commands=[f"ln -sfn {path} {folder}/next && mv -T {folder}/next {folder}/current"])
server.shell(name="reload", commands=[f"{folder}/reload"])
server.shell(
    name="old releases",
    commands=[f"cd {folder}/releases && ls -r | tail -n +6 | xargs -r rm -r"],
)
