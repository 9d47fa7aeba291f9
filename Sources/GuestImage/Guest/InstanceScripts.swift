/// How the guest becomes the server that was asked for.
enum InstanceScripts {
  static func files(user: String) -> [GuestFile] {
    [
      GuestFile("usr/sbin/guest-init", mode: 0o755, metadata.replacing("user=USER", with: "user=\(user)")),
      GuestFile("usr/lib/guest/json.awk", json),
    ]
  }

  /// Finds the metadata and applies it.
  static let metadata = #"""
    #!/usr/bin/busybox sh
    # Applies the instance's metadata: from a config drive, else over HTTP from OpenStack's tree, else from EC2's.
    PATH=/usr/sbin:/usr/bin
    user=USER
    data=/run/guest/data
    mkdir -p $data
    say() { echo "guest: $*" > /dev/console; }

    from_drive() {
      drive=$(blkid -c /dev/null | sed -n 's/^\([^:]*\):.* LABEL="[Cc][Oo][Nn][Ff][Ii][Gg]-2".*/\1/p' | head -n 1)
      [ -n "$drive" ] || return 1
      mkdir -p /run/guest/drive
      mount -o ro "$drive" /run/guest/drive || return 1
      cp /run/guest/drive/openstack/latest/meta_data.json $data/
      found=$?
      cp /run/guest/drive/openstack/latest/user_data $data/ 2>/dev/null
      umount /run/guest/drive
      [ $found = 0 ] && source="config drive $drive"
    }

    # fetch PATH FILE: one request to the metadata service; where there is no IPv4 address, at its IPv6 address.
    fetch() {
      rm -f "$2"
      if ip -4 route get 169.254.169.254 >/dev/null 2>&1; then
        timeout 5 wget -q -O "$2" "http://169.254.169.254/$1" 2>/dev/null && return 0
      else
        for path in /sys/class/net/eth*; do
          curl -gsf -m 5 -o "$2" "http://[fe80::a9fe:a9fe%25${path##*/}]/$1" && return 0
        done
      fi
      rm -f "$2"
      return 1
    }

    from_openstack() {
      fetch openstack/latest/meta_data.json $data/meta_data.json || return 1
      fetch openstack/latest/user_data $data/user_data
      source="metadata service"
    }

    from_ec2() {
      fetch latest/meta-data/instance-id $data/instance-id || return 1
      read -r instance < $data/instance-id
      fetch latest/meta-data/hostname $data/hostname && read -r name < $data/hostname
      : > $data/keys
      if fetch latest/meta-data/public-keys/ $data/key-list; then
        while IFS='=' read -r number _ || [ -n "$number" ]; do
          fetch "latest/meta-data/public-keys/$number/openssh-key" $data/key && cat $data/key >> $data/keys && echo >> $data/keys
        done < $data/key-list
      fi
      fetch latest/user-data $data/user_data
      source="EC2 metadata service"
    }

