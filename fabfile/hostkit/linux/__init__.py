"""What every host has: files and folders, users, processes, systemd, sshd."""
