#!/usr/bin/env bash
# The same by hand: every line that goes out or comes in is what you could type into 'nc 127.0.0.1 7410'.
set -euo pipefail
contact="call-$$-$RANDOM"

coproc SERVER { exec nc "$1" "$2"; }

say() {
    echo "-> $1"
    echo "$1" >&"${SERVER[1]}"
}

# Reads lines until one has $1 in it, which is left in $line.
hear() {
    while read -r -t 10 line <&"${SERVER[0]}"; do
        echo "<- $line"
        case $line in
        *"$1"*) return ;;
        *'"type":"error"'*) exit 1 ;;
        esac
    done
    echo "the server did not say $1" >&2
    exit 1
}

say '{"type":"hello","version":1,"client":"by-hand"}'
hear '"type":"welcome"'
say '{"type":"agent.login","id":1,"agent":"a-12","address":"PJSIP/1012","ready":true}'
hear '"type":"ok"'
say '{"type":"contact.enqueue","id":2,"contact":"'"$contact"'","tenant":"acme","queue":"support","priority":5}'
hear '"type":"contact.offered"'
offer=${line#*'"offer":"'}
offer=${offer%%'"'*}
say '{"type":"offer.accept","id":3,"offer":"'"$offer"'"}'
hear '"type":"contact.connected"'
say '{"type":"contact.complete","id":4,"contact":"'"$contact"'","reason":"completed_caller"}'
hear '"type":"contact.ended"'
say '{"type":"agent.logout","id":5,"agent":"a-12"}'
hear '"state":"logged_out"'
kill "$SERVER_PID"
