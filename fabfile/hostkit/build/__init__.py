"""Builds of virtualenvs on a host, as an unprivileged user."""
