"""The transaction of a deploy: all hosts of the fleet get a release, or none."""
