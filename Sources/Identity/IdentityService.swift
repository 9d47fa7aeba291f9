import API
import Contracts
import Kit
import Logs
import Store
import Synchronization

/// A service of the cloud's catalog; it gets a public, an internal and an admin endpoint at the same URL.
public struct CatalogEndpoint: Sendable {
  /// Upstream's service type, such as `compute`.
  public var serviceType: String
  /// Upstream's service name, such as `nova`.
  public var serviceName: String
  public var url: String
  public init(serviceType: String, serviceName: String, url: String) {
    (self.serviceType, self.serviceName, self.url) = (serviceType, serviceName, url)
  }
}

/// What of Identity can be set.
public struct IdentitySettings: Sendable {
  public var compliance = SecurityCompliance()
  public var limitModel = LimitModel.flat
  public init() {}
}

/// The Identity service (Keystone's v3 API): who people are, what they may do where, and the catalog of services. Tokens are
/// sealed and stateless; what they mean is looked up in a snapshot in memory that follows every committed write.
public final class IdentityService: TokenVerifying, ProjectDirectory, Sendable {
  /// How long after its end a token is still shown to a service that asks with `allow_expired` (upstream's
  /// allow_expired_window).
  static let expiredWindow: Duration = .seconds(172_800)

  struct Sealers: Sendable {
    let tokens: Sealer
    let secrets: Sealer
    let receipts: Sealer
  }

  let database: any Database
  let clock: any WallClock
  let log: Log
  let keyDirectory: String
  let tokenLifetime: Duration
  let hasher: PasswordHasher
  let settings: IdentitySettings
  let gate = LoginGate()
  private let sealers = Mutex<Sealers>(
    Sealers(
      tokens: Sealer(purpose: "token", keys: [:]), secrets: Sealer(purpose: "credential", keys: [:]),
      receipts: Sealer(purpose: "receipt", keys: [:])))
  private let snapshot = Mutex(Snapshot())

  /// `keyDirectory`: where the sealing keys are kept, readable by the owner only.
  public convenience init(
    database: any Database, clock: any WallClock = SystemClock(), log: Log, keyDirectory: String,
    tokenLifetime: Duration = .seconds(3600), settings: IdentitySettings = IdentitySettings()
  ) {
    self.init(
      database: database, clock: clock, log: log, keyDirectory: keyDirectory, tokenLifetime: tokenLifetime,
      settings: settings, passwordCost: .standard)
  }

  init(
    database: any Database, clock: any WallClock, log: Log, keyDirectory: String, tokenLifetime: Duration,
    settings: IdentitySettings = IdentitySettings(), passwordCost: PasswordCost
  ) {
    (self.database, self.clock, self.log) = (database, clock, log)
    (self.keyDirectory, self.tokenLifetime) = (keyDirectory, tokenLifetime)
    self.settings = settings
    hasher = PasswordHasher(cost: passwordCost)
  }

  /// Loads the sealing keys, making them at the first start, and the snapshot. Throws a fault that names a key file that
  /// cannot be read or written.
  public func start() async throws {
    try settings.compliance.check()
    try loadKeys()
    let now = clock.now()
    _ = try await database.write { tx in try tx.execute("DELETE FROM identity_revocation WHERE expires_at < \(now)") }
    try await reload()
  }

  /// Reads the sealing keys; the newest seals from now on.
  func loadKeys() throws {
    let loaded = Sealers(
      tokens: try Sealer.load(directory: keyDirectory, purpose: "token"),
      secrets: try Sealer.load(directory: keyDirectory, purpose: "credential"),
      receipts: try Sealer.load(directory: keyDirectory, purpose: "receipt"))
    sealers.withLock { $0 = loaded }
  }

  /// The number of the key that seals, by purpose.
  var keyNumbers: [(purpose: String, number: Int)] {
    let all = sealers.withLock { $0 }
    return [
      ("token", Int(all.tokens.newest)), ("receipt", Int(all.receipts.newest)), ("credential", Int(all.secrets.newest)),
    ]
  }

  var secrets: Sealer { sealers.withLock { $0.secrets } }
  private var receipts: Sealer { sealers.withLock { $0.receipts } }
  private var tokens: Sealer { sealers.withLock { $0.tokens } }

