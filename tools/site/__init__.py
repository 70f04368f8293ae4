"""The documentation site: the pages of docs/ and other folders, and a reference generated from the docstrings."""
