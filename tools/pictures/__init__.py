"""Pictures and tables of the documentation, each made by a command."""
