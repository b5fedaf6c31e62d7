"""What is counted: the one table of counters, the families of today's operators, and how they are laid out."""
