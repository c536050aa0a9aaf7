#!/bin/sh
# Write the exact pins with hashes; no registry address is written.
# usage: pins.sh BIN_DIR
set -eu
bin=$1
compile() {
    "$bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
        --no-emit-index-url --no-emit-find-links --no-header --no-annotate "$@"
}
compile pyproject.toml --group build -o requirements/run.txt
compile pyproject.toml --group build --group test --group static -o requirements/test.txt
