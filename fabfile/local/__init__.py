"""The app on this machine: its processes, what stands before them on the hosts, and the services that it asks for."""