  // MARK: Snapshot

  /// The books as they are now.
  var books: Snapshot { snapshot.withLock { $0 } }

  /// Reads everything again, in the order of the writes.
  private func reload() async throws {
    try await database.write { [self] tx in
      let update = try SnapshotStore.read([.everything], tx: tx)
      snapshot.withLock {
        update(&$0)
        $0.generation += 1
      }
    }
  }

  /// A write. The snapshot follows it inside the transaction: writes are applied in their order, and whoever got an answer
  /// finds it in force. A commit that fails after that is answered by reading everything again.
  func change<Result: Sendable>(
    _ call: Call? = nil, _ body: @escaping @Sendable (Change) throws -> Result
  ) async throws -> Result {
    let now = clock.now()
    let kept = tokenLifetime + Self.expiredWindow
    do {
      return try await database.write { [self] tx in
        let change = Change(tx: tx, now: now, revocationLifetime: kept)
        let result = try body(change)
        let update = try SnapshotStore.read(change.parts, tx: tx)
        snapshot.withLock {
          update(&$0)
          $0.generation += 1
        }
        return result
      }
    } catch let fault as Fault {
      // The body refused: nothing has been applied.
      throw fault
    } catch {
      try await reload()
      throw error
    }
  }

  /// Records who did what, once it is committed.
  func audit(_ call: Call?, _ what: String, _ tx: any Transaction) {
    let own = call.map { log.request($0.requestID) } ?? log
    let who = call?.identity.map { "user \($0.user.name) (\($0.user.id)) " } ?? ""
    let from = call.map { " from \($0.http.remoteAddress)" } ?? ""
    tx.afterCommit { own.audit(who + what + from) }
  }

  // MARK: Tokens

  func seal(_ payload: TokenPayload) throws -> String { Base64URL.encode(try tokens.seal(payload.bytes)) }

  /// What a token's text says; nil when it is none of ours. Whether it is in force is another question.
  func open(_ token: String) -> TokenPayload? {
    guard token.utf8.count <= 2048, let bytes = Base64URL.decode(token) else { return nil }
    return tokens.open(bytes).flatMap { TokenPayload(bytes: $0) }
  }

  func seal(_ receipt: AuthReceipt) throws -> String { Base64URL.encode(try receipts.seal(receipt.bytes)) }

  /// What a receipt's text says; nil when it is none of ours or has ended.
  func openReceipt(_ text: String) -> AuthReceipt? {
    guard text.utf8.count <= 2048, let bytes = Base64URL.decode(text) else { return nil }
    return receipts.open(bytes).flatMap { AuthReceipt(bytes: $0, now: clock.now()) }
  }

  public func verify(_ token: String) async throws -> AuthContext {
    let now = clock.now()
    guard let payload = open(token),
      let context = snapshot.withLock({ books in
        books.resolve(payload, now: now).map { books.context($0, text: token) }
      })
    else { throw Fault.unauthorized() }
    return context
  }

  /// The caller's own token with what it refers to.
  func token(of auth: AuthContext) throws -> ResolvedToken {
    guard let payload = open(auth.tokenID.value), let token = books.resolve(payload, now: clock.now()) else {
      throw Fault.unauthorized()
    }
    return token
  }

  public func projectExists(_ id: String, tx: any Transaction) throws -> Bool {
    snapshot.withLock { $0.projects[id].map { !$0.isDomain } ?? false }
  }

  // MARK: API

  /// Identity's API, version 3.14.
  public var api: ServiceAPI {
    let all = resourceRoutes
    return ServiceAPI(name: "identity", errors: .identity, routes: discoveryRoutes(all) + all) { path in
      // Clients also use the path prefix that Identity has on a shared port.
      path.first == "identity" ? Array(path.dropFirst()) : path
    }
  }

  private var resourceRoutes: [Route] {
    tokenRoutes + userRoutes + groupRoutes + projectRoutes + domainRoutes + domainConfigRoutes + roleRoutes
      + grantRoutes + catalogRoutes + credentialRoutes + trustRoutes + applicationCredentialRoutes + limitRoutes
      + endpointFilterRoutes + endpointPolicyRoutes + federationRoutes + revocationRoutes
      + signatureRoutes + oauth1Routes + oauth2Routes
  }
}
