"""Signing in: SASL mechanisms (RFC 4422) as scripts, both sides, without I/O, clock or randomness."""
