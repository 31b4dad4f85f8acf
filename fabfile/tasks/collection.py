"""The tasks as one collection, for `fab` and for a project's own namespace."""

from __future__ import annotations

from invoke.collection import Collection

from .backup import backup
from .backups import backups
from .config import ns as config
from .deploy import deploy
from .doctor import doctor
from .hosts import hosts
from .init import init
from .logs import logs
from .maintenance import ns as maintenance
from .manage import manage
from .pending import pending
from .plan import plan
from .provision import provision
from .ps import ps
from .releases import releases
from .restart import restart
from .restore import restore
from .rollback import rollback
from .run import run
from .sandbox import ns as sandbox
from .scale import scale
from .secrets import ns as secrets
from .serve import serve
from .services import ns as services
from .shell import shell
from .status import status
from .unlock import unlock

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
