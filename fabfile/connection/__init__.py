"""Connections to hosts: SSH, the agent program, and the session with it."""
