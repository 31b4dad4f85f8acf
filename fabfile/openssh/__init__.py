"""Hosts and their keys as OpenSSH knows them: asked of OpenSSH, never read a second time."""
