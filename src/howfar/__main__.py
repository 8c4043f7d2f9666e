"""`python -m howfar`, as launchers of several processes start it."""

from howfar.cli import main

main()
