"""`doctor`: what on this machine would make the mat unsafe or unable to run, with its mend."""
