"""All of hostsmith's tasks, and nothing else."""

from hostsmith import ns

__all__ = ["ns"]
