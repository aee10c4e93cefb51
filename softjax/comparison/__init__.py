"""Autodiff frameworks side by side: `cases` says what they are asked, `run` asks them, `report` tells."""
