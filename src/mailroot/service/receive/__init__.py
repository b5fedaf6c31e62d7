"""Receive: sessions with clients, from the connection to the commit."""
