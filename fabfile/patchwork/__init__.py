"""Helpers of patchwork 1.0.1 on Fabric 3: same modules, names and arguments.

docs/patchwork.md lists what was fixed. patchwork itself requires Fabric 2 and cannot be imported on Python 3.11 or
newer. Nothing is loaded here, so that importing `hostsmith` stays cheap: import helpers from their modules.
"""
