# Pipelines, background jobs, traps, here documents, a subshell, a daemon that left the session.
set -eu
cd "$TEN_DATA_DIR"
(sleep 0.01; echo job > job) &
wait $!
count=$(seq 1 100 | grep 7 | sort -r | wc -l)
cat > answer <<END
$count $(cat job) $(printf '%s' "$(id -u)" | grep -c '[0-9]')
END
setsid sh -c 'echo $$ > daemon; exec sleep 1000' > /dev/null 2>&1 &
while ! [ -s daemon ]; do sleep 0.01; done
trap 'echo terminated; exit 0' TERM
cat answer > /dev/stderr
cat answer
exec 3<> /dev/null
while :; do sleep 0.05; done
