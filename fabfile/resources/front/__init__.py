"""Front of a site: nginx, balancer, certificates."""
