"""The program that runs on a host for the length of one SSH exec and converges resources there.

Standard library only: this package and `resources` are all that travels. Nothing of it is left on the host.
"""
