#!/bin/sh
# Starts airferry with the C library that lies beside it, so that the system's may be another, or older.
here=$(dirname -- "$(readlink -f -- "$0")")
exec "$here"/lib/ld-linux*.so.* --library-path "$here/lib" "$here/airferry.bin" "$@"
