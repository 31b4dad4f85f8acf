"""Which hosts: their roles and addresses, what runs on each, and those that a task works on."""
