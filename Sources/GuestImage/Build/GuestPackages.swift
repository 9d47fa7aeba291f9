/// What the guest is made of, as Debian packages.
enum GuestPackages {
  /// A name that ends in `*` is a metapackage: the package that it depends on is meant.
  static let all = [kernel] + programs + libraries + tools

  /// Drivers of virtual machines only, and half as large as the general kernel.
  static let kernel = "linux-image-cloud-amd64*"

  static let programs = [
    "busybox", "busybox-static", "curl", "dropbear-bin", "e2fsprogs", "iputils-ping", "netcat-openbsd",
    "netcat-traditional", "openssh-sftp-server", "qemu-guest-agent", "sudo", "util-linux",
  ]

  static let libraries = [
    "libaudit1", "libblkid1", "libbrotli1", "libbsd0", "libc6", "libcap-ng0", "libcap2", "libcom-err2", "libcrypt1",
    "libcurl4", "libext2fs2", "libffi8", "libgcc-s1", "libglib2.0-0", "libgmp10", "libgnutls30", "libgssapi-krb5-2",
    "libhogweed6", "libidn2-0", "libk5crypto3", "libkeyutils1", "libkrb5-3", "libkrb5support0", "libldap-2.5-0",
    "libmd0",
    "libmount1", "libnettle8", "libnghttp2-14", "libnuma1", "libp11-kit0", "libpam-modules", "libpam0g", "libpcre2-8-0",
    "libpsl5", "librtmp1", "libsasl2-2", "libselinux1", "libsmartcols1", "libss2", "libssh2-1", "libssl3", "libtasn1-6",
    "libtinfo6", "libtomcrypt1", "libtommath1", "libudev1", "libunistring2", "liburing2", "libuuid1", "libzstd1",
    "zlib1g",
  ]

  /// Programs that run during the build, not in the guest.
  static let tools = ["grub-common", "grub-pc-bin", "libdevmapper1.02.1", "liblz4-1", "liblzma5", "lz4"]
}
