"""Resources of services such as databases, and their shared parts."""
