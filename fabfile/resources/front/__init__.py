"""What faces visitors: nginx, the balancer, certificates."""
