from skyworld.cli import main

main()
