import Kit

/// What Compute limits per project (key pairs: per user), and the limits that hold where none was set
/// (Nova's `[quota]` options).
enum QuotaResource {
  /// Name and built-in limit, in upstream's order.
  static let all: [(name: String, initial: Int)] = [
    ("instances", 10), ("cores", 20), ("ram", 51_200), ("metadata_items", 128), ("injected_files", 5),
    ("injected_file_content_bytes", 10_240), ("injected_file_path_bytes", 255), ("key_pairs", 100),
    ("server_groups", 10), ("server_group_members", 10), ("fixed_ips", -1), ("floating_ips", -1),
    ("security_groups", -1), ("security_group_rules", -1),
  ]
  /// Gone from microversion 2.36: Network's own.
  static let network: Set<String> = ["fixed_ips", "floating_ips", "security_groups", "security_group_rules"]
  /// Gone from microversion 2.57.
  static let injected: Set<String> = ["injected_files", "injected_file_content_bytes", "injected_file_path_bytes"]
  static let initial = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0.initial) })
}
