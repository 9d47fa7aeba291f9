import Kit

/// Where a MariaDB server or Galera cluster is, and who asks.
public struct MariaDBOptions: Sendable {
  /// A server: by TCP, or by its Unix socket on this machine.
  public struct Endpoint: Sendable, Equatable, CustomStringConvertible {
    public var host: String
    public var port: Int
    /// Path of the socket; host and port do not count then.
    public var socket: String?

    public init(host: String, port: Int = 3306) { (self.host, self.port, socket) = (host, port, nil) }
    public init(socket: String) { (host, port, self.socket) = ("localhost", 0, socket) }
    public var description: String { socket ?? "\(host):\(port)" }
  }

  /// In order of preference. Every controller is given the same order: they all write to the first one that is alive, and
  /// Galera's certification keeps a failover, in which two of them may be written to, correct.
  public var endpoints: [Endpoint]
  public var database: String
  public var user: String
  public var password: Secret
  /// File with the certificates of the authorities that servers must be signed by; nil: no TLS.
  public var authority: String?
  /// How long one attempt to connect may take, in seconds.
  public var connectTimeout: Int
  /// How long a transaction is tried again before the caller gets a fault: the time a cluster needs to agree anew.
  public var retryFor: Duration
  /// Connections for reading; there is one more for writing.
  public var readers: Int

  public init(
    endpoints: [Endpoint], database: String, user: String, password: Secret, authority: String? = nil,
    connectTimeout: Int = 2, retryFor: Duration = .seconds(20), readers: Int = 4
  ) {
    (self.endpoints, self.database, self.user, self.password) = (endpoints, database, user, password)
    (self.authority, self.connectTimeout, self.retryFor, self.readers) = (authority, connectTimeout, retryFor, readers)
  }
}
