"""Training of our own network from rendered views and photos."""
