"""Relay: the carrier to other SMTP servers; hosts, lines, what each of them is like."""
