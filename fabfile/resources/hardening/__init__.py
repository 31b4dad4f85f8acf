"""What keeps a host safe: firewall, sshd, clock, swap, the kernel's values."""
