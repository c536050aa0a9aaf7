"""How an instance is isolated: plans of small printable steps."""
