"""Authors' tests of their workflows: steps are pretended, everything else is as in a real run."""
