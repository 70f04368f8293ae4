"""What several rooms use and no user imports: speed, files, display, pytrees and sources."""
