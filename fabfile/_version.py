"""Version of hostsmith, in a separate module so that the build need not import the library."""

__version__ = "0.1.0"
