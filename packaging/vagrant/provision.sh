#!/bin/sh
# Makes this machine one of the four of the example: two gateways with a tunnel between them, and a host behind each.
#
#   provision.sh hq|branch PACKAGE      a gateway: installs the package, writes the policy, forwards, starts ikd
#   provision.sh host-hq|host-branch    a host: sends what is for the other network to its gateway
#
#   host-hq ------------ hq =================== branch ------------ host-branch
#   10.1.0.10     10.1.0.2  192.168.56.11   192.168.56.12  10.2.0.2     10.2.0.10
#
# The addresses are there already. IKD_SECRET: the secret of both gateways. It may be run again.
set -eu
role=${1:?hq, branch, host-hq or host-branch}

case $role in
    hq)     other=branch outside=192.168.56.11 other_outside=192.168.56.12 inside=10.1.0.0/16 other_inside=10.2.0.0/16 ;;
    branch) other=hq     outside=192.168.56.12 other_outside=192.168.56.11 inside=10.2.0.0/16 other_inside=10.1.0.0/16 ;;
    host-hq)     exec ip route replace 10.2.0.0/16 via 10.1.0.2 ;;
    host-branch) exec ip route replace 10.1.0.0/16 via 10.2.0.2 ;;
    *)
        echo "provision.sh: no machine is called '$role'" >&2
        exit 2
        ;;
esac
package=${2:?the package to install}
secret=${IKD_SECRET:?the secret of both gateways}

# Again: another build may have the same version, or an older one.
DEBIAN_FRONTEND=noninteractive apt-get install -y --reinstall --allow-downgrades "$package"

# The secret beside the policy may have any character, but for a line's end.
umask 077
printf '%s\n' "$secret" > "/etc/ikd/$other.psk"
cat > "/etc/ikd/$other.yaml" <<POLICY
version: 1
connections:
  $other:
    local:  { address: $outside, id: $role.example.com }
    remote: { address: $other_outside, id: $other.example.com }
    auth:   { psk: { file: $other.psk } }
    children:
      lan: { local: $inside, remote: $other_inside, keep: up }
POLICY

umask 022
echo net.ipv4.ip_forward=1 > /etc/sysctl.d/60-ikd-gateway.conf
sysctl --quiet --load /etc/sysctl.d/60-ikd-gateway.conf

systemctl restart ikd
