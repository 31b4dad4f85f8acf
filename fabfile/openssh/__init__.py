"""Hosts and their keys, as OpenSSH itself sees them."""
