"""Everything on one host: the embedded server, supervision, the demo."""
