"""Kerberos by the system's library, as a server and as a client."""
