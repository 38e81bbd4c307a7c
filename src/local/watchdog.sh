# Starts a server and stops it when nobody needs it any more, whatever became of who started it.
#   sh -c watchdog.sh watchdog RUNTIME SIGNAL SERVER ARGUMENT...
# Standard input is the reading end of a FIFO whose writing end everybody holds who needs the server: it ends when the
# last of them has closed it or died. The name RUNTIME/users is then taken away, so that nobody new comes, and the FIFO
# is read once more, for somebody may have come between the two. Where the name is already gone, the server is to be kept.
exec 3<&0
runtime=$1 signal=$2
shift 2
"$@" 3<&- </dev/null &
server=$!
trap '' INT TERM HUP
(
    exec >/dev/null 2>&1
    cat <&3
    mv "$runtime/users" "$runtime/closing" && cat <&3 && kill -"$signal" "$server"
) &
watcher=$!
exec 3<&-
wait "$server"
status=$?
kill -KILL "$watcher" 2>/dev/null
rm -rf "$runtime"
exit "$status"
