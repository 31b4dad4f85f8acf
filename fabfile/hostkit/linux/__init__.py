"""Linux basics of a host: files and folders, users, processes, systemd, sshd."""