    read_openstack() {
      awk -f /usr/lib/guest/json.awk < $data/meta_data.json > $data/flat || return 1
      : > $data/keys
      while IFS='	' read -r path text; do
        case $path in
          uuid) instance=$text ;;
          hostname) name=$text ;;
          admin_pass) password=$text ;;
          public_keys.*) echo "$text" >> $data/keys ;;
        esac
      done < $data/flat
      rm -f $data/flat
    }

    set_name() {
      short=${name%%.*}
      case $short in '' | *[!A-Za-z0-9_-]*) return ;; esac
      [ "$short" = "$(hostname)" ] && return
      hostname "$short"
      echo "$short" > /etc/hostname
      printf '127.0.0.1 localhost\n127.0.1.1 %s %s\n::1 localhost\n' "$name" "$short" > /etc/hosts
      # A login prompt that is there already shows the old name.
      killall -q getty
    }

    # What belongs to an instance and not to its disk: a server that starts from a snapshot is a new one.
    first_boot() {
      if [ -s $data/keys ]; then
        mkdir -p -m 700 /home/$user/.ssh
        cp $data/keys /home/$user/.ssh/authorized_keys
        chmod 600 /home/$user/.ssh/authorized_keys
        chown -R $user:$user /home/$user/.ssh
      fi
      [ -n "$password" ] && printf '%s:%s\n' "$user" "$password" | chpasswd
      [ -n "$last" ] && rm -f /etc/dropbear/dropbear_*_host_key
    }

    run_user_data() {
      [ -s $data/user_data ] || return
      case $(head -c 2 $data/user_data) in
        '#!') ;;
        *) say "the user data is not a script that begins with #!: nothing was run"; return ;;
      esac
      cp $data/user_data /var/lib/guest/user-data
      chmod 700 /var/lib/guest/user-data
      say "running the user data"
      (cd / && /var/lib/guest/user-data > /dev/console 2>&1 < /dev/null)
      say "the user data ended with status $?"
    }

    source= instance= name= password= last=
    n=0
    while :; do
      [ $n -lt 5 ] && from_drive && break
      from_openstack && break
      from_ec2 && break
      n=$((n + 1))
      [ $n = 100 ] && break
      usleep 300000
    done
    [ -s $data/meta_data.json ] && read_openstack
    [ -s /var/lib/guest/instance ] && read -r last < /var/lib/guest/instance
    set_name
    is_new=0
    if [ "$last" != "${instance:-none}" ]; then
      is_new=1
      first_boot
      echo "${instance:-none}" > /var/lib/guest/instance
    fi
    rm -f $data/meta_data.json
    say "metadata from ${source:-nowhere}: instance ${instance:-none}, host name $(hostname), $(grep -c . $data/keys 2>/dev/null || echo 0) keys"
    touch /run/guest/ready
    [ $is_new = 1 ] && run_user_data
    rm -rf $data
    touch /run/guest/done

    """#

  /// Reads the metadata.
  static let json = #"""
    # Flattens JSON from standard input: a line PATH<TAB>TEXT for every string, number and word; a string of several lines gives
    # a line for each.
    BEGIN {
      while ((getline line) > 0) json = json line "\n"
      value("")
    }
    function skip() { sub(/^[ \t\r\n,:]+/, "", json) }
    function take(count, taken) {
      if (count < 1) exit 1
      taken = substr(json, 1, count)
      json = substr(json, count + 1)
      return taken
    }
    function text(quoted) {
      match(json, /^"([^"\\]|\\.)*"/)
      quoted = take(RLENGTH)
      return plain(substr(quoted, 2, length(quoted) - 2))
    }
    function value(path, first, key, count) {
      skip()
      first = substr(json, 1, 1)
      if (first == "{") {
        take(1)
        for (skip(); substr(json, 1, 1) != "}"; skip()) {
          key = text()
          value(path == "" ? key : path "." key)
        }
        take(1)
      } else if (first == "[") {
        take(1)
        for (skip(); substr(json, 1, 1) != "]"; skip()) value(path "." count++)
        take(1)
      } else if (first == "\"") {
        show(path, text())
      } else {
        match(json, /^[^],}[:space:]]+/)
        show(path, take(RLENGTH))
      }
    }
    function show(path, lines, parts, number, i) {
      number = split(lines, parts, "\n")
      for (i = 1; i <= number; i++) if (parts[i] != "" || number == 1) print path "\t" parts[i]
    }
    function plain(quoted, out, at, mark) {
      while (at = index(quoted, "\\")) {
        out = out substr(quoted, 1, at - 1)
        mark = substr(quoted, at + 1, 1)
        quoted = substr(quoted, at + 2)
        if (mark == "n") mark = "\n"
        else if (mark == "t") mark = "\t"
        else if (mark == "r" || mark == "b" || mark == "f") mark = ""
        else if (mark == "u") {
          mark = utf8(hex(substr(quoted, 1, 4)))
          quoted = substr(quoted, 5)
        }
        out = out mark
      }
      return out quoted
    }
    function hex(digits, i, sum) {
      for (i = 1; i <= length(digits); i++) sum = sum * 16 + index("0123456789abcdef", tolower(substr(digits, i, 1))) - 1
      return sum
    }
    function utf8(code) {
      if (code < 128) return sprintf("%c", code)
      if (code < 2048) return sprintf("%c%c", 192 + int(code / 64), 128 + code % 64)
      return sprintf("%c%c%c", 224 + int(code / 4096), 128 + int(code / 64) % 64, 128 + code % 64)
    }

    """#
}
