"""Steps of a release on a host: preparation, activation, settling, restart, restore."""
