/// Plain settings of the guest.
enum SystemSettings {
  static func files(_ account: GuestAccount) -> [GuestFile] {
    let user = account.user
    return [
      GuestFile("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n\(user):x:1000:1000:cloud user:/home/\(user):/bin/sh\n"),
      GuestFile("etc/group", "root:x:0:\ntty:x:5:\ndisk:x:6:\n\(user):x:1000:\n"),
      GuestFile("etc/sudoers", mode: 0o440, sudoers.replacing("USER", with: user)),
      GuestFile(
        "etc/pam.d/sudo", "auth required pam_deny.so\naccount required pam_permit.so\nsession required pam_permit.so\n"),
      GuestFile("etc/shells", "/bin/sh\n"), GuestFile("etc/hostname", "guest\n"), GuestFile("etc/resolv.conf", ""),
      GuestFile("etc/hosts", "127.0.0.1 localhost\n127.0.1.1 guest\n::1 localhost\n"),
      GuestFile("etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"),
      // What mount tries when it is not told the type; naming them lets the kernel load the drivers.
      GuestFile("etc/filesystems", "ext4\niso9660\nvfat\n"),
      GuestFile("etc/profile", profile), GuestFile("etc/os-release", osRelease),
      GuestFile(
        "etc/issue",
        "Martlet guest \\n \\l\nLog in as \(user) with the server's key or the password \(account.password); sudo asks for none.\n\n"
      ),
    ]
  }

  /// See sudoers(5).
  static let sudoers = #"""
    Defaults env_reset, secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    root ALL=(ALL:ALL) ALL
    USER ALL=(ALL:ALL) NOPASSWD: ALL

    """#

  /// For login shells.
  static let profile = #"""
    export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin
    export PS1="\u@\h:\w\$ "

    """#

  /// See os-release(5).
  static let osRelease = #"""
    ID=martlet-guest
    ID_LIKE=debian
    NAME="Martlet guest"
    PRETTY_NAME="Martlet guest"

    """#
}
