/// A key of `martlet.yaml`: its path, what it means, its type and its default. `martlet config show --explain` prints them.
public struct ConfigurationKey: Sendable {
  public enum Kind: Sendable {
    case text
    case integer(ClosedRange<Int>)
    case decimal(ClosedRange<Double>)
    case boolean
    case choice([String])

    /// For the explanation.
    public var name: String {
      switch self {
      case .text: "text"
      case .integer(let range): "integer from \(range.lowerBound) to \(range.upperBound)"
      case .decimal(let range): "number from \(range.lowerBound) to \(range.upperBound)"
      case .boolean: "true or false"
      case .choice(let values): "one of " + values.joined(separator: ", ")
      }
    }
  }

  /// `compute.cpu_allocation_ratio`
  public let path: String
  public let kind: Kind
  public let initial: String
  public let doc: String

  init(_ path: String, _ kind: Kind, _ initial: String, _ doc: String) {
    (self.path, self.kind, self.initial, self.doc) = (path, kind, initial, doc)
  }

  /// Every key there is.
  public static let all: [ConfigurationKey] = [
    ConfigurationKey("cloud.name", .text, "martlet", "Name of the cloud, and of its network namespace."),
    ConfigurationKey("cloud.region", .text, "RegionOne", "Region in the catalog."),
    ConfigurationKey("cloud.host", .text, "", "Name of this node; empty: the machine's host name."),
    ConfigurationKey(
      "api.address", .text, "127.0.0.1",
      "Address at which the APIs listen and which stands in the catalog. Other machines reach them only at an address of theirs."
    ),
    ConfigurationKey(
      "api.port_offset", .integer(0...50_000), "0", "Added to every port, so that several clouds fit on one host."),
    ConfigurationKey(
      "log.level", .choice(["trace", "debug", "info", "audit", "warning", "error", "critical"]), "info",
      "Least level that is written; `martlet log set` changes it per service while it runs."),
    ConfigurationKey(
      "store.engine", .choice(["sqlite", "mariadb"]), "sqlite",
      "sqlite: a file in the state folder. mariadb: a server or Galera cluster, which several controllers share."),
    ConfigurationKey(
      "store.endpoints", .text, "",
      "MariaDB: its servers as HOST:PORT or /path/of/socket, separated by commas, in the same order on every controller."
    ),
    ConfigurationKey("store.database", .text, "martlet", "MariaDB: the name of the database."),
    ConfigurationKey("store.user", .text, "martlet", "MariaDB: the name of its user."),
    ConfigurationKey(
      "store.password_file", .text, "", "MariaDB: file with the user's password, which only its owner may read."),
    ConfigurationKey(
      "store.authority_file", .text, "",
      "MariaDB: certificates of the authorities that its servers must be signed by; empty: no TLS."),
    ConfigurationKey(
      "store.durability", .choice(["full", "normal"]), "full",
      "full: a commit survives a power cut. normal: it survives the end of the process, and is faster."),
    ConfigurationKey("identity.token_lifetime", .integer(60...604_800), "3600", "Seconds that a token is good for."),
    ConfigurationKey(
      "identity.lockout_failure_attempts", .integer(0...1_000_000), "0",
      "Wrong passwords in a row that lock an account; 0: none does."),
    ConfigurationKey(
      "identity.lockout_duration", .integer(0...31_536_000), "1800",
      "Seconds that an account stays locked after the last of them; 0: until it gets a new password."),
    ConfigurationKey(
      "identity.password_expires_days", .integer(0...36_500), "0", "Days that a password is good for; 0: for ever."),
    ConfigurationKey(
      "identity.unique_last_password_count", .integer(0...24), "0",
      "Last passwords, the present one included, that must not be used again; 0: all may."),
    ConfigurationKey(
      "identity.minimum_password_age", .integer(0...36_500), "0",
      "Days that a password which its user chose must be kept."),
    ConfigurationKey(
      "identity.password_regex", .text, "", "Regular expression that passwords must match from their beginning."),
    ConfigurationKey(
      "identity.password_regex_description", .text, "", "What that expression asks for, as users are told."),
    ConfigurationKey(
      "identity.change_password_upon_first_use", .boolean, "false",
      "Whether a password that an administrator has set must be changed at its first use."),
    ConfigurationKey(
      "identity.limit_model", .choice(["flat", "strict_two_level"]), "flat",
      "How unified limits of projects and domains relate. strict_two_level: a domain's limit bounds those of its projects."
    ),
    ConfigurationKey(
      "policy.file", .text, "",
      "File with rules in oslo.policy's syntax that take the place of policies' defaults; empty: policy.yaml in the state folder."
    ),
    ConfigurationKey(
      "hypervisor.driver", .choice(["qemu", "fake"]), "qemu",
      "qemu: real guests. fake: guests that only exist in the books, for tests of clients and of scale."),
    ConfigurationKey(
      "hypervisor.accelerator", .choice(["auto", "kvm", "tcg"]), "auto",
      "auto: KVM when a test boot of it works, else emulation (tcg)."),
    ConfigurationKey("hypervisor.zone", .text, "nova", "Availability zone of this node."),
    ConfigurationKey(
      "placement.cpu_allocation_ratio", .decimal(0.1...100_000), "16.0",
      "Virtual CPUs that a node promises for each of its cores. Idle guests share cores well."),
    ConfigurationKey(
      "placement.ram_allocation_ratio", .decimal(0.1...100_000), "1.0",
      "Memory that a node promises for each MiB it has. Above 1 the host swaps, or ends guests, when all use theirs."),
    ConfigurationKey(
      "placement.disk_allocation_ratio", .decimal(0.1...100_000), "1.0",
      "Disk that a node promises for each GiB it has. Disks grow as they are written, so a ratio above 1 can fill the host."
    ),
    ConfigurationKey(
      "placement.reserved_memory_mb", .integer(0...1_000_000), "512", "Memory in MiB of a node that guests do not get."),
    ConfigurationKey(
      "volumes.backends", .text, "files",
      "Where volumes live, separated by commas: name, name:format or name:format:folder. The format is qcow2 (thin, copy on write) or raw; the folder is one in the state folder when none is named."
    ),
    ConfigurationKey(
      "volumes.in_catalog", .boolean, "true",
      "Whether clients find Block Storage in the catalog."),
    ConfigurationKey(
      "volumes.over_subscription_ratio", .decimal(1...1000), "20.0",
      "Gigabytes of volumes that a backend promises for each gigabyte of its disk."),
    ConfigurationKey(
      "network.driver", .choice(["kernel", "fake"]), "kernel", "kernel: real networks. fake: only in the books."),
    ConfigurationKey(
      "network.external", .text, "routed",
      "How the external network meets the world: isolated, routed, or bridged:NIC."),
    ConfigurationKey(
      "network.external_cidr", .text, "172.24.4.0/24", "Addresses of the external network; floating IPs come from it."),
    ConfigurationKey(
      "network.external_gateway", .text, "172.24.4.1", "Gateway of the external network, on this node unless bridged."),
    ConfigurationKey(
      "network.external_name", .text, "public", "Name of the external network that the first start makes."),
  ]
}
