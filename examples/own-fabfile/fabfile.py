"""A project's fabfile with hostsmith's tasks, its tasks and an extended recipe."""

import hostsmith
from hostsmith import (
    File,
    Package,
    Restart,
    Service,
    Template,
    Validated,
    converge,
    converge_all,
    deploy,
    load,
    provision,
    recipes,
    role,
    rollback,
    task,
)
from invoke import Collection
from timezone import Timezone


@task(hosts=role("web"))
def thumbnails(c):
    """Install the service that makes thumbnails."""
    unit = Template("/etc/systemd/system/thumbd.service", "thumbd.service.j2")
    config = Template("/etc/thumbd.conf", "thumbd.conf.j2", {"width": 320})
    converge(
        c,
        [
            Package("gifsicle"),
            # Both files or none; the service is restarted only when the check passes.
            Validated("thumbd", (unit, config), validate=["sh", "-n", "/etc/thumbd.conf"], notify=Restart("thumbd")),
            Service("thumbd"),
        ],
    )


@task(hosts=role("web"))
def clock(c, dry_run=False):
    """Set the hosts' time zone with a resource of this project."""
    converge(c, [Timezone("Europe/Lisbon")], dry_run=dry_run)


@task(hosts=role("web"))
def site(c):
    """Write only the site's nginx configuration: one recipe of hostsmith."""
    converge(c, [recipes.nginx.site(load(c))])


@task
def motd(c):
    """Greet whoever logs in, on all hosts side by side."""
    converge_all(c, [File("/etc/motd", "Thumbnails are made here.\n")])


ns = Collection(provision, deploy, rollback, thumbnails, clock, site, motd)
# All of hostsmith's tasks, also under a prefix: `fab server.status`.
ns.add_collection(hostsmith.ns, name="server")
