"""The variables of the app: where they come from, and the secrets among them."""
