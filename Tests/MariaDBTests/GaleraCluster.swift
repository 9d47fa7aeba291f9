import Glibc
import Host
import Kit
import MariaDB
import TestKit

/// Three nodes of a Galera cluster of the test's own, on ports of loopback, with sockets for clients.
final class GaleraCluster: Sendable {
  private let folder: String
  private let nodes: [ProcessHandle]

  private init(_ folder: String, _ nodes: [ProcessHandle]) { (self.folder, self.nodes) = (folder, nodes) }

  var options: MariaDBOptions {
    MariaDBOptions(
      endpoints: (0..<nodes.count).map { .init(socket: "\(folder)/\($0)/s") }, database: "martlet", user: "root",
      password: Secret(""), readers: 1)
  }

  func kill(_ node: Int) { nodes[node].signal(SIGKILL) }
  func kill() { for node in nodes { node.signal(SIGKILL) } }

  /// Ports of Galera's group communication (first), incremental and full state transfer.
  private static func port(_ node: Int, _ kind: Int) -> Int { 24_100 + node * 10 + kind }

  static func start() async throws -> GaleraCluster {
    let folder = try TestKit.folder()
    let addresses = (0..<3).map { "127.0.0.1:\(port($0, 0))" }.joined(separator: ",")
    var nodes: [ProcessHandle] = []
    do {
      for node in 0..<3 {
        nodes.append(try await start(node, folder, cluster: node == 0 ? "" : addresses))
        if node == 0 { try await prepare(folder + "/0/s") }
      }
    } catch {
      for node in nodes { node.signal(SIGKILL) }
      throw error
    }
    return GaleraCluster(folder, nodes)
  }

  private static func prepare(_ socket: String) async throws {
    _ = try await Command(
      "mariadb",
      ["--no-defaults", "--socket", socket, "--user", "root", "--execute", MariaDBServer.create("martlet")]
    ).check()
  }

  private static func start(_ node: Int, _ folder: String, cluster: String) async throws -> ProcessHandle {
    let home = "\(folder)/\(node)"
    try HostFiles.makeFolder(home)
    _ = try await Command(
      "mariadb-install-db",
      [
        "--no-defaults", "--user=root", "--datadir=\(home)/data", "--auth-root-authentication-method=normal",
        "--skip-test-db",
      ], deadline: .seconds(120)
    ).check()
    // rsync's receiver drops root's rights: the server has to be a user's.
    _ = try await Command("chown", ["-R", "mysql:mysql", folder]).check()
    let provider = [
      "base_port=\(port(node, 0))", "gmcast.listen_addr=tcp://127.0.0.1:\(port(node, 0))",
      "ist.recv_addr=127.0.0.1:\(port(node, 1))", "gcache.size=32M", "evs.suspect_timeout=PT1S",
      "evs.inactive_timeout=PT3S", "evs.inactive_check_period=PT0.3S", "evs.keepalive_period=PT0.3S",
    ]
    let server = try await Daemon.start(
      "mariadbd",
      [
        "--no-defaults", "--user=mysql", "--datadir=\(home)/data", "--socket=\(home)/s", "--pid-file=\(home)/pid",
        "--skip-networking", "--binlog-format=ROW", "--innodb-autoinc-lock-mode=2", "--innodb-buffer-pool-size=64M",
        "--innodb-log-file-size=32M", "--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync",
        "--performance-schema=OFF", "--wsrep-on=ON", "--wsrep-provider=/usr/lib/galera/libgalera_smm.so",
        "--wsrep-provider-options=" + provider.joined(separator: ";"), "--wsrep-cluster-name=martlet",
        "--wsrep-cluster-address=gcomm://" + cluster, "--wsrep-node-name=n\(node)",
        "--wsrep-node-address=127.0.0.1:\(port(node, 0))", "--wsrep-sst-method=rsync",
        "--wsrep-sst-receive-address=127.0.0.1:\(port(node, 2))",
      ], log: home + "/log")
    let end = ContinuousClock.now + .seconds(120)
    while try await !isSynced(home + "/s") {
      guard ContinuousClock.now < end, server.isAlive else {
        throw Fault.internal("node \(node) has not joined: \(HostFiles.tail(home + "/log", bytes: 3000))")
      }
      try await Task.sleep(for: .milliseconds(100))
    }
    return server
  }

  private static func isSynced(_ socket: String) async throws -> Bool {
    let answer = try await Command(
      "mariadb",
      [
        "--no-defaults", "--socket", socket, "--user", "root", "--skip-column-names", "--execute",
        "SHOW STATUS LIKE 'wsrep_local_state_comment'",
      ]
    ).run()
    return answer.text.contains("Synced")
  }
}
