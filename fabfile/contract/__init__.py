"""What controller and host share: resources as data, the wire, events, secrets. It travels to the host."""
