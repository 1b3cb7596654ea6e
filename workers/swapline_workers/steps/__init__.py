"""The four steps, in the order of the story: submit, poll, finalize, notify. No framework in sight."""
