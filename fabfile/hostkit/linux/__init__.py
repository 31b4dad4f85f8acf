"""Parts of every host: files and folders, users, processes, systemd, sshd."""
