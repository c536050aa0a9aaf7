# Promtool looks the configuration over, Prometheus serves by it.
# Usage: prometheus.sh PORT FOLDER
promtool check config prometheus.yml &&
    exec prometheus --config.file=prometheus.yml --log.level=error \
        --storage.tsdb.path="$2/tsdb" --web.listen-address="127.0.0.1:$1"
