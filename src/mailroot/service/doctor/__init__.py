"""The doctor: looks at everything that a service of these settings needs, and says what is wrong with its mend."""
