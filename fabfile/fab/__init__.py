"""Changes to Fabric's program: declaration of tasks, and additions to its command line."""
