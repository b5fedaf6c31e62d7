"""TLS in both directions, and the certificates for it."""
