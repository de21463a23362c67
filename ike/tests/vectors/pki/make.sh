#!/bin/sh
# Makes the certificates, CRLs and OCSP replies of this folder with OpenSSL 3, valid for a hundred years from the day it
# runs; the keys are thrown away. Only to be run again when another file is needed: everything changes then.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

host="keyUsage=critical,digitalSignature\nsubjectAltName=DNS:host.example.com,IP:192.0.2.1\nextendedKeyUsage=1.3.6.1.5.5.7.3.17\ncrlDistributionPoints=URI:http://pki.example.com/ca.crl\nauthorityInfoAccess=OCSP;URI:http://pki.example.com/ocsp\n"
responder="extendedKeyUsage=OCSPSigning\nkeyUsage=digitalSignature\nnoCheck=ignored\n"

key() { # name, genpkey options
    local name=$1; shift
    openssl genpkey -quiet "$@" -out "$name.key"
}
printf '[req]\ndistinguished_name=n\n[n]\n' > config
export OPENSSL_CONF="$work/config"
root() { # name, signing options
    local name=$1; shift
    openssl req -new -x509 -key "$name.key" -subj "/C=DE/O=Example/CN=$name root" -days 36500 "$@" \
        -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign" -out "$name.pem"
}
issue() { # name, issuer, serial, extensions, signing options
    local name=$1 issuer=$2 serial=$3 extensions=$4; shift 4
    openssl req -new -key "$name.key" -subj "/C=DE/O=Example/CN=$name" -out "$name.csr"
    printf "$extensions" > extensions
    openssl x509 -req -in "$name.csr" -CA "$issuer.pem" -CAkey "$issuer.key" -set_serial "$serial" -days 36500 \
        -extfile extensions "$@" -out "$name.pem" 2>/dev/null
}
der() { openssl x509 -in "$1.pem" -outform DER -out "$here/$1.der"; }
chain() { # name, root's genpkey options; then --, signing options
    local name=$1; shift
    local options=
    while [ "$1" != -- ]; do options="$options $1"; shift; done
    shift
    key "$name" $options
    key "$name-host" $options
    root "$name" "$@"
    issue "$name-host" "$name" 0x1234 "$host" "$@"
    der "$name"; der "$name-host"
}

rsa="-algorithm RSA -pkeyopt rsa_keygen_bits:2048"
ec="-algorithm EC -pkeyopt ec_param_enc:named_curve -pkeyopt"
chain rsa-sha256 $rsa -- -sha256
chain rsa-sha512 $rsa -- -sha512
chain rsa3072-sha384 -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -- -sha384
chain rsa-pss $rsa -- -sha384 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:48
chain rsa-pss-salt $rsa -- -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:0
chain p256 $ec ec_paramgen_curve:P-256 -- -sha256
chain p256-sha512 $ec ec_paramgen_curve:P-256 -- -sha512
chain p384 $ec ec_paramgen_curve:P-384 -- -sha384
chain p521 $ec ec_paramgen_curve:P-521 -- -sha512
chain ed25519 -algorithm ED25519 --
chain rsa-sha1 $rsa -- -sha1
chain rsa-md5 $rsa -- -md5
chain rsa1024 -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -- -sha256
chain ed448 -algorithm ED448 --
chain p256-sha1 $ec ec_paramgen_curve:P-256 -- -sha1
chain brainpool $ec ec_paramgen_curve:brainpoolP256r1 -- -sha256

# Revocation under p256: 0x1234 is good, 0x4321 is revoked.
key revoked $ec ec_paramgen_curve:P-256
issue revoked p256 0x4321 "$host" -sha256
der revoked
key responder $ec ec_paramgen_curve:P-384
issue responder p256 0x99 "$responder" -sha256
key no-responder $ec ec_paramgen_curve:P-256
issue no-responder p256 0x98 "$host" -sha256
printf 'V\t21000101000000Z\t\t1234\tunknown\t/CN=host\nR\t21000101000000Z\t260101000000Z,keyCompromise\t4321\tunknown\t/CN=revoked\n' > index.txt
printf '01\n' > crlnumber
printf '[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ncrlnumber=crlnumber\ndefault_md=sha256\ncrl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n' > ca.config
openssl ca -config ca.config -gencrl -keyfile p256.key -cert p256.pem -crldays 36500 -out crl.pem 2>/dev/null
openssl crl -in crl.pem -outform DER -out "$here/crl.der"
cp crl.pem "$here/crl.pem"
reply() { # file, certificate, digest of the CertID, signer
    openssl ocsp -issuer p256.pem "-$3" -cert "$2.pem" -reqout request.der -no_nonce >/dev/null 2>&1
    openssl ocsp -index index.txt -CA p256.pem -rsigner "$4.pem" -rkey "$4.key" -reqin request.der -ndays 36500 \
        -respout "$here/$1.der" >/dev/null 2>&1
}
reply ocsp-good p256-host sha1 p256
reply ocsp-good-sha256 p256-host sha256 p256
reply ocsp-revoked revoked sha1 p256
reply ocsp-delegated p256-host sha1 responder
reply ocsp-not-delegated p256-host sha1 no-responder
openssl ocsp -issuer p256.pem -cert p256-host.pem -reqout "$here/ocsp-request.der" -no_nonce >/dev/null 2>&1
cat p256-host.pem p256.pem > "$here/bundle.pem"
