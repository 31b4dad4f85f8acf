"""The tasks as one collection, for `fab` and for a project's own namespace."""

from __future__ import annotations

from invoke.collection import Collection

from .tasks.backup import backup
from .tasks.backups import backups
from .tasks.config import ns as config
from .tasks.deploy import deploy
from .tasks.doctor import doctor
from .tasks.hosts import hosts
from .tasks.init import init
from .tasks.logs import logs
from .tasks.maintenance import ns as maintenance
from .tasks.manage import manage
from .tasks.pending import pending
from .tasks.plan import plan
from .tasks.provision import provision
from .tasks.ps import ps
from .tasks.releases import releases
from .tasks.restart import restart
from .tasks.restore import restore
from .tasks.rollback import rollback
from .tasks.run import run
from .tasks.sandbox import ns as sandbox
from .tasks.scale import scale
from .tasks.secrets import ns as secrets
from .tasks.serve import serve
from .tasks.services import ns as services
from .tasks.shell import shell
from .tasks.status import status
from .tasks.unlock import unlock

ns = Collection(
    "hostsmith",
    init,
    provision,
    deploy,
    rollback,
    pending,
    plan,
    releases,
    status,
    ps,
    scale,
    restart,
    doctor,
    hosts,
    run,
    manage,
    shell,
    logs,
    unlock,
    backup,
    backups,
    restore,
    serve,
)
ns.add_collection(config, name="config")
ns.add_collection(secrets, name="secrets")
ns.add_collection(maintenance, name="maintenance")
ns.add_collection(services, name="services")
ns.add_collection(sandbox, name="sandbox")
