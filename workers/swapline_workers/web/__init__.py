"""What the pages share that ask for a password: logins with limits on guesses, and bounds on connections."""
