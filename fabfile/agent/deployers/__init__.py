"""What the gate lets the deployers of an app have a host do."""
