"""Settings as they come: variables, `.env`, files, and variables that are none of ours."""
