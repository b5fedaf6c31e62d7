"""Deliver: lease, route, carry, settle; and the carrier into Drop folders."""
