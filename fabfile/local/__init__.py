"""The app on this machine: its processes, their front and its services."""
