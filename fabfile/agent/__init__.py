"""Agent: the program on a host that converges resources during one SSH exec.

Standard library only: it travels to the host with `resources`, `hostkit` and `contract`, and is kept in /run until the
next boot.
"""
