"""Interfaces to the host's programs: apt, git, nginx, HAProxy, certbot, databases."""
