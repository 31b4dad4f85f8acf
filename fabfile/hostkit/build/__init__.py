"""How a virtualenv is built: what it is made from, by which program, as which user."""
