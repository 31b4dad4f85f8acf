"""Rules of the deployers' gate."""
