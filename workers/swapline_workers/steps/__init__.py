"""The four steps, without a framework: submit, poll, finalize, notify."""
