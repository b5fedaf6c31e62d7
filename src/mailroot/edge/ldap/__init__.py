"""Directories by LDAP: connections, signing in to them, and questions. Native to the event loop, without a library."""
