from pathlib import Path


def lookup(project: Path, host: str) -> None:
    return None
