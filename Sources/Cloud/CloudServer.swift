import API
import Config
import Dashboard
import Dispatch
import Foundation
import Host
import Kit
import Logs
import Store
import Synchronization

/// A process that serves a state folder: `martlet serve`.
public struct CloudServer: Sendable {
  private let configuration: Configuration
  private let state: StateFolder
  private let processStart: ContinuousClock.Instant

  /// `processStart`: when the process began, for the time that a start took.
  public init(configuration: Configuration, state: StateFolder, processStart: ContinuousClock.Instant = .now) {
    (self.configuration, self.state, self.processStart) = (configuration, state, processStart)
  }

  /// Serves until SIGTERM or SIGINT. Throws a fault that says what is missing when it cannot start. Guests and their
  /// networks go on when it ends.
  public func run() async throws {
    // Whatever this process writes is its owner's alone, also where a library opens the file.
    umask(0o077)
    try state.create()
    let lock = try FileLock(state.lock)
    let level = LogLevel(name: configuration.text("log.level")) ?? .info
    let logs = LogCenter(directory: state.logs, level: level)
    let log = logs.logger("martlet")
    let services = try CloudServices(configuration: configuration, state: state, logs: logs)
    do {
      let overrides = try services.policyOverrides()
      try await start(services)
      let sockets = try await listen(services, overrides)
      let elapsed = ContinuousClock.now - processStart
      log.info("every API answers after \(elapsed.milliseconds) ms")
      let control = ControlServer(
        services: services, overrides: overrides, startedAt: SystemClock().now(),
        startup: Double(elapsed.milliseconds) / 1000)
      try await serve(services, sockets, control, log: log)
    } catch {
      log.critical("\(Fault(error).message)")
      try? services.database.close()
      throw error
    }
    try services.database.close()
    log.info("stopped")
    withExtendedLifetime(lock) {}
  }

  /// Brings the state and the node up to where requests can be answered.
  private func start(_ services: CloudServices) async throws {
    try await services.database.migrate(CloudServices.migrations)
    try await services.identity.start()
    try await services.identity.bootstrap(
      adminPassword: try adminPassword(), region: configuration.text("cloud.region"),
      endpoints: ServicePort.catalog(configuration))
    try await services.dataplane.start()
    try await services.hypervisor.start()
    try await services.network.bootstrapExternal(
      name: configuration.text("network.external_name"), cidr: configuration.text("network.external_cidr"),
      gateway: configuration.text("network.external_gateway"))
    try await services.image.start()
    try await services.blockStorage.start()
    try await services.compute.start()
  }

  /// Made at the first start, kept for the owner only.
  private func adminPassword() throws -> Secret {
    if let text = try? String(contentsOfFile: state.adminPassword, encoding: .utf8), !text.isEmpty {
      return Secret(text.trimmingCharacters(in: .whitespacesAndNewlines))
    }
    let password = Secret.random(bytes: 12)
    try HostFiles.writeAtomically(state.adminPassword, Array((password.value + "\n").utf8), mode: 0o600)
    return password
  }

  private struct Listener: Sendable {
    /// Serves one socket until it is cancelled.
    let serve: @Sendable (CInt) async throws -> Void
    let descriptors: [CInt]
  }

  /// The sockets of every API and of the dashboard: on the host and, at the same addresses, in the cloud's namespace.
  private func listen(_ services: CloudServices, _ overrides: PolicyOverrides) async throws -> [Listener] {
    let address = configuration.text("api.address")
    let isKernel = configuration.text("network.driver") == "kernel"
    let namespace = NetworkNamespace(configuration.text("cloud.name"))
    var listeners: [Listener] = []
    let http = HTTPServer(log: services.logs.logger("martlet"))
    func add(_ place: ServicePort, _ serve: @escaping @Sendable (CInt) async throws -> Void) throws {
      let port = place.port(configuration)
      var descriptors = [try HostSocket.listen(address: address, port: port)]
      if isKernel { descriptors.append(try namespace.listen(address: address, port: port)) }
      listeners.append(Listener(serve: serve, descriptors: descriptors))
    }
    var routers: [String: APIRouter] = [:]
    for api in services.apis {
      let router = APIRouter(
        api, verifier: services.identity, log: services.logs.logger(api.name), overrides: overrides)
      routers[api.name] = router
      guard let place = ServicePort.all.first(where: { $0.service == api.name }) else { continue }
      try add(place) { try await http.serve(socket: $0) { await router.respond($0) } }
    }
    let dashboard = try dashboard(routers, services)
    try add(.dashboard) { try await http.serve(socket: $0) { await dashboard.respond($0) } }
    var settings = ConsoleProxy.Settings()
    settings.dashboardPort = ServicePort.dashboard.port(configuration)
    let consoles = ConsoleProxy(
      consoles: services.compute, visitors: { dashboard.user(cookies: $0) }, log: services.logs.logger("console"),
      settings: settings)
    try add(.console) { try await consoles.serve(socket: $0) }
    return listeners
  }

  private func dashboard(_ routers: [String: APIRouter], _ services: CloudServices) throws -> DashboardService {
    var settings = DashboardSettings()
    settings.authURL = ServicePort.authURL(configuration)
    settings.region = configuration.text("cloud.region")
    let console = ServicePort.console
    settings.consoleOrigin = String(console.url(configuration).dropLast(console.suffix.count))
    settings.consoleAbsent = { ConsoleProxy.absence() }
    return try DashboardService(
      routers: routers, log: services.logs.logger("dashboard"), keyDirectory: state.keys, logs: services.logs,
      settings: settings)
  }

  private func serve(
    _ services: CloudServices, _ listeners: [Listener], _ control: ControlServer, log: Log
  ) async throws {
    let http = HTTPServer(log: log)
    let socket = try HostSocket.listenUnix(state.control)
    try ProcessHandle(pid: getpid())?.save(state.pid)
    defer {
      unlink(state.control)
      unlink(state.pid)
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for listener in listeners {
        for descriptor in listener.descriptors {
          group.addTask { try await listener.serve(descriptor) }
        }
      }
      group.addTask { try await http.serve(socket: socket) { await control.respond($0) } }
      group.addTask { try await services.engine.run() }
      group.addTask { try await services.network.run() }
      group.addTask { try await services.compute.run() }
      group.addTask { try await sweepImages(services, log) }
      group.addTask {
        await Signals.wait([SIGTERM, SIGINT])
        throw CancellationError()
      }
      do {
        // The first that ends by an error ends them all; waitForAll would wait for the others first.
        while try await group.next() != nil {}
      } catch is CancellationError {
        log.info("stopping: guests and their networks go on")
      }
      group.cancelAll()
    }
  }
}

/// Takes back image files that nothing uses any more: a deletion keeps those that guests had open.
private func sweepImages(_ services: CloudServices, _ log: Log) async throws {
  while true {
    try await Task.sleep(for: .seconds(3600))
    do { try await services.image.sweep() } catch { log.warning("unused image files stay for now: \(error)") }
  }
}

/// Waiting for signals as a process's only reaction to them; see signal(7).
enum Signals {
  static func wait(_ signals: [CInt]) async {
    let (stream, continuation) = AsyncStream<Void>.makeStream()
    let sources = signals.map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { continuation.yield() }
      source.resume()
      return source
    }
    for await _ in stream { break }
    for source in sources { source.cancel() }
  }
}
