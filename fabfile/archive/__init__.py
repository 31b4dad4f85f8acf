"""Backups as they are made and put back from this machine: which parts an app has, and how they are encrypted."""
