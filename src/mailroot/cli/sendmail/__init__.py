"""The command that stands where programs look for sendmail(8)."""
