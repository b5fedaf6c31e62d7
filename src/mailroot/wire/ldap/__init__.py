"""LDAP as a client (RFC 4511): the octets of requests and answers. No connection, and no filters in text."""
