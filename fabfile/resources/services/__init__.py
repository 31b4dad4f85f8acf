"""Services that apps ask for, and what several of them are made of."""
