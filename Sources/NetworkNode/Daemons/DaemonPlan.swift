/// A program that a namespace needs, with its files.
struct DaemonPlan: Sendable, Equatable {
  /// Of its folder below the data plane's.
  var name: String
  /// The network or router that it serves.
  var resourceID: String
  var namespace: String
  var program: String
  /// Arguments; `%` stands for the daemon's folder.
  var arguments: [String]
  /// The argument by which its process is known, `%` as above.
  var marker: String
  /// Contents by file name.
  var files: [String: String]
  /// Files that the program reads only when it starts: a change restarts it. After others it gets SIGHUP.
  var restartFiles: Set<String>
  /// A file of leases in dnsmasq's format, and who may have which address: (MAC, address).
  var leases: Set<String> = []

  static func path(_ text: String, _ folder: String) -> String { text.replacing("%", with: folder) }
}
