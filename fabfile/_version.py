"""Version of hostsmith, separate so that the build need not import the library."""

__version__ = "0.2.0.dev0"
