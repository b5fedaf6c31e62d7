"""Changes of the settings file: edits, revisions, and what a service that runs makes of them."""
