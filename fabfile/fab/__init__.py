"""Our changes to Fabric's program: how tasks are declared, and what its command line understands besides."""
