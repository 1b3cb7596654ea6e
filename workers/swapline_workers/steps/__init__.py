"""The four steps, in order: submit, poll, finalize, notify. Without a framework."""
