"""Resources that are made here from files and templates, before they are sent to a host."""
