"""Virtualenvs: what one is made of, and who fills it."""
