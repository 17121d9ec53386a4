import sys

from skyworld.cli import main

sys.exit(main())
