"""Addresses looked up in a directory before they are routed (LDAP routing)."""
