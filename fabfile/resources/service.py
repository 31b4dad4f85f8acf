"""systemd service: running or stopped, now and after a reboot."""

from __future__ import annotations

from dataclasses import dataclass

from ..contract.base import Change, Resource, ResourceError
from ..hostkit.linux.systemd import properties, systemctl

_SETTLED = frozenset({"enabled", "enabled-runtime", "static", "alias", "indirect", "generated"})


@dataclass(frozen=True)
class Service(Resource):
    """A systemd service.

    :param running: whether it is running now.
    :param enabled: whether it is started at boot.
    """

    name: str
    running: bool = True
    enabled: bool = True

    def describe(self) -> str:
        return f"service {self.name}"

    def check(self) -> Change | None:
        state = self._state()
        steps: list[tuple[str, str]] = []
        if (state["UnitFileState"] in _SETTLED) != self.enabled:
            steps.append(("enable", "disable") if self.enabled else ("disable", "enable"))
        if (state["ActiveState"] in {"active", "reloading", "activating"}) != self.running:
            steps.append(("start", "stop") if self.running else ("stop", "start"))
        if not steps:
            return None
        past = {"enable": "enabled", "disable": "disabled", "start": "started", "stop": "stopped"}
        return Change(
            ", ".join(past[verb] for verb, _ in steps),
            lambda: self._do([verb for verb, _ in steps]),
            lambda: self._do([reverse for _, reverse in reversed(steps)]),
        )

    def _state(self) -> dict[str, str]:
        """Read the unit's properties; a missing unit is neither active nor enabled."""
        state = properties(self.name, "LoadState", "ActiveState", "UnitFileState")
        if state.get("LoadState") == "masked":
            raise ResourceError(f"service {self.name} is masked; `systemctl unmask {self.name}` first")
        return {"ActiveState": "inactive", "UnitFileState": "", **state}

    def _do(self, verbs: list[str]) -> None:
        for verb in verbs:
            systemctl(verb, self.name)
