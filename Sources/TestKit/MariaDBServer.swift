import Glibc
import Host
import Kit
import MariaDB
import Store
import Synchronization

/// A MariaDB server of the tests' own, in a temporary folder and on a Unix socket, that ends with the test process.
public actor MariaDBServer {
  /// The one that the suites of a test process share; it is started when the first of them asks.
  public static let shared = MariaDBServer()

  private var starting: Task<String, any Error>?

  /// A new empty database with the given migrations run.
  public func database(_ migrations: [Migration]) async throws -> MariaDBDatabase {
    let name = "test_" + UUIDText.makeHex()
    let socket = try await socket()
    _ = try await Command(
      "mariadb",
      ["--no-defaults", "--socket", socket, "--user", "root", "--execute", Self.create(name)]
    ).check()
    let database = try MariaDBDatabase(
      MariaDBOptions(
        endpoints: [.init(socket: socket)], database: name, user: "root", password: Secret(""), readers: 2))
    try await database.migrate(migrations)
    return database
  }

  /// As `docs/operations.md` tells operators to make it: texts are compared byte by byte, as in SQLite.
  public static func create(_ name: String) -> String {
    "CREATE DATABASE \(name) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"
  }

  private func socket() async throws -> String {
    if let starting { return try await starting.value }
    let task = Task(operation: Self.start)
    starting = task
    return try await task.value
  }

  private static func start() async throws -> String {
    let folder = try TestKit.folder()
    let data = folder + "/data"
    _ = try await Command(
      "mariadb-install-db",
      [
        "--no-defaults", "--user=root", "--datadir=" + data, "--auth-root-authentication-method=normal",
        "--skip-test-db",
      ], deadline: .seconds(120)
    ).check()
    let socket = folder + "/s"
    let server = try await Daemon.start(
      "mariadbd",
      [
        "--no-defaults", "--user=root", "--datadir=" + data, "--socket=" + socket, "--pid-file=" + folder + "/pid",
        "--skip-networking", "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M",
        "--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--performance-schema=OFF",
        "--max-connections=4000",
        // Hundreds of tests hold a database each until the process ends.
        "--max-prepared-stmt-count=1000000",
      ], log: folder + "/log")
    endAtExit(server)
    let end = ContinuousClock.now + .seconds(120)
    while true {
      let answer = try await Command(
        "mariadb-admin", ["--no-defaults", "--socket", socket, "--user", "root", "ping"]
      ).run()
      if answer.status == 0 { return socket }
      guard ContinuousClock.now < end, server.isAlive else {
        throw Fault.internal("mariadbd does not answer: \(HostFiles.tail(folder + "/log", bytes: 2000))")
      }
      try await Task.sleep(for: .milliseconds(50))
    }
  }

  /// There is nothing in a test run that comes last but the end of the process itself.
  private static func endAtExit(_ server: ProcessHandle) {
    MariaDBServers.running.withLock { $0.append(server) }
    atexit { for server in MariaDBServers.running.withLock({ $0 }) { server.signal(SIGKILL) } }
  }
}

private enum MariaDBServers {
  static let running = Mutex<[ProcessHandle]>([])
}
