"""What `fab --list` shows: one thin module for each verb or noun."""
