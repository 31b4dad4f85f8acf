"""Tasks of `fab --list`: one thin module for each verb or noun."""
