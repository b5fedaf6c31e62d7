"""Who is let in to the administration, and to what."""
