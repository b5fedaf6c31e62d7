"""Hands: sockets, files, databases, names and clocks. Foreign exceptions end here (`mailroot.mail.faults`)."""
