"""Rules: which domain is ours, and which way a recipient goes. Pure."""
