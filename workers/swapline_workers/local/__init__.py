"""Everything on one host: server, supervision, demo."""
