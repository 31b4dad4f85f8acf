"""Hardening of a host: firewall, sshd, clock, swap, kernel parameters."""
