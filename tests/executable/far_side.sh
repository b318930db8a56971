# What an administrator types on the far side. Runs in the bare root, as its first process.
# Each step leaves NAME.out and NAME.rc in /tmp/steps.
set -u
ip link set lo up
echo '127.0.0.1 mirror.example.com' >>/etc/hosts
mkdir -p /tmp/steps /opt/unpacked /var/tmp/work
host=mirror.example.com:8443
ca="--certificate-authority /srv/registry/ca.crt"

step() {
    name=$1
    shift
    "$@" >"/tmp/steps/$name.out" 2>&1
    echo $? >"/tmp/steps/$name.rc"
}

cd /media/usb
step checksum sha256sum -c airferry-linux-*.sha256
cp airferry-linux-x86_64 /usr/local/bin/airferry
step version airferry --version
step verify airferry media verify .

mkfifo /tmp/says
airferry registry serve --root /srv/registry --listen 127.0.0.1:8443 --host mirror.example.com >/tmp/says 2>/tmp/steps/serve.err &
registry=$!
read -r line </tmp/says
echo "$line" >/tmp/steps/serve.out

step login airferry login $host -u admin --password-stdin -a /root/auth.json $ca </srv/registry/admin-password
step load airferry release mirror 4.12.0 --from-dir . --to $host/ocp4/openshift4 -a /root/auth.json $ca \
    --verification-key verification-key.asc --manifests-dir /root/manifests
cd /root
step extract airferry release extract --command=openshift-install $host/ocp4/openshift4:4.12.0-x86_64 \
    -a /root/auth.json $ca
step install ./openshift-install version

# A credential helper of this system: it must not be given our libraries.
password=$(cat /srv/registry/admin-password)
cat >/usr/local/bin/docker-credential-probe <<HELPER
#!/bin/sh
env >>/tmp/steps/helper-environment
echo '{"Username": "admin", "Secret": "$password"}'
HELPER
chmod +x /usr/local/bin/docker-credential-probe
echo '{"credHelpers": {"mirror.example.com:8443": "probe"}}' >/root/helped.json
step helped env LD_LIBRARY_PATH=/opt/given \
    airferry release info $host/ocp4/openshift4:4.12.0-x86_64 -a /root/helped.json $ca
step helped-unpacked /opt/unpacked/airferry release info $host/ocp4/openshift4:4.12.0-x86_64 -a /root/helped.json $ca

ln -s /opt/unpacked/airferry /usr/local/bin/airferry-unpacked
step unpacked-version airferry-unpacked --version
cd /media/usb
step unpacked-verify airferry-unpacked media verify .

# The demo's installer is a program of this system's shell.
step demo airferry demo --progress none

kill -TERM $registry
wait $registry
echo $? >/tmp/steps/serve.rc
