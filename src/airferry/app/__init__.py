"""One module for each thing an operator asks for; the only place where rooms are wired together."""
