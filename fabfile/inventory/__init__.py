"""Hosts of a project: roles, addresses, processes, and targets of a task."""
