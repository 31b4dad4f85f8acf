"""Programs of the host, and how each is asked and told: apt, git, nginx, HAProxy, certbot, databases."""
