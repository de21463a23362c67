#!/bin/sh
# Makes an authority (ca.pem, and ca.key, which belongs on no gateway) and the certificates of hq and branch, with openssl 3.
# The key of a gateway never leaves it: there, the first openssl line of `gateway` makes key and request, and only the
# request goes to where ca.key is.
set -eu
umask 077

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout ca.key -out ca.pem -days 3650 \
    -subj "/C=DE/O=Example/CN=Example VPN CA" \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign"

gateway() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout "$1.key" -out "$1.request" \
        -subj "/C=DE/O=Example/CN=$1" -addext "subjectAltName=DNS:$1.example.com" -addext "keyUsage=critical,digitalSignature"
    openssl x509 -req -in "$1.request" -CA ca.pem -CAkey ca.key -days 365 -copy_extensions copyall -out "$1.pem"
    rm "$1.request"
}

gateway hq
gateway branch
