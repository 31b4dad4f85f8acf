"""The program that runs on a host for the length of one SSH exec and converges resources there.

Standard library only: this package and `resources` are all that travels. It is kept in /run until the host boots.
"""
