"""`python -m agent_store` is `agent-store`."""

import sys

from agent_store.cli import main

if __name__ == "__main__":
    sys.exit(main())
