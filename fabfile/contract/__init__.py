"""Code that controller and host share: resources as data, wire format, events, secrets."""
