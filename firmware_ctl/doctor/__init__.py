"""`doctor`: what on this machine makes the mat unsafe or unable to run, each with its fix."""
