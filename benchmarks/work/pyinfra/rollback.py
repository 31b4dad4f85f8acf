"""Back to the release before the current one."""

from pyinfra import host
from pyinfra.operations import server

folder = f"/srv/{host.data.site}"

server.shell(
    name="switch",
    commands=[
        f"cd {folder} && current=$(basename $(readlink current)) && "
        'before=$(ls releases | grep -B1 -x "$current" | head -n1) && [ "$before" != "$current" ] && '
        'ln -sfn "releases/$before" next && mv -T next current && rm -rf left && mv "releases/$current" left'
    ],
)
server.shell(name="reload", commands=[f"{folder}/reload"])
