"""Version of hostsmith, separate so that the build need not import the library."""

__version__ = "0.1.0"
