"""Resources rendered here from files and templates before they are sent."""
